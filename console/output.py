"""What the command line prints: aligned tables for people, JSON for scripts, complaints to stderr.

Text that comes out of documents is stripped of control characters first: a model name must not be able to
move the cursor of the terminal it is listed on.
"""

import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec


def printable(value: object) -> str:
    """Spell a value for one table cell: no control characters, instants to the second, shares to four digits."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    if isinstance(value, Mapping):
        return " ".join(f"{printable(key)}={printable(item)}" for key, item in value.items()) or "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(printable, value)) or "-"
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(value))


def print_json(value: object) -> None:
    """Print one JSON document, keys as the vocabulary names them, instants in RFC 3339."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def draws_lines() -> bool:
    """Whether standard output can spell the lines of a drawing."""
    try:
        "●─│┊".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def print_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, empty: str) -> None:
    """Print rows under their column names, aligned; say what to do when there are none."""
    table = [[printable(row.get(column)) for column in columns] for row in rows]
    if not table:
        print(empty)
        return
    widths = [max(map(_cells, (name, *cells))) for name, *cells in zip(columns, *table, strict=True)]
    for line in ([name.upper() for name in columns], *table):
        print("  ".join(cell + " " * (width - _cells(cell)) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print one thing: a line a fact, names aligned."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        print(f"{name:<{width}}  {printable(value)}")


def complain(message: str) -> None:
    """Say on stderr what went wrong, each line named as ours."""
    for line in message.splitlines() or [""]:
        print(f"bondx: {printable(line)}", file=sys.stderr)


def _cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
