"""The fault of a table: the file, the place, the value found there, and the fix, in one or two sentences."""

import shlex
from pathlib import Path

from core.errors import UsageError

MOST_SHOWN = 60


class TableError(UsageError):
    """A file cannot be used as a table; nothing was written."""

    def __init__(self, file: Path, problem: str, cure: str, *, place: str = "", column: str | None = None) -> None:
        where = [str(file), *([place] if place else []), *([f"column {shown(column)}"] if column is not None else [])]
        super().__init__(f"{', '.join(where)}: {problem}. {cure}")


class InputError(UsageError):
    """Rows do not fit the signature of the model that is to read them.

    Attributes:
        row: Position of the row at fault, from 0; None if the whole input is at fault.
        column: The column at fault.
    """

    def __init__(self, problem: str, cure: str, *, column: str, row: int | None = None) -> None:
        self.row, self.column, self.problem, self.cure = row, column, problem, cure
        where = f"column {shown(column)}" if row is None else f"row {row}, column {shown(column)}"
        super().__init__(f"{where}: {problem}. {cure}")


def shown(value: object) -> str:
    """Quote a value for a message: escaped, so that it cannot move a cursor, and shortened where it is long.

    >>> shown("a\\x1b[2J")
    "'a\\\\x1b[2J'"
    """
    text = value if isinstance(value, str) else repr(value)
    cut = text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
    return repr(cut) if isinstance(value, str) else cut


def as_typed(text: str) -> str:
    """Spell a text so that a shell takes it as one word."""
    return shlex.quote(text) if text.isprintable() else shown(text)
