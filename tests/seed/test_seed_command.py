"""`python -m seed` answers in sentences."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def seed(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seed", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_seeds_says_how_many_rows_and_refuses_to_do_it_twice(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'kabinet.db'}"
    first = seed("--customers", "12", "--months", "2", "--database-url", url)
    assert first.returncode == 0, first.stderr
    assert "rows in" in first.stdout
    second = seed("--customers", "12", "--months", "2", "--database-url", url)
    assert second.returncode == 2
    assert "--reset" in second.stderr
    third = seed("--customers", "12", "--months", "2", "--database-url", url, "--reset")
    assert third.returncode == 0, third.stderr


def test_production_is_not_seeded(tmp_path: Path) -> None:
    refused = seed(
        KABINET_MODE="production",
        SECRET_KEY="s" * 40,
        PUBLIC_URL="https://my.example",
        DATABASE_URL=f"sqlite:///{tmp_path / 'live.db'}",
    )
    assert refused.returncode == 2
    assert "production" in refused.stderr
    assert not (tmp_path / "live.db").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--customers", "many"], "not a whole number"),
        (["--customers", "3"], "At least 10 customers"),
        (["--months", "0"], "At least one month"),
        (["--months", "-1"], "negative"),
        (["--as-of", "22.11.2026"], "not a day"),
        (["--database-url", "mysql://localhost/kabinet"], "only sqlite"),
        (["--database-url", "sqlite://"], "in-memory"),
        (["--colour"], "Unrecognized arguments"),
    ],
)
def test_bad_arguments_get_a_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    refused = seed(*arguments, DATABASE_URL=f"sqlite:///{tmp_path / 'kabinet.db'}")
    assert refused.returncode == 2
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "kabinet.db").exists()
