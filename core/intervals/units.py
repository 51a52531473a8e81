"""The units of evidence behind an interval: groups where rows come in groups, otherwise rows."""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

from core.arrays import AnyArray, FloatArray, IntArray

ERROR_RATE = 0.05  # of the intervals: half of it on each side
TAIL = 1.0 - ERROR_RATE / 2
Z = float(ndtri(TAIL))


class Interval(NamedTuple):
    """A 95 % confidence interval; `low` is below `high`."""

    low: float
    high: float


class Units:
    """Rows collected by group.

    Args:
        group: Group of each row, shape (n,).
    Attributes:
        n: The number of units.
        sizes: How many rows each has, shape (n,).
    """

    def __init__(self, group: AnyArray) -> None:
        self._code: IntArray = np.unique(group, return_inverse=True)[1].astype(np.int64)
        self.n = int(self._code.max(initial=-1)) + 1
        self.sizes = self.sums(np.ones(len(self._code)))

    @property
    def are_rows(self) -> bool:
        """Whether each row is a unit of its own."""
        return self.n == len(self._code)

    def sums(self, values: AnyArray) -> FloatArray:
        """Sum the values of each unit, shape (n_units,)."""
        weights = np.asarray(values, dtype=np.float64)
        return np.asarray(np.bincount(self._code, weights=weights, minlength=self.n), dtype=np.float64)

    def error_of_mean(self, values: AnyArray) -> float:
        """Return the standard error of the mean of values over rows; 0 for a single unit.

        Source:
            Liang and Zeger, Biometrika 73(1), 1986: the sum of each unit counts once.

        >>> Units(np.array([0, 0, 1, 1])).error_of_mean(np.array([1.0, 1.0, 3.0, 3.0]))
        1.0
        """
        if self.n < 2:
            return 0.0
        of_units = self.sums(values - values.mean())
        return float(np.sqrt(np.square(of_units).sum() * self.n / (self.n - 1)) / len(values))

    def count_with(self, rows: AnyArray) -> int:
        """Count the units that hold one of the rows of a mask."""
        return int(np.count_nonzero(self.sums(rows) > 0))

    @property
    def degrees_of_freedom(self) -> float:
        """The degrees of freedom of a variance over units, fewer the more their sizes differ.

        Source:
            Carter, Schnepel and Steigerwald, Review of Economics and Statistics 99(4), 2017: the effective number of
            clusters, for rows of one group that agree fully.
        """
        squares = np.square(self.sizes / self.sizes.mean())
        return float(min(max(squares.sum() ** 2 / np.square(squares).sum() - 1.0, 1.0), max(self.n - 1.0, 1.0)))

    @property
    def quantile(self) -> float:
        """The 97.5 % quantile of Student's t with these degrees of freedom."""
        return t_quantile(self.degrees_of_freedom)


def t_quantile(degrees_of_freedom: float, tail: float = TAIL) -> float:
    """Return a quantile of Student's t, the 97.5 % one unless told.

    >>> round(t_quantile(9), 3)
    2.262
    """
    return float(stdtrit(degrees_of_freedom, tail))
