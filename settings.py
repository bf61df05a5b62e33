"""What a deployment may choose: environment variables, a `.env` file, and `operator.toml` for who the operator is.

Every limit that an operator publishes (least top-up, autopay threshold …) is here or in `operator.toml`,
never in code. Errors are sentences for the person who starts the process, not stack traces.
"""

import os
import secrets
import tomllib
from contextlib import suppress
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from rules.autopay import AutopayTerms
from rules.billing import BillingTerms
from rules.bonus import BonusTerms
from rules.payments import PaymentTerms
from rules.terms import GatewayName

ROOT = Path(__file__).parent


class SettingsError(Exception):
    """A setting cannot be used. The text names the setting and what to do."""


class Mode(StrEnum):
    """DEMO seeds itself and shows personas; PRODUCTION refuses everything that only a demo may do."""

    DEMO = "demo"
    PRODUCTION = "production"


def _database_url(text: str) -> str:
    """Accept SQLite files and PostgreSQL through psycopg; `postgresql://` is read as psycopg 3."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError(
            "is not a database address; for example sqlite:///var/kabinet.db or postgresql+psycopg://host/name"
        ) from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg"):
        raise ValueError(f"names {url.drivername!r}; only sqlite and postgresql+psycopg are supported")
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        raise ValueError("needs a SQLite file: an in-memory database is not shared between threads")
    return url.render_as_string(hide_password=False)


class Settings(BaseSettings):
    """The process's settings. Names are the environment variables, upper case."""

    model_config = SettingsConfigDict(env_file=ROOT / ".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    kabinet_mode: Mode = Mode.DEMO
    database_url: Annotated[str, AfterValidator(_database_url)] = f"sqlite:///{ROOT / 'var' / 'kabinet.db'}"
    operator_file: Path = ROOT / "operator.toml"
    demo_customers: int = Field(default=300, ge=10, le=1_000_000)
    demo_months: int = Field(default=24, ge=1, le=120)
    demo_seed: int = 1
    secret_key: str | None = Field(default=None, min_length=32)

    public_url: str | None = Field(default=None, pattern=r"^https?://[^/\s]+$")
    """Where people reach the portal, for links in letters: https://my.example.org. A demo asks the browser."""
    smtp_host: str = ""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str = ""
    smtp_password: str = ""
    smtp_sender: str = ""

    payment_gateway: GatewayName = GatewayName.TEST_BANK
    """Who takes the cards. The test bank is for demos: production refuses it."""
    yookassa_shop_id: str = ""
    yookassa_secret_key: str = Field(default="", repr=False)
    yookassa_api_url: str = "https://api.yookassa.ru/v3"

    session_idle_minutes: int = Field(default=30, ge=1)
    session_hours: int = Field(default=12, ge=1)
    session_days: int = Field(default=30, ge=1, le=90)
    """How long a session lasts: unused (without "remember me"), in all without it, in all with it."""
    registration_hours: int = Field(default=24, ge=1, le=24)
    reset_minutes: int = Field(default=60, ge=1, le=60)
    code_minutes: int = Field(default=10, ge=1, le=10)
    code_tries: int = Field(default=5, ge=1, le=5)
    letters_per_hour: int = Field(default=5, ge=1)
    """Registrations, resets and resent letters for one person's contact; ten times that for one network address."""
    least_age_years: int = Field(default=14, ge=0)
    closing_days: int = Field(default=30, ge=1)
    sign_in_tries_person: int = Field(default=5, ge=1)
    sign_in_tries_address: int = Field(default=30, ge=1)
    sign_in_window_minutes: int = Field(default=15, ge=1)
    attach_code_minutes: int = Field(default=10, ge=1, le=10)
    attach_code_tries: int = Field(default=5, ge=1, le=5)
    attach_requests_per_hour: int = Field(default=10, ge=1)

    @property
    def is_demo(self) -> bool:
        return self.kabinet_mode is Mode.DEMO

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")


class Bank(BaseModel):
    """Where money for the operator goes; printed on bills."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    bic: str = Field(pattern=r"^\d{9}$")
    account: str = Field(pattern=r"^\d{20}$")
    correspondent_account: str = Field(pattern=r"^\d{20}$")


class Operator(BaseModel):
    """Who the operator is: the whole of its identity, so that the portal is white-label."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name_ru: str = Field(min_length=1, max_length=40)
    name_en: str = Field(min_length=1, max_length=40)
    legal_name: str
    inn: str = Field(pattern=r"^\d{10}$")
    kpp: str = Field(pattern=r"^\d{9}$")
    address: str
    phone: str
    email: str
    logo: str
    logo_dark: str
    colour: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")
    bank: Bank
    payments: PaymentTerms = PaymentTerms()
    bonus: BonusTerms = BonusTerms()
    autopay: AutopayTerms = AutopayTerms()
    billing: BillingTerms = BillingTerms()
    """What the operator allows; each has defaults, a section of the file changes them."""

    def name(self, language: str) -> str:
        return self.name_en if language == "en" else self.name_ru


def _first_sentence(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"]) or "value"
    return f"{where.upper() if '.' not in where else where}: {problem['msg'].removeprefix('Value error, ')}"


@lru_cache
def settings() -> Settings:
    """The settings of this process, read once.

    Raises SettingsError with one sentence when a value cannot be used.
    """
    try:
        read = Settings()
    except ValidationError as error:
        raise SettingsError(_first_sentence(error)) from None
    if not read.is_demo and read.secret_key is None:
        raise SettingsError("SECRET_KEY: production needs one of at least 32 characters")
    if not read.is_demo and read.payment_gateway is GatewayName.TEST_BANK:
        raise SettingsError("PAYMENT_GATEWAY: production takes no play money; set it to yookassa")
    if read.payment_gateway is GatewayName.YOOKASSA and not (read.yookassa_shop_id and read.yookassa_secret_key):
        raise SettingsError("YOOKASSA_SHOP_ID, YOOKASSA_SECRET_KEY: the gateway needs both")
    if not read.is_demo and read.public_url is None:
        raise SettingsError("PUBLIC_URL: production needs the portal's own address for links in letters")
    return read


@lru_cache
def operator() -> Operator:
    """The operator's identity from `operator.toml`, read once. Raises SettingsError."""
    path = settings().operator_file
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"OPERATOR_FILE: {path} does not exist") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.name} is not valid TOML: {error}") from None
    try:
        return Operator.model_validate(content)
    except ValidationError as error:
        raise SettingsError(f"{path.name}: {_first_sentence(error)}") from None


def secret_key() -> str:
    """The key that signs cookies: SECRET_KEY, or in a demo without one a random key kept in `var/secret.key`."""
    return settings().secret_key or _kept_key(ROOT / "var" / "secret.key")


@lru_cache
def _kept_key(file: Path) -> str:
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        written = file.with_name(f"{file.name}.{os.getpid()}")
        written.touch(mode=0o600)
        written.write_text(secrets.token_urlsafe(48), encoding="ascii")
        # Of two processes that start at once the first one's key stays; neither ever reads half of one.
        with suppress(FileExistsError):
            os.link(written, file)
        written.unlink()
    return file.read_text(encoding="ascii")
