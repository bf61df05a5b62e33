"""Who is asking: handed to every action and query, so that each can check by the person."""

from dataclasses import dataclass

from rules.terms import Language, Role


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in person, as of the check that just passed. Never kept between requests."""

    customer_id: int
    session_id: int
    role: Role
    first_name: str
    language: Language
    region_code: str
    time_zone: str
    """IANA name of the person's region: times on screens are in it."""
    welcomed: bool = True
    """Whether the person has answered the questions of the first sign-in."""
    address: str = ""
    """Network address the request came from, for the audit journal."""

    @property
    def is_staff(self) -> bool:
        return self.role is not Role.CUSTOMER
