"""A ZIP of tables for a person: each table as JSON for programs and as CSV for a spreadsheet, written row by row."""

import csv
import io
import json
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from enum import Enum
from typing import IO, Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_IN_MEMORY = 2_000_000


def plain(value: Any) -> Any:
    """A stored value as JSON can carry it: moments as UTC in ISO 8601, days as ISO 8601, terms as their word."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return value


def cell(value: Any) -> Any:
    """A plain value as a spreadsheet may be given it: a text that it would take for a formula begins with an apostrophe.

    Numbers stay numbers, negative ones too.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


class Archive:
    """Write tables one after another into `file`; use it as a context manager. Memory holds a row, not a table.

    `at` (aware) is what the files inside are dated, in UTC.
    """

    def __init__(self, file: IO[bytes], *, at: datetime) -> None:
        self._zip, self._at = zipfile.ZipFile(file, "w"), at.astimezone(UTC)

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def _entry(self, name: str) -> zipfile.ZipInfo:
        entry = zipfile.ZipInfo(name, self._at.timetuple()[:6])
        entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
        return entry

    def text(self, name: str, content: str) -> None:
        """A text file, UTF-8 with a byte order mark and Windows line ends: readable in every editor."""
        self._zip.writestr(self._entry(name), b"\xef\xbb\xbf" + content.replace("\n", "\r\n").encode())

    def table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """`name`.json, a list of objects, and `name`.csv, UTF-8 with a byte order mark, `;` between cells.

        Returns how many rows there were. A ZIP takes one entry at a time, so the CSV waits in a temporary file.
        """
        count = 0
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as aside:
            sheet = io.TextIOWrapper(aside, encoding="utf-8-sig", newline="")  # type: ignore[type-var]
            writer = csv.writer(sheet, delimiter=";")
            writer.writerow(columns)
            with self._zip.open(self._entry(f"{name}.json"), "w") as entry:
                entry.write(b"[")
                for row in rows:
                    values = [plain(value) for value in row]
                    line = json.dumps(dict(zip(columns, values, strict=True)), ensure_ascii=False)
                    entry.write(("," if count else "").encode() + b"\n" + line.encode())
                    writer.writerow([cell(value) for value in values])
                    count += 1
                entry.write(b"\n]\n")
            sheet.flush()
            aside.seek(0)
            with self._zip.open(self._entry(f"{name}.csv"), "w") as entry:
                while part := aside.read(64 * 1024):
                    entry.write(part)
            sheet.detach()
        return count
