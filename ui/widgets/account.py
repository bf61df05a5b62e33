"""How an account is named and marked, the same on every screen."""

from typing import Literal

from rules.terms import AccountStatus, ServiceKind
from texts import md, t

ICONS = {
    ServiceKind.INTERNET: ":material/router:",
    ServiceKind.MOBILE: ":material/smartphone:",
    ServiceKind.TV: ":material/tv:",
    ServiceKind.PHONE: ":material/call:",
}
Colour = Literal["red", "orange", "green", "gray", "violet"]
STATUS_MARKS: dict[AccountStatus, tuple[Colour, str]] = {
    AccountStatus.ACTIVE: ("green", ":material/check_circle:"),
    AccountStatus.BLOCKED: ("red", ":material/block:"),
    AccountStatus.SUSPENDED: ("gray", ":material/pause_circle:"),
    AccountStatus.CLOSED: ("gray", ":material/cancel:"),
}


def account_name(label: str, service: ServiceKind) -> str:
    """The person's own name for an account, else its service's; plain text."""
    return label or t(f"service.{service.value}")


def account_title(label: str, service: ServiceKind) -> str:
    """The name with its icon, as bold Markdown."""
    return f"{ICONS[service]} **{md(account_name(label, service))}**"
