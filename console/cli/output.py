"""The output of the command line: aligned tables for people, JSON for scripts, complaints to stderr.

Text from documents is stripped of control characters first: a model name must not be able to
move the cursor of the terminal it is listed on.
"""

import contextlib
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from console.cli.escaped_text import json_text, terminal_cells
from console.cli.parser import shortened
from console.cli.streams import answers
from core.escape import escaped

if TYPE_CHECKING:
    from core.domains.report_section import ReportSection
    from core.quality.gate import GateResult
    from core.registry import Plan

_LEAST_FOR_A_SENTENCE = 24  # columns


def printable(value: object) -> str:
    """Spell a value for one table cell: no control characters, instants to the second, shares to four digits."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, Mapping):
        return " ".join(f"{printable(key)}={printable(item)}" for key, item in value.items()) or "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(printable, value)) or "-"
    return escaped(str(value))


def gate_line(gate: "GateResult") -> str:
    """Spell a gate: its verdict, its name, its value and its limit."""
    return f"{gate.verdict:<5} {printable(gate.name)}: {printable(gate.sentence)}"


def print_evidence(plan: "Plan") -> None:
    """Print what a plan rests on and leads to: gates, effects, warnings."""
    for gate in plan.gates:
        print(f"  {gate_line(gate)}")
    for sentence in (*plan.monitoring, *plan.effects):
        print(f"  {printable(sentence)}")
    for warning in plan.warnings:
        print(f"  warning: {printable(warning)}")


def print_json(value: object) -> None:
    """Print one JSON document, keys as the vocabulary names them, instants in RFC 3339."""
    print(json_text(value, indent=2), file=answers())


def draws_lines() -> bool:
    """Return whether standard output can encode line-drawing characters."""
    try:
        "●─│┊".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def print_table(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, empty: str, width: int | None = None
) -> None:
    """Print rows under their column names, aligned; without rows print the `empty` sentence.

    In a terminal too narrow for the table, the last column wraps below itself, if there is room for a sentence.
    """
    table = [[printable(row.get(column)) for column in columns] for row in rows]
    if not table:
        print(empty)
        return
    widths = [max(map(terminal_cells, (name, *cells))) for name, *cells in zip(columns, *table, strict=True)]
    *before, last_width = widths
    indent = sum(before) + 2 * len(before)
    columns_left = (width or _terminal_width() or indent + last_width) - indent
    room = columns_left if columns_left >= _LEAST_FOR_A_SENTENCE else last_width
    for *cells, last in ([name.upper() for name in columns], *table):
        first, *more = textwrap.wrap(last, room) if terminal_cells(last) > room else [last]
        head = "".join(f"{_padded(cell, width)}  " for cell, width in zip(cells, before, strict=True))
        print((head + first).rstrip())
        for line in more:
            print(" " * indent + line)


def print_sentences(title: str, sentences: Mapping[str, str]) -> None:
    """Print named sentences below a title, each within the width of the terminal."""
    print(printable(title))
    width = max(map(len, sentences), default=0)
    for name, sentence in sentences.items():
        head, text = f"  {name:<{width}}  ", printable(sentence)
        room = (_terminal_width() or len(head) + len(text)) - len(head)
        lines = textwrap.wrap(text, max(room, _LEAST_FOR_A_SENTENCE)) or [""]
        print(head + f"\n{' ' * len(head)}".join(lines))


def print_section(section: "ReportSection") -> None:
    """Print a section of a report: its title, its table, and the sentences about it."""
    print(printable(section.title))
    rows = [dict(zip(section.columns, row, strict=True)) for row in section.rows]
    print_table(rows, section.columns, empty="no rows")
    about = printable(section.about)
    print("\n".join(textwrap.wrap(about, _terminal_width() or max(len(about), 1))))


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print one object: one fact per line, names aligned."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        print(f"{name:<{width}}  {printable(value)}")


def complain(message: str) -> None:
    """Print an error to stderr, each line prefixed with the program's name."""
    with contextlib.suppress(OSError):  # a stderr that takes nothing is not a second error
        for line in shortened(message).splitlines() or [""]:
            print(f"bondx: {printable(line)}", file=sys.stderr, flush=True)


def _terminal_width() -> int | None:
    """Return the width of standard output, or None if it is not a terminal: piped output is never wrapped."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _padded(text: str, width: int) -> str:
    return text + " " * (width - terminal_cells(text))
