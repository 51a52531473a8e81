"""What a model offers for rows that never become a table."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from core.arrays import FloatArray
from core.models.scoring.fields import Field, Rows


class UnsupportedSpaceError(Exception):
    """A model reads something that has no compiled form; it is served through its own `predict`."""


class RowScorer(ABC):
    """Answers checked rows as its model would.

    Attributes:
        fields: What a row holds.
        unit: Of the answer.
        is_fast: Whether one row takes microseconds, so that it may be answered where requests are read.
    """

    fields: Sequence[Field]
    unit: str = ""
    is_fast: bool = True

    @abstractmethod
    def answer(self, rows: Rows) -> FloatArray:
        """Return what `Model.predict` would, shape (n,). Safe to call from several threads at once."""
