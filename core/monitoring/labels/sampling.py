"""Rows drawn for labels with known chances, and bounds of the mean loss that hold however often one looks.

A row is drawn the likelier, the less certain its loss is. Each drawn row corrects the estimate of all rows by what its
outcome shows beyond the expectation, weighted by its chance, so that a wrong estimate costs width and not truth.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray, IntArray
from core.monitoring.estimation.estimate import TOLERANCE
from core.monitoring.verdicts import PerformanceVerdict
from core.seeds import derive_seed

EVEN_SHARE = 0.2
"""The share of the draws that every row has an equal part in: no row weighs more than five."""
LEAST_LABELS = 20  # below it the normal law does not hold
LEVEL = 0.05
MOST_DRAWS = 1_000_000


@dataclass(frozen=True, slots=True)
class LabelledMean:
    """The mean loss of all rows, as far as outcomes prove it.

    Attributes:
        n_draws: Draws whose outcomes are used: those before the first draw without one.
        value: The mean loss; None without enough labels.
        low: The lower end of its interval, valid at every look.
        high: The upper end.
        verdict: Whether it fell, compared with the held-out rows.
        n_needed: Draws after which the verdict is expected; None if it is reached, or more than a million.
    """

    n_draws: int
    value: float | None
    low: float | None
    high: float | None
    verdict: PerformanceVerdict
    n_needed: int | None


def draw_chances(uncertainty: FloatArray) -> FloatArray:
    """Return the chance of each row in one draw, shape (n,), summing to 1.

    Source:
        Zrnic and Candès, "Active Statistical Inference", ICML 2024: in proportion to the uncertainty, mixed with an
        even share.

    >>> draw_chances(np.array([0.0, 1.0])).round(2).tolist()
    [0.1, 0.9]
    """
    total = float(uncertainty.sum())
    even = np.full(len(uncertainty), 1.0 / len(uncertainty))
    return even if total <= 0 else np.asarray(EVEN_SHARE * even + (1.0 - EVEN_SHARE) * uncertainty / total)


def draws(chance: FloatArray, n: int, *, seed: int) -> IntArray:
    """Draw rows with replacement: the first n draws of one seed are the same, however many follow.

    Returns:
        The row of each draw, shape (n,).
    """
    uniform = np.random.default_rng(derive_seed(seed, "rows wanted for labels")).random(n)
    edges = np.cumsum(chance)
    return np.minimum(np.searchsorted(edges / edges[-1], uniform, side="right"), len(chance) - 1).astype(np.int64)


def wanted_rows(chance: FloatArray, n: int, *, seed: int) -> IntArray:
    """Return the first n different rows that are drawn, in the order in which they should be labelled."""
    n = min(n, len(chance))
    size = 2 * n + 20
    while True:
        found = draws(chance, size, seed=seed)
        rows, first = np.unique(found, return_index=True)
        if len(rows) >= n or size >= MOST_DRAWS:
            return np.asarray(rows[np.argsort(first)][:n])
        size *= 2


def labelled_mean(
    expected: FloatArray, chance: FloatArray, losses: Mapping[int, float], held_out: float, *, seed: int
) -> LabelledMean:
    """Bound the mean loss of all rows by the outcomes of drawn rows.

    Args:
        expected: The expected loss of each row, shape (n,).
        chance: As returned by `draw_chances`, shape (n,).
        losses: The loss of each row with an outcome, by row. Outcomes of rows that were not drawn are not used.
        held_out: The mean loss of the held-out rows.
        seed: Of the draws.
    Source:
        Angelopoulos et al., "Prediction-Powered Inference", Science 382, 2023, with draws of known chances; the bound
        is the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, arXiv 2103.06476,
        theorem 2.2. Only outcomes before the first gap count: an outcome may be late because of its value.
    """
    n_rows, size = len(expected), 2 * len(losses) + 20
    drawn = draws(chance, size, seed=seed)
    while size < MOST_DRAWS and all(int(row) in losses for row in drawn):
        if len(losses) == n_rows and size >= 4 * n_rows:
            break
        size *= 2
        drawn = draws(chance, size, seed=seed)
    gap = next((k for k, row in enumerate(drawn) if int(row) not in losses), len(drawn))
    drawn = drawn[:gap]
    if gap < LEAST_LABELS:
        return LabelledMean(gap, None, None, None, PerformanceVerdict.OPEN, None)
    surprise = np.array([losses[int(row)] for row in drawn]) - expected[drawn]
    corrected = float(expected.mean()) + surprise / (n_rows * chance[drawn])
    value, spread = float(corrected.mean()), float(corrected.std(ddof=1))
    width = sequence_width(spread, gap)
    low, high = max(value - width, 0.0), value + width
    verdict = _verdict(value, low, high, held_out)
    needed = _needed(value, spread, held_out) if verdict is PerformanceVerdict.OPEN else None
    return LabelledMean(gap, value, low, high, verdict, needed)


def sequence_width(spread: float, n: int, *, tuned_for: int = 100) -> float:
    """Return the half width of the confidence sequence after n draws.

    >>> sequence_width(1.0, 400) < sequence_width(1.0, 100) < 0.35
    True
    """
    rho = np.sqrt((-2.0 * np.log(LEVEL) + np.log(-2.0 * np.log(LEVEL) + 1.0)) / tuned_for)
    inside = n * rho * rho + 1.0
    return float(spread * np.sqrt(2.0 * inside / (n * n * rho * rho) * np.log(np.sqrt(inside) / LEVEL)))


def _verdict(value: float, low: float, high: float, held_out: float) -> PerformanceVerdict:
    if low > held_out and value >= (1.0 + TOLERANCE) * held_out:
        return PerformanceVerdict.FELL
    return PerformanceVerdict.HOLDS if high < (1.0 + TOLERANCE) * held_out else PerformanceVerdict.OPEN


def _needed(value: float, spread: float, held_out: float) -> int | None:
    """Return the draws after which the verdict falls if the mean stays where it is."""
    n = LEAST_LABELS
    while n < MOST_DRAWS:
        width = sequence_width(spread, n)
        if _verdict(value, value - width, value + width, held_out) is not PerformanceVerdict.OPEN:
            return n
        n = n * 5 // 4
    return None
