"""A minute's distribution in a few hundred bytes: bins whose edges lie 5 % apart."""

import math
import struct
import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate

_GROWTH = 1.05
_LOG_GROWTH = math.log(_GROWTH)
_MAX_BINS = 256
_OFFSET = 2_000  # float32 spans bins -2,118 to 1,819; with it, the sign of a key is the sign of the value
_SMALLEST = -1_999
_PAIR = struct.Struct("<hI")


class Histogram:
    """Counts per bin; quantiles are right to within 2.5 % of the value, whatever its magnitude or sign."""

    def __init__(self, counts: dict[int, int]) -> None:
        self._counts = counts

    @classmethod
    def of(cls, values: Iterable[float]) -> "Histogram":
        """Count values into bins.

        >>> Histogram.of([1.0, 2.0, 3.0]).n
        3
        """
        return cls(Counter(map(_bin_of, values)))

    @classmethod
    def merged(cls, parts: Iterable["Histogram"]) -> "Histogram":
        """Add histograms up: that of an hour from those of its minutes."""
        total: Counter[int] = Counter()
        for part in parts:
            total.update(part._counts)
        return cls(total)

    @classmethod
    def unpack(cls, packed: bytes) -> "Histogram":
        """Read what `pack` wrote."""
        return cls(dict(_PAIR.iter_unpack(zlib.decompress(packed))))

    def pack(self) -> bytes:
        """Write the bins down, at most 256 of them: those nearest to zero are joined first."""
        counts = sorted(self._counts.items(), key=lambda item: abs(item[0]))
        if (n_surplus := len(counts) - _MAX_BINS) > 0:
            joined = sum(count for _, count in counts[: n_surplus + 1])
            counts[: n_surplus + 1] = [(counts[n_surplus][0], joined)]
        return zlib.compress(b"".join(_PAIR.pack(*item) for item in sorted(counts)))

    @property
    def n(self) -> int:
        """How many values were counted."""
        return sum(self._counts.values())

    def quantile(self, share: float) -> float:
        """Return the value below which a share of the values lies.

        Args:
            share: 0 to 1; 0.5 is the median.

        Returns:
            The middle of the bin in which that value lies.

        Raises:
            ValueError: The share is not between 0 and 1, or nothing was counted.

        Source:
            Masson, Rim and Lee, "DDSketch", PVLDB 12(12), 2019.

        >>> 49 < Histogram.of(range(1, 101)).quantile(0.5) < 52
        True
        """
        return self.quantiles((share,))[0]

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Return several quantiles, each as `quantile` does.

        Raises:
            ValueError: A share is not between 0 and 1, or nothing was counted.
        """
        for share in shares:
            if not 0 <= share <= 1:
                raise ValueError(f"share is {share}: expected 0 to 1")
        if not self._counts:
            raise ValueError("a histogram of no values has no quantiles")
        keys = sorted(self._counts)
        ends = list(accumulate(map(self._counts.__getitem__, keys)))
        # The first bin whose end is beyond the rank.
        return [_middle_of(keys[bisect_right(ends, share * (ends[-1] - 1))]) for share in shares]


def _bin_of(value: float) -> int:
    if value == 0:
        return 0
    index = max(math.ceil(math.log(abs(value)) / _LOG_GROWTH), _SMALLEST)
    return index + _OFFSET if value > 0 else -index - _OFFSET


def _middle_of(key: int) -> float:
    if key == 0:
        return 0.0
    magnitude = 2 * _GROWTH ** (abs(key) - _OFFSET) / (1 + _GROWTH)
    return math.copysign(magnitude, key)
