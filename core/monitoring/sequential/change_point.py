"""When did a column change? The likeliest minute, and an interval."""

from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray, IntArray

HALF_WIDTH = 11.03
"""Rows times squared signal within which the estimate lies in 95 % of the cases."""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """The first minute after a change, as a position among the minutes.

    Attributes:
        at: The likeliest.
        low: The first of the interval.
        high: The last.
    """

    at: int
    low: int
    high: int


def change_point(counts: IntArray, expected: FloatArray, effect: float = 1.0) -> ChangePoint | None:
    """Date a change among minutes whose distribution was the reference before it.

    Args:
        counts: Rows by minute and cell, shape (n_minutes, n_cells).
        expected: The share of each cell in the reference at that minute, the same shape.
        effect: How many rows are worth one independent row.
    Returns:
        None without rows.
    Source:
        Maximum likelihood: the suffix whose own shares explain it best against those of the reference (Hinkley,
        Biometrika 57, 1970). The interval has the width 11 / δ² rows on either side, δ² being twice the divergence of a
        row: Yao, Annals of Statistics 15 (1987); Bai, Review of Economics and Statistics 79 (1997), section III.

    >>> even, odd = [5, 5], [0, 10]
    >>> change_point(np.array([even] * 10 + [odd] * 10), np.full((20, 2), 0.5)).at
    10
    """
    rows = counts.sum(axis=1)
    if not rows.any():
        return None
    found = np.cumsum(counts[::-1], axis=0)[::-1].astype(np.float64)
    usual = np.cumsum((rows[:, None] * expected)[::-1], axis=0)[::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(found > 0, found * np.log(found / np.maximum(usual, 1e-12)), 0.0)
    gains = terms.sum(axis=1) / effect
    at = int(np.argmax(gains))
    n = float(found[at].sum())
    signal = 2 * gains[at] / n if n else 0.0
    needed = HALF_WIDTH / signal if signal > 0 else np.inf
    up_to = np.concatenate(([0.0], np.cumsum(rows)))
    low = int(np.searchsorted(up_to, up_to[at] - needed, side="right")) - 1
    high = int(np.searchsorted(up_to, up_to[at] + needed, side="left"))
    return ChangePoint(at, max(low, 0), min(max(high, at), len(rows) - 1))
