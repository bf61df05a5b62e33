"""`python -m jobs worker`: it does the background work, ends when it is told to, and says what keeps it from starting."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import select

from actions.letters import put
from db import reading, transaction
from models import Message
from rules.terms import Channel, Language, MessageState
from settings import settings
from tests.mail_server import mail_server

ROOT = Path(__file__).parent.parent.parent


def worker(url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "jobs", "worker"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url, "KABINET_MODE": "demo"},
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.read()


def test_a_worker_sends_what_waits_and_ends_when_it_is_told_to(engine_db: sa.Engine, monkeypatch: pytest.MonkeyPatch):
    with mail_server() as (mailbox, leads_there):
        for name, value in leads_there.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        with transaction() as session:
            put(session, channel=Channel.EMAIL, recipient="ivan@street.example", about="password_reset", language=Language.RU,
                phone="8 800 000-00-00")  # fmt: skip
        process = worker(engine_db.url.render_as_string(hide_password=False))
        try:
            until = time.monotonic() + 40
            while not mailbox.received:
                assert process.poll() is None, said(process)
                assert time.monotonic() < until, "the letter did not leave"
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
        finally:
            process.kill()
            errors = said(process)
    assert errors.strip() == "Working. Stop with Ctrl-C."
    with reading() as session:
        letter = session.exec(select(Message)).one()
    assert (letter.state, letter.attempts) == (MessageState.SENT, 1)


def test_a_worker_that_finds_no_tables_says_so_and_does_not_start(tmp_path: Path):
    process = worker(f"sqlite:///{tmp_path}/nothing.db")
    assert process.wait(30) == 2
    assert "python -m db upgrade" in said(process)
