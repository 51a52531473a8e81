"""The filter of a table: words that must all occur in a row, each in any column or in a named one."""

from collections.abc import Sequence

from widgets.columns import Column
from widgets.rows import Row


def filter_rows(rows: Sequence[Row], columns: Sequence[Column], words: str) -> tuple[Row, ...]:
    """Return the rows in which every word occurs, ignoring case.

    Args:
        rows: The rows.
        columns: Their columns.
        words: The words, separated by blanks; `actor:ana` is sought only in the column of that key or title.
    """
    wanted = [_column_and_text(word, columns) for word in words.casefold().split()]
    return tuple(row for row in rows if all(text in _text_of(row, column) for column, text in wanted))


def _column_and_text(word: str, columns: Sequence[Column]) -> tuple[int | None, str]:
    name, colon, text = word.partition(":")
    named = (index for index, column in enumerate(columns) if name in (column.key, column.title.casefold()))
    column = next(named, None) if colon else None
    return (None, word) if column is None else (column, text)


def _text_of(row: Row, column: int | None) -> str:
    return (" ".join((*row.texts, row.found_by)) if column is None else row.text(column)).casefold()
