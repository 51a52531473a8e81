"""The fault of a table: the file, the place, the value found there, and the fix, in one or two sentences."""

import shlex
from pathlib import Path

from core.errors import UsageError
from core.escape import shown

_QUOTING = ("--na ", "in quotes: ", "The model knows: ")  # cures that have these words quote cells or levels


class TableError(UsageError):
    """A file cannot be used as a table; nothing was written.

    Attributes:
        column: The column at fault; None if the file or a whole row is.
        cure: What to do about it.
        fault: The problem without any cell, where it quotes cells beside the first word or without a column.
    """

    def __init__(
        self,
        file: Path,
        problem: str,
        cure: str,
        *,
        place: str = "",
        column: str | None = None,
        cell: str = "",
        fault: str = "",
    ) -> None:
        """Make the error.

        Args:
            file: The file.
            problem: What is wrong; of a cell the rest of the sentence that it begins.
            cure: What to do, as a sentence.
            place: The line or the row.
            column: The column at fault.
            cell: The cell at fault as it is shown.
            fault: The problem without any cell, where more than `cell` quotes cells.
        """
        self._file, self._problem, self._place, self._cell = file, problem, place, cell
        self.column, self.cure, self.fault = column, cure, fault
        where = [str(file), *([place] if place else []), *([f"column {shown(column)}"] if column is not None else [])]
        super().__init__(f"{', '.join(where)}: {f'{cell} {problem}' if cell else problem}. {cure}")

    def with_cure(self, cure: str) -> "TableError":
        """Return the same fault with another cure."""
        return TableError(
            self._file, self._problem, cure, place=self._place, column=self.column, cell=self._cell, fault=self.fault
        )

    def without_cells(self) -> "TableError":
        """Return the same fault without the cells that it quotes; done twice, it tells no less than done once."""
        is_told = bool(self.fault or self._cell)
        problem = self.fault or (f"a value {self._problem}" if self._cell else "a value of it cannot be used")
        cure = (
            self.cure if is_told and not any(each in self.cure for each in _QUOTING) else "Correct or clear the cell."
        )
        return TableError(self._file, problem, cure, place=self._place, column=self.column, fault=problem)


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
