"""The screens, as data: the portal shows a person those of their role."""

from dataclasses import dataclass
from pathlib import Path

from rules.terms import Role

HERE = Path(__file__).parent
CUSTOMERS = frozenset({Role.CUSTOMER})
STAFF = frozenset({Role.ANALYST, Role.ADMINISTRATOR})


@dataclass(frozen=True, slots=True)
class Screen:
    """One screen. `path` is its address ("" for the first one), its title is the text `screen.<name>`."""

    name: str
    path: str
    file: str
    icon: str
    roles: frozenset[Role]
    in_bar: bool = False
    """Among the four at the bottom of a phone."""
    in_menu: bool = False
    """In the menu under the person's name instead of the navigation."""
    demo_only: bool = False
    section: str = ""
    """Screens of one section stand together in the navigation under the text `section.<section>`."""
    unlisted: bool = False
    """Reached from other screens only: neither in the navigation nor in a menu."""

    @property
    def script(self) -> Path:
        return HERE / self.file


SCREENS = (
    Screen("home", "", "account/home.py", ":material/home:", CUSTOMERS, in_bar=True),
    Screen("accounts", "accounts", "account/accounts.py", ":material/folder_shared:", CUSTOMERS),
    Screen("pay", "pay", "account/pay.py", ":material/account_balance_wallet:", CUSTOMERS, in_bar=True, section="money"),
    Screen("services", "services", "account/services.py", ":material/tune:", CUSTOMERS, in_bar=True),
    Screen("payments", "payments", "account/payments.py", ":material/receipt_long:", CUSTOMERS, section="money"),
    Screen("bills", "bills", "account/bills.py", ":material/request_quote:", CUSTOMERS, section="money"),
    Screen("autopay", "autopay", "account/autopay.py", ":material/autorenew:", CUSTOMERS, in_bar=True, section="money"),
    Screen("utilities", "utilities", "account/utilities.py", ":material/home_work:", CUSTOMERS, section="money"),
    Screen("bonus", "bonus", "account/bonus.py", ":material/loyalty:", CUSTOMERS),
    Screen("overview", "", "staff/overview.py", ":material/monitoring:", STAFF),
    Screen("refunds", "refunds", "staff/refunds.py", ":material/undo:", frozenset({Role.ADMINISTRATOR})),
    Screen("background", "background", "staff/background.py", ":material/manufacturing:", STAFF),
    Screen("profile", "profile", "account/profile.py", ":material/person:", CUSTOMERS | STAFF, in_menu=True),
    Screen("notices", "notices", "account/notices.py", ":material/notifications:", CUSTOMERS, in_menu=True),
    Screen("cards", "cards", "account/cards.py", ":material/credit_card:", CUSTOMERS, in_menu=True),
    Screen("mailbox", "mailbox", "account/mailbox.py", ":material/mail:", CUSTOMERS, in_menu=True, demo_only=True),
    Screen("security", "security", "account/security.py", ":material/shield:", CUSTOMERS | STAFF, in_menu=True),
)


PUBLIC = tuple(
    Screen(name, name, f"public/{name}.py", icon, frozenset())
    for name, icon in (
        ("register", ":material/person_add:"),
        ("recover", ":material/lock_reset:"),
        ("confirm", ":material/mark_email_read:"),
        ("reset", ":material/key:"),
    )
)
"""What is open to whoever comes. Letters lead to the last two: they are open to who is signed in, too."""
FROM_LETTERS = PUBLIC[2:]


def screens_for(role: Role, *, demo: bool) -> list[Screen]:
    """What a person of this role may open, in the order of the navigation."""
    return [screen for screen in SCREENS if role in screen.roles and (demo or not screen.demo_only)]
