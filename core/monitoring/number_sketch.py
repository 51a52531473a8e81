"""A sample of numbers by the values that it holds and how many lie below each: whole, or in a few edges to keep."""

from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray, IntArray
from core.monitoring import drift

HUNDREDTHS = 100
TAILS = (0.001, 0.002, 0.005, 0.995, 0.998, 0.999)
"""Shares at which edges are kept besides the hundredths: the outermost hundredths of a distribution are long."""
MOST_KEPT = 128  # a sample that repeats fewer values is kept whole
GRID = 1_000  # ranks at which two quantile functions are compared


@dataclass(frozen=True, slots=True)
class NumberSketch:
    """Values of a sample in ascending order, each once, with exact counts at each of them.

    Attributes:
        points: All the values of the sample, or edges among them; the least and the greatest are always there.
        below: How many numbers are smaller than each point.
        up_to: How many are no greater.
        n: Numbers in the sample.
    """

    points: FloatArray
    below: IntArray
    up_to: IntArray
    n: int

    @classmethod
    def whole(cls, values: FloatArray) -> "NumberSketch":
        """Describe a sample in ascending order by all of its values."""
        first = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
        return cls(values[first], first, np.append(first[1:], len(values)), len(values))

    def kept(self) -> "NumberSketch":
        """Keep so few edges that a file can hold them; a sample that repeats few values stays whole.

        The tenths stay exact, so that the population stability index does; so does the range. A gap between
        distribution functions is looked for at the edges only: it is never too large, so a test by it stays valid.
        """
        if len(self.points) <= MOST_KEPT:
            return self
        shares = np.array((*np.arange(1, HUNDREDTHS) / HUNDREDTHS, *TAILS))
        ranks = np.concatenate((tenth_ranks(self.n), np.ceil(shares * self.n).astype(np.int64) - 1, [0, self.n - 1]))
        at = np.unique(self._position(np.clip(ranks, 0, self.n - 1)))
        return NumberSketch(self.points[at], self.below[at], self.up_to[at], self.n)

    @property
    def is_whole(self) -> bool:
        """Whether every value of the sample is a point."""
        return int((self.up_to - self.below).sum()) == self.n

    def value(self, ranks: IntArray) -> FloatArray:
        """Return the values of ranks, from 0; of edges the next one above where none has the rank."""
        return self.points[self._position(ranks)]

    def quantiles(self, shares: FloatArray) -> FloatArray:
        """Return the quantiles: exact of a whole sample, interpolated between edges otherwise."""
        if self.is_whole:
            return self.value(np.minimum((shares * self.n).astype(np.int64), self.n - 1))
        return np.interp(shares, (self.below + self.up_to) / (2 * self.n), self.points)

    def _position(self, ranks: IntArray) -> IntArray:
        return np.searchsorted(self.up_to, ranks, side="right").astype(np.int64)


@dataclass(frozen=True, slots=True)
class CountedNumbers:
    """Current numbers, counted at the points of a reference.

    Attributes:
        below: How many are smaller than each point.
        up_to: How many are no greater.
        n: All of them.
        sample: All or some of them in ascending order, for their quantiles; None if only counts are known.
        outside: Sums of the distances to the range of the points, of the numbers below and above it; None if unknown.
    """

    below: IntArray
    up_to: IntArray
    n: int
    sample: FloatArray | None = None
    outside: tuple[float, float] | None = None

    @classmethod
    def of_sorted(cls, points: FloatArray, values: FloatArray) -> "CountedNumbers":
        """Count numbers in ascending order."""
        below = np.searchsorted(values, points, side="left")
        shared = np.flatnonzero(values[np.minimum(below, len(values) - 1)] == points)
        up_to = below.copy()
        up_to[shared] = np.searchsorted(values, points[shared], side="right")  # elsewhere the same as on the left
        return cls(below.astype(np.int64), up_to.astype(np.int64), len(values), values)

    @classmethod
    def of(cls, points: FloatArray, values: FloatArray) -> "CountedNumbers":
        """Count numbers in any order, without sorting where that is quicker.

        Numbers are dealt into many equal cells. Only those that share a cell with a point are compared with it, so the
        counts are exact: dealing keeps the order of any two numbers.
        """
        n, width = len(values), float(points[-1] - points[0])
        if n < UNSORTED_ROWS or not 0 < width < np.inf:
            return cls.of_sorted(points, np.sort(values))
        own = _cells(points, points[0], width)
        if len(np.unique(own)) < len(own):
            return cls.of_sorted(points, np.sort(values))
        cells = _cells(values, points[0], width)
        before = np.concatenate(([0], np.cumsum(np.bincount(cells, minlength=N_CELLS + 2))))
        owner = np.full(N_CELLS + 2, -1, dtype=np.int32)
        owner[own] = np.arange(len(own))
        owners = owner[cells]
        near = np.flatnonzero(owners >= 0)
        of, close = owners[near], values[near]
        smaller = np.bincount(of[close < points[of]], minlength=len(points))
        equal = np.bincount(of[close == points[of]], minlength=len(points))
        below = before[own] + smaller
        return cls(below, below + equal, n, np.sort(values[:: max(n // SAMPLE, 1)]))


N_CELLS = 1 << 14
UNSORTED_ROWS = 50_000
SAMPLE = 50_000


def _cells(values: FloatArray, least: float, width: float) -> IntArray:
    """Deal numbers into cells by their size, the first and the last for those outside."""
    with np.errstate(over="ignore"):
        at = (values - least) * (N_CELLS / width)
    np.clip(at, -1, N_CELLS, out=at)
    np.floor(at, out=at)
    return at.astype(np.int64) + 1


def tenth_ranks(n: int) -> IntArray:
    """Return the ranks of the upper edges of the tenths of n numbers."""
    return np.ceil(np.arange(1, drift.N_BINS) / drift.N_BINS * n).astype(np.int64) - 1


def wasserstein_distance(before: NumberSketch, after: FloatArray) -> float:
    """Measure how far numbers have moved on average, in their own unit.

    Args:
        before: The reference.
        after: The current numbers in ascending order.
    Source:
        The mean gap between the quantile functions, the Wasserstein distance of order 1: Vallender, Theory of
        Probability and its Applications 18 (1974); at `GRID` ranks.

    >>> wasserstein_distance(NumberSketch.whole(np.arange(100.0)), np.arange(100.0) + 2)
    2.0
    """
    shares = (np.arange(GRID) + 0.5) / GRID
    current = after[np.minimum((shares * len(after)).astype(np.int64), len(after) - 1)]
    with np.errstate(over="ignore"):
        return float(np.mean(np.abs(before.quantiles(shares) - current)))


def counted_distance(before: NumberSketch, after: CountedNumbers) -> float:
    """Measure how far numbers have moved on average, in their own unit, from counts.

    Args:
        before: The reference.
        after: The current numbers, counted at its points, with their distances outside its range.
    Source:
        The area between the distribution functions, which is the Wasserstein distance of order 1: Vallender, Theory of
        Probability and its Applications 18 (1974). Both functions are known at the points, and taken for linear
        between two; the parts outside the range of the reference are exact.

    >>> from dataclasses import replace
    >>> sketch = NumberSketch.whole(np.arange(100.0))
    >>> later = CountedNumbers.of_sorted(sketch.points, np.arange(100.0) + 2)
    >>> round(counted_distance(sketch, replace(later, outside=(0.0, 3.0))), 9)
    2.0
    """
    at_left = before.below / before.n - after.below / after.n
    at_right = before.up_to / before.n - after.up_to / after.n
    first, second = np.abs(at_right[:-1]), np.abs(at_left[1:])
    crosses = np.signbit(at_right[:-1]) != np.signbit(at_left[1:])
    both = np.maximum(first + second, 1e-300)
    heights = np.where(crosses, (first * first + second * second) / (2 * both), both / 2)
    with np.errstate(over="ignore"):
        inside = float(np.sum(heights * np.diff(before.points)))
    return inside + sum(after.outside or (0.0, 0.0)) / after.n


def jensen_shannon_distance(reference: IntArray, current: IntArray) -> float:
    """Measure how far apart two distributions over bins are: 0 equal, 1 without a common bin.

    Source:
        The root of the Jensen-Shannon divergence in bits: Lin, IEEE Transactions on Information Theory 37 (1991);
        Endres and Schindelin, ibid. 49 (2003), show that the root is a distance.

    >>> jensen_shannon_distance(np.array([5, 0]), np.array([0, 9]))
    1.0
    """
    before, after = reference / reference.sum(), current / current.sum()
    middle = (before + after) / 2
    bits = 0.0
    for side in (before, after):
        there = side > 0
        bits += float(np.sum(side[there] * np.log2(side[there] / middle[there]))) / 2
    return float(np.sqrt(max(bits, 0.0)))
