"""A real mail server on loopback, that also says 4xx and 5xx when it is told to."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller


class Mailbox:
    """What arrived; answers what it is told to: "250 OK", "451 …" or "550 …"."""

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        self.says = "250 OK"
        self.at_recipient = "250 OK"

    async def handle_RCPT(self, _server, _session, envelope, address, _options) -> str:
        if self.at_recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.at_recipient

    async def handle_DATA(self, _server, _session, envelope) -> str:
        if self.says.startswith("250"):
            arrived = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(arrived, EmailMessage)
            self.received.append(arrived)
        return self.says


@contextmanager
def mail_server() -> Iterator[tuple[Mailbox, dict[str, str]]]:
    """The mailbox of a running server, and the settings that lead to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield mailbox, {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(port), "SMTP_SECURITY": "none"}
    finally:
        controller.stop()
