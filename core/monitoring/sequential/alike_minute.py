"""How alike the rows of one minute are, as all columns show it together.

A caller who fills a minute gives it a level of its own in nearly every column; drift that begins shows in some. So the
scores of location of a minute are compared with those of the rows of the last hours. If they are apart in nearly all
columns by more than chance explains, the rows of this minute count as alike, and say less. The minutes of such a run
count as one batch of one caller, since the rows of the last hours stay as they were before it. Where all columns have
moved for good, this costs twenty minutes.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray

LEFT_OUT = 0.25  # of the columns, those that are furthest apart: they may have moved
LEAST_COLUMNS = 8  # fewer do not tell a caller from a move
HALF_LIFE = 60.0  # minutes with rows, after which their rows count half
MOST_MINUTES = 20.0  # that count as one batch of a caller: what stays apart for longer has moved
BEYOND = 11.0  # over the root of the number of columns: so far beyond 1 is chance once in 1,000 minutes
_NOTHING = 1e-9


@dataclass(slots=True)
class RecentLevels:
    """The levels of the rows of the last hours.

    Attributes:
        rows: By score and share, its rows.
        sums: The sum of their scores, less what is usual at their hours.
        alike_for: Minutes whose rows were alike; this fades with the rows.
    """

    rows: FloatArray
    sums: FloatArray
    alike_for: float = 0.0

    def worth(
        self, rows: FloatArray, sums: FloatArray, variance: FloatArray, leading: IntArray, minutes: float
    ) -> float:
        """Return how much of an independent row each row of a minute is worth at most, and note its rows.

        Rows that are alike are no longer noted, so that a caller is not compared with itself.

        Args:
            rows: By score and share, the rows of the minute.
            sums: The sum of their scores, less what is usual at this hour.
            variance: Of the score of a row.
            leading: The scores of location that are compared.
            minutes: How many minutes they were counted over; 0 for further rows of an earlier minute.
        Source:
            The k-th of k batches of n rows that share a level is worth what k n rows are worth more than (k - 1) n, by
            the design effect 1 + (n - 1) ρ of Kish, Survey Sampling (1965), section 5.4.
        """
        if not rows[leading].any():
            return 1.0
        before = self.rows[leading], self.sums[leading]
        beyond = alike_rows((rows[leading], sums[leading]), before, variance[leading]) - 1.0
        if beyond > 0 and self.alike_for < MOST_MINUTES:
            n_before = self.alike_for
            self.alike_for += minutes
            return 1.0 / ((1.0 + (n_before + 1.0) * beyond) * (1.0 + n_before * beyond))
        kept = 0.5 ** (minutes / HALF_LIFE)
        self.rows, self.sums = self.rows * kept + rows, self.sums * kept + sums
        if not beyond:
            self.alike_for *= kept
        return 1.0


def alike_rows(
    minute: tuple[FloatArray, FloatArray], before: tuple[FloatArray, FloatArray], variance: FloatArray
) -> float:
    """Return how many rows of a minute are worth one independent row; 1 where the columns do not show more.

    Args:
        minute: By column, its rows and the sum of their scores of location, less what is usual at this hour.
        before: The same of the rows before.
        variance: Of the score of a row, by column.
    Source:
        As for successive batches in `dispersion`. The mean of the smaller three quarters of squared gaps is compared
        with what it is of independent rows: for squares of the normal law it follows from the law with two more degrees
        of freedom.
    """
    (n, s), (m, t) = minute, before
    there: BoolArray = (n > 0) & (m > 0) & (variance > _NOTHING)
    n_columns = int(there.sum())
    if n_columns < LEAST_COLUMNS:
        return 1.0
    n, s, m, t = n[there], s[there], m[there], t[there]
    apart = np.sort((s / n - t / m) ** 2 * n * m / (n + m) / variance[there])
    kept = n_columns - ceil(LEFT_OUT * n_columns)
    found = float(apart[:kept].mean()) / _usual(kept / n_columns)
    if found <= 1.0 + BEYOND / n_columns**0.5:
        return 1.0
    rows, rows_before = float(n.max()), float(m.max())
    return min(1.0 + (found - 1.0) * (rows + rows_before) / rows_before, rows)


def _usual(share: float) -> float:
    """Return the mean of the smallest share of squares of the normal law."""
    from scipy.special import chdtr, chdtri

    return float(chdtr(3.0, chdtri(1.0, 1.0 - share)) / share)
