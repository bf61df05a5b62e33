"""What `streamlit run app.py` starts: the ASGI application with its routes, headers, start-up and shut-down. No screens."""

import gc
import json
import logging
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import streamlit as st
from starlette.middleware import Middleware
from streamlit.runtime.pages_manager import PagesManager

import clock
from actions.demo_clock import catch_up_at_start, follow
from db import database, schema
from jobs.loop import Loop
from routes.addresses import OneLevel
from routes.documents import DOCUMENT_ROUTES
from routes.hardening import Hardening
from routes.health import HEALTH_ROUTES
from routes.identity import IDENTITY_ROUTES, IdentityTrip
from routes.payments import PAYMENT_ROUTES
from routes.proofs import PROOF_ROUTES
from routes.pwa import pwa_routes
from routes.session import SESSION_ROUTES
from routes.test_bank import BANK_ROUTES
from routes.unsubscribe import UNSUBSCRIBE_ROUTES
from routes.webhooks import WEBHOOK_ROUTES
from rules.demo_clock import MOST_TO_CATCH_UP
from rules.refusals import Unavailable
from settings import SettingsError, operator, settings
from ui.widgets import shell

HERE = Path(__file__).parent


class JsonLines(logging.Formatter):
    """One JSON object a line, so that nothing a person typed can begin a line of its own."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_as_json() -> None:
    """Kabinet's own events go to stderr as JSON lines."""
    logger = logging.getLogger("kabinet")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


def give_up(why: object) -> NoReturn:
    """Stop before anything is served, with one sentence for whoever started the process."""
    print(f"\n  {why}\n", file=sys.stderr, flush=True)  # noqa: T201
    os._exit(2)


def prepare() -> None:
    """Make sure there is a database to serve: a demo makes and fills its own, anything else must be there already."""
    engine = database()
    if settings().is_demo and schema.is_empty(engine):
        from seed.run import run as seed

        chosen = settings()
        print(f"\n  Making the demo's data: {chosen.demo_customers} customers, {chosen.demo_months} months", file=sys.stderr)  # noqa: T201
        seed(
            engine=engine,
            customers=chosen.demo_customers,
            months=chosen.demo_months,
            seed=chosen.demo_seed,
            as_of=clock.today(),
        )
    schema.require_current(engine)
    if settings().is_demo:
        follow()
        missed = catch_up_at_start()
        if missed:
            anew = "to live them or to begin anew, open the portal and choose, or run: python -m seed --reset"
            what = "catching up" if missed <= MOST_TO_CATCH_UP else anew
            print(f"\n  The demo's data end {missed.days} days ago; {what}.", file=sys.stderr)  # noqa: T201


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Start: settings, database, background work. What start-up left behind is frozen out of garbage collection."""
    try:
        prepare()
    except (SettingsError, schema.SchemaError) as error:
        give_up(error)
    except schema.DatabaseError as error:
        give_up(f"The database cannot be reached: {getattr(error, 'orig', error)}")
    loop = Loop()
    loop.start()
    gc.collect()
    gc.freeze()
    yield
    loop.stop()


def script_failed(error: BaseException) -> bool:
    """The portal itself failed, outside any screen: still a sentence and a reference, never a stack trace."""
    if isinstance(error, Unavailable):
        logging.getLogger("kabinet.portal").error("database unavailable", exc_info=error)
        shell.busy()
        return True
    reference = secrets.token_hex(4).upper()
    logging.getLogger("kabinet.portal").error("portal failed, reference %s", reference, exc_info=error)
    shell.something_broke(reference)
    return True


# Until a script first names its screens, Streamlit takes a folder called pages/ for them: the first visitor of a fresh
# server would be shown what is in it, without the sign-in, and a deep link would not be found.
PagesManager.uses_pages_directory = False

log_as_json()
try:
    _name, _about = operator().name_ru, operator()
    settings()
except SettingsError as error:
    give_up(error)

app = st.App(
    str(HERE / "portal.py"),
    routes=[
        *SESSION_ROUTES,
        *HEALTH_ROUTES,
        *DOCUMENT_ROUTES,
        *IDENTITY_ROUTES,
        *PROOF_ROUTES,
        *UNSUBSCRIBE_ROUTES,
        *PAYMENT_ROUTES,
        *BANK_ROUTES,
        *WEBHOOK_ROUTES,
        *pwa_routes(name=f"{_name} — личный кабинет", short_name=_name, colour=_about.colour),
    ],
    middleware=[
        Middleware(
            Hardening,
            title=f"{_name} — личный кабинет",
            description="Все услуги связи вашей семьи в одном кабинете: баланс, услуги, платежи, автоплатёж.",
        ),
        Middleware(OneLevel),
        Middleware(IdentityTrip),
    ],
    lifespan=lifespan,
    on_script_error=script_failed,
)
