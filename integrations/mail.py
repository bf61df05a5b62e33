"""The operator's mail server (SMTP, RFC 5321). Without one, letters stay in the built-in mailbox."""

import smtplib
import ssl
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr, make_msgid

TIMEOUT_SECONDS = 10


class TryLater(Exception):
    """The server is down, busy or said 4xx: the same letter may be taken later."""


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


def compose(
    server: MailServer,
    *,
    to: str,
    subject: str,
    text: str,
    html: str,
    at: datetime,
    number: int,
    attached: Attached | None = None,
) -> EmailMessage:
    """A letter with a text and an HTML part, and a file. Raises ValueError for a line break in an address, subject or name.

    `number` makes its Message-ID: a letter that is sent again is the same letter.
    """
    if any(mark in value for value in (to, subject, attached.name if attached else "") for mark in "\r\n"):
        raise ValueError("a header is one line")
    letter = EmailMessage()
    letter["From"] = formataddr((server.sender_name, server.sender))
    letter["To"] = to
    letter["Subject"] = subject
    letter["Date"] = format_datetime(at)
    domain = server.sender.rpartition("@")[2] or "localhost"
    letter["Message-ID"] = make_msgid(domain=domain) if not number else f"<kabinet.{number}@{domain}>"
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(text)
    letter.add_alternative(html, subtype="html")
    if attached is not None:
        main, _, sub = attached.media_type.partition("/")
        letter.add_attachment(attached.content, maintype=main, subtype=sub, filename=attached.name)
    return letter


def send(server: MailServer, letter: EmailMessage) -> None:
    """Hand the letter to the server. Raises TryLater or Refused with what the server said."""
    try:
        with _connected(server) as connection:
            if server.user:
                connection.login(server.user, server.password)
            connection.send_message(letter)
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        raise _by_code(code, said) from error
    except smtplib.SMTPResponseException as error:
        raise _by_code(error.smtp_code, error.smtp_error) from error
    except (smtplib.SMTPException, OSError) as error:
        raise TryLater(str(error)[:200]) from error


def _connected(server: MailServer) -> smtplib.SMTP:
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context())
    connection = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_SECONDS)
    if server.security == "starttls":
        connection.starttls(context=ssl.create_default_context())
    return connection


def _by_code(code: int, said: bytes | str) -> Exception:
    told = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return Refused(f"{code} {told}"[:200]) if 500 <= code < 600 else TryLater(f"{code} {told}"[:200])
