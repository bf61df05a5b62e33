"""`python -m db upgrade` brings the database to the current schema; `python -m db check` proves that it agrees with itself."""

import argparse
import sys

from sqlalchemy.exc import OperationalError

from db.check import faults
from db.engine import database
from db.schema import SchemaError, require_current, upgrade
from settings import SettingsError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m db", description=__doc__)
    parser.add_argument("command", choices=["upgrade", "check"])
    command = parser.parse_args().command
    try:
        engine = database()
        if command == "upgrade":
            upgrade(engine)
            print("The database is at the current schema.")
            return 0
        require_current(engine)
        with engine.connect() as connection:
            found = faults(connection)
    except (SettingsError, SchemaError) as error:
        print(error, file=sys.stderr)
        return 2
    except OperationalError as error:
        print(f"The database cannot be reached: {error.orig}", file=sys.stderr)
        return 2
    for fault in found:
        print(f"{fault.what}: {fault.rows} rows, for example {', '.join(map(str, fault.examples))}", file=sys.stderr)
    if not found:
        print("Every balance equals its journal; bills, payments and points agree.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
