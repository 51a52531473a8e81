"""The scorer that a model offers for rows that never become a table."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from core.arrays import FloatArray
from core.models.scoring.fields import Field, Rows


class UnsupportedSpaceError(Exception):
    """A model reads a column without a compiled form; it is served through its own `predict`."""


class RowScorer(ABC):
    """Predicts checked rows exactly as its model would.

    Attributes:
        fields: The fields of a row.
        unit: The unit of the answer.
        is_fast: Whether one row takes microseconds, so that it may be answered in the thread that reads requests.
    """

    fields: Sequence[Field]
    unit: str = ""
    is_fast: bool = True

    @abstractmethod
    def answer(self, rows: Rows) -> FloatArray:
        """Return the same as `Model.predict`, shape (n,). Safe to call from several threads in parallel."""
