"""What the store takes and gives: labels, matchers, series of samples. The words are those of `core.promql.series`."""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from core.arrays import FloatArray, IntArray

RecordedLabels: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values, sorted by name; the name of a series is the label `__name__`."""

NAME = "__name__"
STALE_BITS = 0x7FF0000000000002
"""The NaN with which Prometheus marks that a series has ended."""
ABSENT_BITS = 0x7FF0000000000003
"""The NaN that fills a block where a series has no sample; it never leaves the store."""
STALE = float(np.array([STALE_BITS], dtype=np.uint64).view(np.float64)[0])


class SeriesMatcher(Protocol):
    """A condition on one label, such as `core.promql.series.Matcher`; a missing label has the value ""."""

    @property
    def name(self) -> str:
        """The label."""

    @property
    def op(self) -> str:
        """One of `=`, `!=`, `=~`, `!~`."""

    @property
    def value(self) -> str:
        """What it is compared with."""

    def matches(self, value: str) -> bool:
        """Return whether a value of the label fulfils the condition."""


@dataclass(frozen=True, slots=True)
class RecordedSeries:
    """One series: times in ms since 1970, ascending, shape (n,), and its values, shape (n,)."""

    labels: RecordedLabels
    at_ms: IntArray
    values: FloatArray
