"""How many live rows are worth one independent row, as the minutes themselves show it.

A caller who sends many rows at once sends rows that are alike. Then minutes differ from each other by more than those
of independent rows.
"""

from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray, IntArray

PRIOR = 20.0  # degrees of freedom of independent rows that the estimate begins with
KEPT = 0.999  # of what earlier minutes said, at each minute with enough rows
MOST_TIMES = 4.0  # a minute counts at most so many times what is usual by then: a change is not taken for dispersion
LEAST_ROWS = 10  # of a minute


@dataclass(slots=True)
class Dispersion:
    """The dispersion of each column.

    Attributes:
        last: The rows of the newest minute with enough rows, shape (n_columns, width).
        found: By column, how far successive minutes were apart.
        usual: How far those of independent rows would be.
    """

    last: IntArray
    found: FloatArray
    usual: FloatArray

    @classmethod
    def new(cls, n_columns: int, width: int) -> "Dispersion":
        """Return the dispersion of independent rows."""
        return cls(np.zeros((n_columns, width), dtype=np.int64), np.zeros(n_columns), np.zeros(n_columns))

    def effects(self) -> FloatArray:
        """Return how many rows are worth one independent row, by column; 1 at least."""
        return np.maximum((self.found + PRIOR) / (self.usual + PRIOR), 1.0)

    def observe(self, rows: IntArray) -> None:
        """Compare a minute with the minute before.

        Args:
            rows: By column and cell.
        Source:
            Pearson's X² of two minutes of independent rows has the mean of its degrees of freedom, d times as much if
            d rows are worth one: McCullagh and Nelder, Generalized Linear Models (1989), section 4.5. Successive
            differences are not moved by slow changes: von Neumann, Annals of Mathematical Statistics 12 (1941).
        """
        n, m = rows.sum(axis=1), self.last.sum(axis=1)
        enough = (n >= LEAST_ROWS) & (m >= LEAST_ROWS)
        both = rows + self.last
        with np.errstate(divide="ignore", invalid="ignore"):
            gaps = (rows * np.sqrt(m / n)[:, None] - self.last * np.sqrt(n / m)[:, None]) ** 2 / both
        statistic = np.where(both > 0, gaps, 0.0).sum(axis=1)
        degrees = np.maximum((both > 0).sum(axis=1) - 1, 0).astype(np.float64)
        known = self.usual >= PRIOR
        most = np.where(known, MOST_TIMES * degrees * self.effects(), np.inf)
        self.found = np.where(enough, self.found * KEPT + np.minimum(statistic, most), self.found)
        self.usual = np.where(enough, self.usual * KEPT + degrees, self.usual)
        self.last = np.where((n >= LEAST_ROWS)[:, None], rows, self.last)
