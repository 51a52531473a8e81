"""How alike the rows of one minute are, as all columns show it together.

A caller who fills a minute gives it a level of its own in nearly every column; drift that begins shows in some. So the
scores of location of a minute are compared with those of the batch of rows before it. If they are apart in nearly all
columns by more than chance explains, the rows of this minute count as alike, and say less. Where all columns moved for
good this costs one minute: the next one is as the minute before it.
"""

from math import ceil

import numpy as np

from core.arrays import BoolArray, FloatArray

LEFT_OUT = 0.25  # of the columns, those that are furthest apart: they may have moved
LEAST_COLUMNS = 8  # fewer do not tell a caller from a move
BEYOND = 11.0  # over the root of the number of columns: so far beyond 1 is chance once in 1,000 minutes
_NOTHING = 1e-9


def alike_rows(
    minute: tuple[FloatArray, FloatArray], before: tuple[FloatArray, FloatArray], variance: FloatArray
) -> float:
    """Return how many rows of a minute are worth one independent row; 1 where the columns do not show more.

    Args:
        minute: By column, its rows and the sum of their scores of location, less what is usual at this hour.
        before: The same of the batch of rows before.
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
