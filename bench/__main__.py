"""`python -m bench NAME [--json FILE] [options of NAME]` runs bench/<NAME>.py and prints what it measured.

A bench module has `measure(**options) -> list[dict]`; each dict has figure, value, unit, reference, ratio, target and
holds. `options(parser)` may add options of its own.
"""

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

COLUMNS = ("figure", "value", "unit", "reference", "ratio", "target", "holds")
HERE = Path(__file__).parent


def names() -> list[str]:
    """Benches there are: modules here that can measure."""
    return sorted(
        file.stem
        for file in HERE.glob("*.py")
        if not file.stem.startswith("_") and "def measure(" in file.read_text(encoding="utf-8")
    )


def shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as a Markdown table, aligned."""
    cells = [list(COLUMNS), *([shown(row.get(column)) for column in COLUMNS] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(COLUMNS))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, add_help=False)
    parser.add_argument("name", choices=names())
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows there")
    given, rest = parser.parse_known_args()
    bench = importlib.import_module(f"bench.{given.name}")
    own = argparse.ArgumentParser(prog=f"python -m bench {given.name}", description=bench.__doc__)
    if hasattr(bench, "options"):
        bench.options(own)
    rows = bench.measure(**vars(own.parse_args(rest)))
    print(table(rows))
    if given.json:
        given.json.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 0 if all(row.get("holds") is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
