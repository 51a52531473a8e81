"""Spans of epochs: what is kept of many epochs of one metric, so that a line can be drawn without reading each of them.

A span knows its first and its last value, its extremes with their epochs, and its sum and count. Those four points draw
the same pixels as all points do, if a span is no wider than a pixel.

Source: Jugel, Jerzak, Hackenbroich, Markl: M4: a visualization-oriented time series data aggregation. PVLDB 7(10),
2014, pages 797-808.
"""

from collections.abc import Iterable
from typing import NamedTuple

LEVEL_BITS = 4
"""A span of one level holds sixteen spans of the level below; level 0 is the single epoch."""
N_LEVELS = 5
"""The levels that are stored: spans of 16, 256, 4,096, 65,536 and 1,048,576 epochs."""

Point = tuple[int, float]
"""An epoch and a value."""


class EpochSpan(NamedTuple):
    """The finite values of one metric in adjacent epochs; of equal extremes the first counts. Times are in µs."""

    n: int
    first_at: int
    last_at: int
    total: float
    first_epoch: int
    first: float
    last_epoch: int
    last: float
    low_epoch: int
    low: float
    high_epoch: int
    high: float

    @property
    def mean(self) -> float:
        """The mean of the values."""
        return self.total / self.n

    def points(self) -> tuple[Point, ...]:
        """Return the points that draw the span: the first, the lowest, the highest and the last, by epoch.

        >>> span = merged(span_of(3, 0, 5.0), span_of(4, 0, 1.0))
        >>> merged(span, span_of(5, 0, 4.0)).points()
        ((3, 5.0), (4, 1.0), (5, 4.0))
        """
        if self.n == 1:
            return ((self.first_epoch, self.first),)
        found = {
            self.first_epoch: self.first,
            self.low_epoch: self.low,
            self.high_epoch: self.high,
            self.last_epoch: self.last,
        }
        return tuple(sorted(found.items()))


def span_of(epoch: int, at_us: int, value: float) -> EpochSpan:
    """Return the span of a single value."""
    return EpochSpan(1, at_us, at_us, value, epoch, value, epoch, value, epoch, value, epoch, value)


def merged(one: EpochSpan, other: EpochSpan) -> EpochSpan:
    """Return the span of the epochs of two; they share none, and may come in any order."""
    if other.first_epoch < one.first_epoch:
        one, other = other, one
    ends = other if other.last_epoch > one.last_epoch else one
    low = other if (other.low, other.low_epoch) < (one.low, one.low_epoch) else one
    high = other if (-other.high, other.high_epoch) < (-one.high, one.high_epoch) else one
    return EpochSpan(
        one.n + other.n,
        min(one.first_at, other.first_at),
        max(one.last_at, other.last_at),
        one.total + other.total,
        one.first_epoch,
        one.first,
        ends.last_epoch,
        ends.last,
        low.low_epoch,
        low.low,
        high.high_epoch,
        high.high,
    )


def folded(spans: Iterable[EpochSpan]) -> EpochSpan | None:
    """Return the span of the epochs of all spans, or None if there is none."""
    whole: EpochSpan | None = None
    for span in spans:
        whole = span if whole is None else merged(whole, span)
    return whole


def start_of(epoch: int, bits: int) -> int:
    """Return the first epoch of the span of 2**bits epochs that an epoch lies in.

    >>> start_of(35, 4), start_of(-1, 4)
    (32, -16)
    """
    return epoch >> bits << bits


def bits_for(first: int, last: int, most: int) -> int:
    """Return the width of spans, as a power of two, with which a range of epochs has no more than so many.

    >>> bits_for(1, 128, 128), bits_for(1, 1_000_000, 128)
    (0, 13)
    """
    bits = 0
    while (last >> bits) - (first >> bits) >= most:
        bits += 1
    return bits
