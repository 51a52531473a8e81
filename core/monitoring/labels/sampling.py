"""Rows drawn for labels with known chances, and bounds of the mean loss that hold however often one looks.

A row is drawn the likelier, the less certain its loss is. Each drawn row corrects the estimate of all rows by what its
outcome shows beyond the expectation, weighted by its chance, so that a wrong estimate costs width and not truth.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.arrays import FloatArray, IntArray
from core.monitoring.estimation.estimate import TOLERANCE
from core.monitoring.estimation.possible_losses import PossibleLosses
from core.monitoring.labels.reference import HeldOutLoss
from core.monitoring.verdicts import PerformanceVerdict
from core.seeds import derive_seed

EVEN_SHARE = 0.2
"""The share of the draws that every row has an equal part in: no row weighs more than five."""
LEAST_LABELS = 20  # fewer decide nothing: an interval of so few is of no use
LEVEL = 0.05
MOST_DRAWS = 1_000_000
FURTHEST = 10.0
"""How many times its expectation an error is taken to reach at most, until a drawn row shows a larger one."""
_BETS = np.geomspace(0.95, 3e-3, 24)  # shares of the largest bet that cannot lose everything
_N_HALVINGS = 26


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


def level_of_draw(number: int) -> float:
    """Return the probability that the interval of a draw of a version misses: its draws share one level.

    Whoever draws again until the outcomes suit finds no more false verdicts than by one draw, whatever made them draw.

    Args:
        number: Of the draw, counted from 1.
    Source:
        A union bound, the level spent in proportion to 1 / number²: the shares of all numbers sum to 1 (Euler).

    >>> round(level_of_draw(1), 4), round(level_of_draw(2), 4)
    (0.0304, 0.0076)
    """
    return LEVEL * 6.0 / (np.pi * number) ** 2


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


class CorrectionEnds(NamedTuple):
    """The least and the greatest number by which one draw can correct the estimate of the mean loss.

    Attributes:
        low: The least.
        high: The greatest.
        is_limited: Whether no outcome can exceed it; else it is what `FURTHEST` allows.
    """

    low: float
    high: float
    is_limited: bool


def correction_ends(expected: FloatArray, chance: FloatArray, losses: PossibleLosses) -> CorrectionEnds:
    """Return how far a draw can correct the estimate, of all rows that can be drawn.

    Args:
        expected: The expected loss of each row, shape (n,).
        chance: As returned by `draw_chances`, shape (n,).
        losses: The possible losses.

    >>> correction_ends(np.array([0.5, 0.5]), np.array([0.5, 0.5]), PossibleLosses(np.zeros(2), np.ones(2)))
    CorrectionEnds(low=-0.5, high=0.5, is_limited=True)
    """
    most = FURTHEST * expected if losses.most is None else losses.most
    weight = len(expected) * chance
    low, high = float(((losses.least - expected) / weight).min()), float(((most - expected) / weight).max())
    return CorrectionEnds(low, high, losses.most is not None)


def labelled_mean(
    expected: FloatArray,
    chance: FloatArray,
    losses: Mapping[int, float],
    held_out: HeldOutLoss,
    *,
    possible: PossibleLosses,
    seed: int,
) -> LabelledMean:
    """Bound the mean loss of all rows by the outcomes of drawn rows.

    Args:
        expected: The expected loss of each row, shape (n,).
        chance: As returned by `draw_chances`, shape (n,).
        losses: The loss of each row with an outcome, by row. Outcomes of rows that were not drawn are not used.
        held_out: The loss of the held-out rows.
        possible: The losses that are possible.
        seed: Of the draws.
    Source:
        Angelopoulos et al., "Prediction-Powered Inference", Science 382, 2023, with draws of known chances. Only
        outcomes before the first gap count: an outcome may be late because of its value.
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
    surprise = np.array([losses[int(row)] for row in drawn], dtype=np.float64) - expected[drawn]
    ends = correction_ends(expected, chance, possible)
    return mean_of_draws(surprise / (n_rows * chance[drawn]), float(expected.mean()), held_out, ends)


def mean_of_draws(
    correction: FloatArray, mean_expected: float, held_out: HeldOutLoss, ends: CorrectionEnds, *, level: float = LEVEL
) -> LabelledMean:
    """Bound the mean loss of all rows by the draws whose outcomes are known.

    Nothing is assumed of the distribution but its ends, so rows whose events have not come yet prove as little as they
    should. The upper end of unbounded losses holds as long as no error exceeds the largest that was drawn, or
    `FURTHEST` times its expectation.

    Args:
        correction: Of each draw in turn, what its loss shows beyond the expectation, divided by its chance and by the
            number of rows. Shape (n_draws,).
        mean_expected: The mean of the expected losses of all rows.
        held_out: The loss of the held-out rows.
        ends: As returned by `correction_ends`.
        level: The probability that the interval ever misses.
    Source:
        Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86(1), 2024,
        sections 4 and 5: the wealth of bets against a mean, mixed over fixed bets, which reaches 1 / level with
        probability `level` at most, ever, if that mean is true (Ville).
    """
    n = len(correction)
    if n < LEAST_LABELS:
        return LabelledMean(n, None, None, None, PerformanceVerdict.OPEN, None)
    seen = float(correction.mean())
    if not ends.is_limited:
        ends = ends._replace(high=max(ends.high, float(correction.max())))
    above, below = correction - ends.low, ends.high - correction  # two means of numbers from 0 on
    value = mean_expected + seen
    low = mean_expected + ends.low + _least_mean(above, ends.high - ends.low, level)
    high = mean_expected + ends.high - _least_mean(below, ends.high - ends.low, level)
    low, high = max(min(low, value), 0.0), max(high, value)
    verdict = _verdict(value, low, high, held_out)
    is_open = verdict is PerformanceVerdict.OPEN
    needed = _draws_to_decide(correction, mean_expected, held_out, ends, level) if is_open else None
    return LabelledMean(n, value, low, high, verdict, needed)


def expected_draws(
    likely: FloatArray, mean_expected: float, held_out: HeldOutLoss, ends: CorrectionEnds, *, level: float = LEVEL
) -> int | None:
    """Return the draws after which a verdict is due if the expected losses are right; None if more than a million.

    Args:
        likely: Of some draws, the standard deviation of what each corrects, shape (n,).
        mean_expected: The mean of the expected losses of all rows.
        held_out: The loss of the held-out rows.
        ends: As returned by `correction_ends`.
        level: The probability that the interval ever misses.

    >>> ends = CorrectionEnds(-1.0, 1.0, True)
    >>> held_out = HeldOutLoss.exactly(1.0)
    >>> expected_draws(np.full(20, 0.1), 1.0, held_out, ends) < expected_draws(np.full(20, 0.5), 1.0, held_out, ends)
    True
    """
    correction = np.clip(np.where(np.arange(len(likely)) % 2, likely, -likely), ends.low, ends.high)
    return _draws_to_decide(correction, mean_expected, held_out, ends, level)


def _draws_to_decide(
    correction: FloatArray, mean_expected: float, held_out: HeldOutLoss, ends: CorrectionEnds, level: float
) -> int | None:
    """Return the draws after which a verdict is expected if later draws are like these."""
    fell = None
    if mean_expected + float(correction.mean()) >= (1.0 + TOLERANCE) * held_out.mean:
        fell = _draws_to_exclude(correction - ends.low, held_out.high - mean_expected - ends.low, level)
    tolerated = (1.0 + TOLERANCE) * held_out.low
    holds = _draws_to_exclude(ends.high - correction, ends.high + mean_expected - tolerated, level)
    return min((each for each in (fell, holds) if each is not None), default=None)


def _least_mean(values: FloatArray, most: float, level: float) -> float:
    """Return the largest mean that bets on larger values exclude, of values from 0 to `most`; 0 without one."""
    needed = np.log(2.0 / level)

    def is_excluded(mean: float) -> bool:
        wealth = np.log1p(np.outer(values / mean - 1.0, _BETS)).sum(axis=0)
        top = float(wealth.max())
        return bool(top + np.log(np.mean(np.exp(wealth - top))) >= needed)

    outside, inside = 0.0, float(min(most, values.mean()))
    for _ in range(_N_HALVINGS if inside > 0 else 0):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if is_excluded(middle) else (outside, middle)
    return outside


def _draws_to_exclude(values: FloatArray, mean: float, level: float) -> int | None:
    """Return the draws after which bets exclude a mean if later values are like those drawn; None after a million."""
    if mean <= 0:
        return None
    growth = np.log1p(np.outer(values / mean - 1.0, _BETS)).mean(axis=0).max()
    n = np.log(2.0 / level * len(_BETS)) / growth if growth > 0 else np.inf
    return max(int(np.ceil(n)), LEAST_LABELS) if n < MOST_DRAWS else None


def is_undecidable(value: float, held_out: HeldOutLoss) -> bool:
    """Whether no number of outcomes decides, if the loss stays as it is: the held-out rows are too few.

    >>> is_undecidable(0.55, HeldOutLoss(0.5, 0.42, 0.58)), is_undecidable(0.6, HeldOutLoss(0.5, 0.42, 0.58))
    (True, False)
    """
    return _verdict(value, value, value, held_out) is PerformanceVerdict.OPEN


def _verdict(value: float, low: float, high: float, held_out: HeldOutLoss) -> PerformanceVerdict:
    if low > held_out.high and value >= (1.0 + TOLERANCE) * held_out.mean:
        return PerformanceVerdict.FELL
    return PerformanceVerdict.HOLDS if high < (1.0 + TOLERANCE) * held_out.low else PerformanceVerdict.OPEN
