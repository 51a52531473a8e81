"""Columns that must not appear in an explanation: their contributions are added up under one name."""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import numpy as np

from core.arrays import FloatArray
from core.explain.documents import DENIED, SEVERAL_READ


class DenyList:
    """Names of columns, and patterns of names such as `customer_*`.

    >>> DenyList(["customer_*"]).denies("customer_age"), DenyList(["customer_*"]).denies("rating")
    (True, False)
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self.patterns = tuple(patterns)

    def denies(self, column: str) -> bool:
        """Say whether a column, or one of the columns behind it, must not appear."""
        parts = column.split(SEVERAL_READ)
        return any(fnmatchcase(part, pattern) for part in parts for pattern in self.patterns)

    def silent(self, texts: Iterable[str], columns: Iterable[str]) -> tuple[str, ...]:
        """Return the texts that name no denied one of these columns.

        >>> DenyList(["tax_*"]).silent(["tax_id is read as numbers.", "size is empty."], ["tax_id", "size"])
        ('size is empty.',)
        """
        hidden = naming(part for column in columns for part in column.split(SEVERAL_READ) if self.denies(part))
        return tuple(text for text in texts if hidden is None or not hidden.search(text))

    def names(self, players: Sequence[str]) -> tuple[str, ...]:
        """Return the players' names as they are shown: those denied become one, the last."""
        visible = tuple(name for name in players if not self.denies(name))
        return visible if len(visible) == len(players) else (*visible, DENIED)

    def merged(self, values: FloatArray, players: Sequence[str]) -> FloatArray:
        """Add up the contributions of denied players, shape (n, names)."""
        is_denied = np.array([self.denies(name) for name in players], dtype=np.bool_)
        if not is_denied.any():
            return values
        return np.column_stack((values[:, ~is_denied], values[:, is_denied].sum(axis=1)))


def left_out_note(n_denied: int, n_columns: int) -> str:
    """Say how many columns a stored explanation loses, since they were denied after it was made."""
    return f"Left out, because denied later: {n_denied} of {n_columns} columns."


def naming(columns: Iterable[str]) -> "re.Pattern[str] | None":
    """Return the pattern of texts that name one of the columns; None without any."""
    longest_first = sorted(set(columns), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)") if longest_first else None
