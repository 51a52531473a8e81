"""The fault of a table: the file, the place, the value found there, and the fix, in one or two sentences."""

import shlex
from pathlib import Path

from core.errors import UsageError
from core.escape import shown


class TableError(UsageError):
    """A file cannot be used as a table; nothing was written."""

    def __init__(self, file: Path, problem: str, cure: str, *, place: str = "", column: str | None = None) -> None:
        self._file, self._problem, self._place, self._column = file, problem, place, column
        self.cure = cure
        where = [str(file), *([place] if place else []), *([f"column {shown(column)}"] if column is not None else [])]
        super().__init__(f"{', '.join(where)}: {problem}. {cure}")

    def with_cure(self, cure: str) -> "TableError":
        """Return the same fault with another cure."""
        return TableError(self._file, self._problem, cure, place=self._place, column=self._column)


class NoRowsError(TableError):
    """A file has no rows: as one of several files it is left out."""


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


def as_typed(text: str) -> str:
    """Spell a text so that a shell takes it as one word."""
    return shlex.quote(text) if text.isprintable() else shown(text)
