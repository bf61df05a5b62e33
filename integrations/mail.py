"""The operator's mail server (SMTP, RFC 5321). Without one, letters stay in the built-in mailbox."""

import smtplib
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import Policy, default
from email.utils import format_datetime, formataddr, make_msgid
from typing import Any

TIMEOUT_SECONDS = 10


class TryLater(Exception):
    """The server is down, busy or said 4xx: the same letter may be taken later."""


class Unreachable(TryLater):
    """The server cannot be reached, or will not have us: no letter can be taken now."""


class Refused(Exception):
    """The server said 5xx: this letter will never be taken."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where letters go. `security`: "starttls", "tls" or "none" (loopback only)."""

    host: str
    port: int
    security: str
    user: str
    password: str
    sender_name: str
    sender: str


@dataclass(frozen=True, slots=True)
class Attached:
    """A file that goes with a letter. `media_type` is like `application/pdf`."""

    content: bytes
    name: str
    media_type: str


class _Whole(UnstructuredHeader):
    """A header that stays on its line: a long address would be folded, and then encoded, into something nobody can follow."""

    def fold(self: Any, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("list-unsubscribe", _Whole)  # type: ignore[arg-type]
_POLICY = default.clone(header_factory=_HEADERS)


def compose(
    server: MailServer,
    *,
    to: str,
    subject: str,
    text: str,
    html: str,
    at: datetime,
    number: int,
    attached: Sequence[Attached] = (),
    unsubscribe: str = "",
) -> EmailMessage:
    """A letter with a text and an HTML part, and files. Raises ValueError for a line break in an address, subject or name.

    `number` makes its Message-ID: a letter that is sent again is the same letter. `unsubscribe` is the address by which its
    reader, or their mail program with one click (RFC 8058), wants no more of its kind.
    """
    if any(mark in value for value in (to, subject, unsubscribe, *(file.name for file in attached)) for mark in "\r\n"):
        raise ValueError("a header is one line")
    letter = EmailMessage(policy=_POLICY)
    letter["From"] = formataddr((server.sender_name, server.sender))
    letter["To"] = to
    letter["Subject"] = subject
    letter["Date"] = format_datetime(at)
    domain = server.sender.rpartition("@")[2] or "localhost"
    letter["Message-ID"] = make_msgid(domain=domain) if not number else f"<kabinet.{number}@{domain}>"
    letter["Auto-Submitted"] = "auto-generated"
    if unsubscribe:
        letter["List-Unsubscribe"] = f"<{unsubscribe}>"
        letter["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    letter.set_content(text)
    letter.add_alternative(html, subtype="html")
    for file in attached:
        main, _, sub = file.media_type.partition("/")
        letter.add_attachment(file.content, maintype=main, subtype=sub, filename=file.name)
    return letter


class Conversation:
    """One conversation with the server, for as many letters as there are; it is begun with the first one, and anew when it broke.

    A letter that the server took and did not say so, because the line broke in between, counts as not taken: it will be
    sent once more, under the same Message-ID.
    """

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._line: smtplib.SMTP | None = None

    def __enter__(self) -> "Conversation":
        return self

    def __exit__(self, *_: object) -> None:
        line, self._line = self._line, None
        if line is not None:
            with suppress(smtplib.SMTPException, OSError):  # what was taken is taken, however it says goodbye
                line.quit()
            line.close()

    def send(self, letter: EmailMessage) -> None:
        """Hand the letter over. Raises Unreachable, TryLater or Refused with what the server said."""
        line = self._ready()
        try:
            line.send_message(letter)
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            raise _by_code(code, said) from error
        except smtplib.SMTPResponseException as error:
            raise _by_code(error.smtp_code, error.smtp_error) from error
        except (smtplib.SMTPException, OSError) as error:
            self._hang_up()
            raise TryLater(str(error)[:200]) from error

    def _ready(self) -> smtplib.SMTP:
        """A line that is open: servers hang up after so many letters or minutes, and say so to the next command."""
        if self._line is not None:
            try:
                if self._line.noop()[0] == 250:
                    return self._line
            except (smtplib.SMTPException, OSError):
                pass
            self._hang_up()
        try:
            self._line = _connected(self._server)
            if self._server.user:
                self._line.login(self._server.user, self._server.password)
        except (smtplib.SMTPException, OSError) as error:
            # A wrong password is 535: that is said of us, not of the letter.
            self._hang_up()
            raise Unreachable(str(error)[:200]) from error
        return self._line

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line = None


def _connected(server: MailServer) -> smtplib.SMTP:
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context())
    connection = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_SECONDS)
    try:
        if server.security == "starttls":
            connection.starttls(context=ssl.create_default_context())
    except BaseException:
        connection.close()
        raise
    return connection


def _by_code(code: int, said: bytes | str) -> Exception:
    told = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return Refused(f"{code} {told}"[:200]) if 500 <= code < 600 else TryLater(f"{code} {told}"[:200])
