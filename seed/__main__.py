"""`python -m seed` fills an empty database with demo data."""

import argparse
import sys
from datetime import date

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import ProgrammingError as DatabaseError

import clock
from db.engine import make_engine
from seed.run import SeedRefused, run
from settings import Settings, SettingsError, settings

_WIDTH = 30
_SAYS = {"schema": "schema", "customers": "customers and their history", "figures": "figures", "done": "done"}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        """One sentence instead of the usage."""
        print(f"{message[:1].upper()}{message[1:]}. `python -m seed --help` shows what can be given.", file=sys.stderr)
        sys.exit(2)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day; write it as 2026-11-22") from None


def _count(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return number


def _bar(share: float, stage: str) -> None:
    """A bar on stderr; nothing when nobody is looking."""
    if not sys.stderr.isatty():
        return
    full = round(share * _WIDTH)
    end = "\n" if stage == "done" else ""
    print(f"\r[{'#' * full}{'.' * (_WIDTH - full)}] {share:4.0%} {_SAYS[stage]:<28}", end=end, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Seed, and say how many rows there are. 2 when it cannot be done."""
    try:
        chosen = settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    parser = _Parser(prog="python -m seed", description=__doc__)
    parser.add_argument("--customers", type=_count, default=chosen.demo_customers, help="how many people, personas included")
    parser.add_argument("--months", type=_count, default=chosen.demo_months, help="full months of history")
    parser.add_argument("--seed", type=_count, default=chosen.demo_seed, help="another number, other people")
    parser.add_argument("--as-of", type=_day, default=None, metavar="DATE", help="the day the history ends; today in Moscow")
    parser.add_argument("--database-url", default=chosen.database_url)
    parser.add_argument("--reset", action="store_true", help="throw away everything in the database first")
    given = parser.parse_args(arguments)
    if not chosen.is_demo:
        print("This is a production configuration (KABINET_MODE); demo data are not written into it.", file=sys.stderr)
        return 2
    try:
        url = Settings(database_url=given.database_url).database_url
    except ValueError as error:
        reason = str(error).split("Value error, ")[-1].split(" [")[0]
        print(f"The database address {reason}.", file=sys.stderr)
        return 2
    try:
        report = run(
            engine=make_engine(url),
            customers=given.customers,
            months=given.months,
            seed=given.seed,
            as_of=given.as_of or clock.today(),
            reset=given.reset,
            report=_bar,
        )
    except SeedRefused as error:
        print(error, file=sys.stderr)
        return 2
    except (OperationalError, DatabaseError) as error:
        print(f"The database cannot be used: {error.orig}", file=sys.stderr)
        return 2
    print(f"{report.total:,} rows in {len(report.rows)} tables, {report.seconds:.1f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
