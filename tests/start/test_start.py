"""Starting the portal: from nothing, and with something wrong. What is wrong is one sentence, never a stack trace."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from db.engine import make_engine
from settings import ROOT


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(port: int, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def says(process: subprocess.Popen[str]) -> str:
    """What a process that gives up says, after it did."""
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in output, output
    return output


def test_a_demo_starts_from_nothing_and_fills_itself(tmp_path: Path):
    port = free_port()
    process = start(port, DATABASE_URL=f"sqlite:///{tmp_path / 'new.db'}", DEMO_CUSTOMERS="20", DEMO_MONTHS="3")
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://localhost:{port}/healthz", timeout=2) as answer:
                    assert answer.status == 200
                    break
            except OSError:
                time.sleep(0.1)
        else:
            pytest.fail("it did not start in a minute")
        engine = make_engine(f"sqlite:///{tmp_path / 'new.db'}")
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM demo_persona").scalar_one() == 9
        engine.dispose()
    finally:
        process.terminate()
        process.wait(20)


PRODUCTION = {
    "KABINET_MODE": "production",
    "SECRET_KEY": "k" * 40,
    "PUBLIC_URL": "https://my.example",
    "PAYMENT_GATEWAY": "yookassa",
    "YOOKASSA_SHOP_ID": "1",
    "YOOKASSA_SECRET_KEY": "test",
}


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"PAYMENT_GATEWAY": "test_bank"}, "PAYMENT_GATEWAY: production takes no play money"),
        ({"YOOKASSA_SECRET_KEY": ""}, "YOOKASSA_SHOP_ID, YOOKASSA_SECRET_KEY: the gateway needs both"),
    ],
)
def test_production_takes_real_money_only(tmp_path: Path, other: dict[str, str], sentence: str):
    assert sentence in says(start(free_port(), DATABASE_URL=f"sqlite:///{tmp_path / 'new.db'}", **{**PRODUCTION, **other}))


def test_production_does_not_fill_an_empty_database_and_says_what_to_run(tmp_path: Path):
    file = tmp_path / "new.db"
    said = says(
        start(
            free_port(),
            DATABASE_URL=f"sqlite:///{file}",
            **PRODUCTION,
        )
    )
    assert "The database is empty. Run: python -m db upgrade" in said


def test_production_needs_a_secret_key(tmp_path: Path):
    said = says(start(free_port(), DATABASE_URL=f"sqlite:///{tmp_path / 'new.db'}", KABINET_MODE="production"))
    assert "SECRET_KEY: production needs one of at least 32 characters" in said


def test_a_database_that_is_behind_is_named(tmp_path: Path, sqlite_template: Path):
    file = tmp_path / "old.db"
    file.write_bytes(sqlite_template.read_bytes())
    engine = make_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
        connection.commit()
    engine.dispose()
    said = says(
        start(
            free_port(),
            DATABASE_URL=f"sqlite:///{file}",
            **PRODUCTION,
        )
    )
    assert "is at revision 0000" in said
    assert "python -m db upgrade" in said


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("rubbish", "DATABASE_URL"),
        ("mysql://localhost/x", "only sqlite and postgresql+psycopg are supported"),
        ("postgresql+psycopg://127.0.0.1:1/none", "The database cannot be reached"),
    ],
)
def test_a_database_that_cannot_be_used_is_named(url: str, sentence: str):
    assert sentence in says(start(free_port(), DATABASE_URL=url))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("name_ru = ", "is not valid TOML"),
        ('name_ru = "Линия"\nunknown = 1\n', "operator"),
        (None, "does not exist"),
    ],
)
def test_an_operator_file_that_cannot_be_used_is_named(tmp_path: Path, content: str | None, sentence: str):
    file = tmp_path / "operator.toml"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    assert sentence in says(start(free_port(), OPERATOR_FILE=str(file), DATABASE_URL=f"sqlite:///{tmp_path / 'x.db'}"))


def test_a_port_that_is_taken_is_named(tmp_path: Path, sqlite_template: Path):
    file = tmp_path / "kabinet.db"
    file.write_bytes(sqlite_template.read_bytes())
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = says(
            start(
                port,
                DATABASE_URL=f"sqlite:///{file}",
                KABINET_MODE="production",
                SECRET_KEY="k" * 40,
                PUBLIC_URL="https://my.example",
            )
        )
    assert str(port) in said
