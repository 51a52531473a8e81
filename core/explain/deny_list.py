"""Columns that must not appear in an explanation: their contributions are added up under one name."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np

from core.arrays import FloatArray
from core.explain.documents import DENIED
from core.explain.parts import SEVERAL_READ


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
