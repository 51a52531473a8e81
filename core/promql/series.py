"""What expressions read and return: labels, matchers, series of samples."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.promql.patterns import LabelPattern

SeriesLabels: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values, sorted by name; the name of a recorded series is the label `__name__`."""

NAME = "__name__"
STALE_BITS = 0x7FF0000000000002
"""The NaN with which Prometheus marks that a series has ended."""
STALE = float(np.array([STALE_BITS], dtype=np.uint64).view(np.float64)[0])


class Matcher(NamedTuple):
    """A condition on one label: op is one of `=`, `!=`, `=~`, `!~`; a missing label has the value ""."""

    name: str
    op: str
    value: str

    def matches(self, value: str) -> bool:
        """Return whether a value of the label fulfils the condition."""
        match self.op:
            case "=":
                return value == self.value
            case "!=":
                return value != self.value
            case "=~":
                return LabelPattern.of(self.value).matches(value)
            case _:
                return not LabelPattern.of(self.value).matches(value)


@dataclass(slots=True)
class SeriesSamples:
    """One series: times in ms since 1970, ascending, shape (n,), and its values, shape (n,)."""

    labels: SeriesLabels
    at_ms: IntArray
    values: FloatArray


class SeriesSource(Protocol):
    """Where an expression gets its series."""

    def select(self, matchers: Sequence[Matcher], from_ms: int, to_ms: int) -> Sequence[SeriesSamples]:
        """Return the series that fulfil all matchers, with their samples in (from_ms, to_ms]."""


class VectorSample(NamedTuple):
    """One series at one instant."""

    labels: SeriesLabels
    value: float


def stale_samples(values: FloatArray) -> BoolArray:
    """Return which values mark the end of a series."""
    stale: BoolArray = np.ascontiguousarray(values).view(np.uint64) == STALE_BITS
    return stale


class SeriesInMemory:
    """A source that holds its series in memory, found by name."""

    def __init__(self, series: Iterable[SeriesSamples]) -> None:
        """Take the series; none may have the labels of another."""
        self._series: list[tuple[dict[str, str], SeriesSamples]] = []
        self._by_name: dict[str, list[tuple[dict[str, str], SeriesSamples]]] = {}
        for one in sorted(series, key=lambda one: one.labels):
            entry = (dict(one.labels), one)
            self._series.append(entry)
            self._by_name.setdefault(entry[0].get(NAME, ""), []).append(entry)

    def select(self, matchers: Sequence[Matcher], from_ms: int, to_ms: int) -> list[SeriesSamples]:
        """Return the series that fulfil all matchers and have samples in (from_ms, to_ms]."""
        found = self._series
        for matcher in matchers:
            if matcher.name == NAME and matcher.op == "=":
                found = self._by_name.get(matcher.value, [])
        for matcher in matchers:
            if matcher.name == NAME and matcher.op == "=":
                continue
            fulfils: dict[str, bool] = {}
            kept = []
            for entry in found:
                value = entry[0].get(matcher.name, "")
                if value not in fulfils:
                    fulfils[value] = matcher.matches(value)
                if fulfils[value]:
                    kept.append(entry)
            found = kept
        selected = []
        for _, one in found:
            if not one.at_ms.size:
                continue
            if from_ms < one.at_ms[0] and one.at_ms[-1] <= to_ms:
                selected.append(one)
                continue
            first, end = one.at_ms.searchsorted((from_ms, to_ms), side="right").tolist()
            if first < end:
                selected.append(SeriesSamples(one.labels, one.at_ms[first:end], one.values[first:end]))
        return selected
