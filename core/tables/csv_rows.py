"""The rows of a CSV file as Python's own reader splits them, to count lines; a cell that it cannot take is named."""

import csv
from collections.abc import Iterable, Iterator
from itertools import islice

from typing_extensions import override

from core.tables.errors import TableError
from core.tables.source import Source, text_lines


class CsvRows(Iterator[list[str]]):
    """The rows from some line on.

    Attributes:
        line_num: How many lines have been read.
    """

    def __init__(self, source: Source, lines: Iterable[str], n_skipped: int, separator: str) -> None:
        """Prepare.

        Args:
            source: The file.
            lines: All its lines.
            n_skipped: Lines before the header.
            separator: Between cells.
        """
        self._source, self._n_skipped, self._separator = source, n_skipped, separator
        self._rows = csv.reader(islice(lines, n_skipped, None), delimiter=separator)
        self._names: list[str] = []
        self.line_num = 0

    @override
    def __next__(self) -> list[str]:
        """Read a row.

        Raises:
            TableError: A cell is longer than any that is read.
        """
        try:
            row = next(self._rows)
        except csv.Error as error:
            raise self._refused(error) from None
        self.line_num = self._rows.line_num
        self._names = self._names or row
        return row

    def _refused(self, error: csv.Error) -> TableError:
        place = f"line {self._n_skipped + self._source.before + self.line_num + 1}"
        if self._source.n_quotes % 2:
            return left_open(self._source, place)
        at = self._longest()
        if at is None:
            return TableError(self._source.path, f"it cannot be parsed ({error})", "Check its quotes.", place=place)
        column = self._names[at] if at < len(self._names) else f"(column {at + 1})"
        problem = f"a cell is longer than {csv.field_size_limit():,} characters"
        return TableError(self._source.path, problem, "Shorten it.", place=place, column=column)

    def _longest(self) -> int | None:
        """Find the cell of the next row that is too long, by its position."""
        position = size = 0
        is_quoted = False
        with text_lines(self._source) as lines:
            for line in islice(lines, self._n_skipped + self.line_num, None):
                for mark in line:
                    if mark == '"':
                        is_quoted = not is_quoted
                    elif mark == self._separator and not is_quoted:
                        position, size = position + 1, 0
                    else:
                        size += 1
                    if size > csv.field_size_limit():
                        return position
                if not is_quoted:
                    return None
        return None


def left_open(source: Source, place: str) -> TableError:
    """Return the error of a quote that swallows what follows."""
    return TableError(source.path, "a quote is opened and never closed", "Close it, or double it.", place=place)
