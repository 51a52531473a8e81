"""The scores of probabilities before their outcomes are known."""

from dataclasses import dataclass

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.monitoring.estimation.density_ratio import REFIT_STEPS, column_penalties, density_ratio, refit, widening
from core.monitoring.estimation.expected_scores import expected_scores
from core.monitoring.estimation.penalised_fits import fit_chances, log_odds
from core.monitoring.estimation.resampling import (
    N_REPLICATES,
    EstimateInterval,
    drawn_counts,
    intervals,
    noise_effect,
)
from core.monitoring.estimation.smooth_calibration import CalibrationCurve, calibrated, fit_correction

CURVE_STEPS = 3  # from the curve of all rows, in each replicate
RELEVANCE_PENALTY = 30.0


@dataclass(frozen=True, slots=True)
class AnsweredEvents:
    """Rows with the probabilities that a model answered.

    Attributes:
        columns: The columns that the rows are compared by, shape (n, k).
        answer: The probabilities, shape (n,).
        decided: The rows that the model declares events; None if it does not decide.
        units: The group of each row; None if no row depends on another.
    """

    columns: FloatArray
    answer: FloatArray
    decided: BoolArray | None = None
    units: IntArray | None = None

    @property
    def compared(self) -> FloatArray:
        """The columns, and the answer beside them."""
        return np.column_stack([self.columns, log_odds(self.answer)])

    def scores(self, chance: FloatArray, weight: FloatArray) -> dict[str, float]:
        """Return the scores of the rows that count."""
        there = weight > 0
        decided = None if self.decided is None else self.decided[there]
        return expected_scores(self.answer[there], chance[there], decided, weight[there])


@dataclass(frozen=True, slots=True)
class EventEstimate:
    """The estimate.

    Attributes:
        figures: By name.
        chance: The probability of each live row's event, shape (n,).
        effective_share: The share of the held-out rows that count among the live rows.
        is_flattened: The live rows are so far from the held-out rows that the weights are a compromise.
        share_beyond: The share of the live rows that are unlike nearly all held-out rows.
    """

    figures: dict[str, EstimateInterval]
    chance: FloatArray
    effective_share: float
    is_flattened: bool
    share_beyond: float


def estimate_events(
    held_out: AnsweredEvents,
    happened: FloatArray,
    live: AnsweredEvents,
    *,
    seed: int,
    n_replicates: int = N_REPLICATES,
) -> EventEstimate:
    """Estimate the scores of live rows.

    Held-out rows are weighted as the live rows are distributed. A smooth curve from answers to events is fitted to
    them. The curve gives the probabilities of the live rows' events, and these give the scores.

    Args:
        held_out: Rows that the model did not learn from.
        happened: What became of them: 1 or 0, shape (n,).
        live: Rows whose outcomes are unknown.
        seed: Of the bootstrap.
        n_replicates: Of the bootstrap.
    Returns:
        Figures with intervals for what the outcomes of these rows will show: the error of the held-out rows, the
        choice of the live rows and the luck of their outcomes are all in them.
    Source:
        Białek, Kuberski, Perrakis and Bifet, "Estimating Model Performance Under Covariate Shift Without Labels",
        arXiv 2401.08348, with a spline instead of their bins or trees.
    """
    curve = CalibrationCurve.of(held_out.answer)
    odds, columns = curve.columns(held_out.answer)
    live_odds, live_columns = curve.columns(live.answer)
    once, once_live = np.ones(len(happened)), np.ones(len(live.answer))
    plain = fit_correction(curve, odds, columns, happened, once)
    own, new = held_out.compared, live.compared
    penalty = _penalties(held_out.columns, odds + columns @ plain, happened)
    ratio = density_ratio(own, new, penalty)
    correction = fit_correction(curve, odds, columns, happened, ratio.weight, start=plain)
    chance = calibrated(live_odds, live_columns, correction)
    spread = np.sqrt(noise_effect(happened - calibrated(odds, columns, plain), held_out.units))
    rng = np.random.default_rng(seed)
    replicates = []
    for _ in range(n_replicates):
        n_held = drawn_counts(rng, len(happened), held_out.units)
        n_live = drawn_counts(rng, len(chance), live.units)
        again = refit(own, new, n_held, n_live, penalty=ratio.penalty, start=ratio.coefficients, n_steps=REFIT_STEPS)
        weight = n_held * again.weight
        found = fit_correction(curve, odds, columns, happened, weight, start=correction, n_steps=CURVE_STEPS)
        expected = calibrated(live_odds, live_columns, found)
        drawn = rng.binomial(n_live.astype(np.int64), expected) / np.maximum(n_live, 1.0)
        now = live.scores(expected + spread * (drawn - expected), n_live)
        replicates.append((now, held_out.scores(happened, n_held)))
    scores = intervals(live.scores(chance, once_live), held_out.scores(happened, once), replicates)
    factor = widening(ratio.share_beyond)
    figures = {name: each.widened(factor, np.inf if name == "log_loss" else 1.0) for name, each in scores.items()}
    return EventEstimate(figures, chance, ratio.effective_share, ratio.is_flattened, ratio.share_beyond)


def _penalties(columns: FloatArray, odds: FloatArray, happened: FloatArray) -> FloatArray:
    """Find the columns that bear on the errors of the calibrated answers; the answer itself has the least penalty."""
    if not columns.shape[1]:
        return column_penalties(np.ones(1))
    spread = columns.std(axis=0)
    sized = (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    sized = np.column_stack([np.ones(len(sized)), sized])
    penalty = np.full(sized.shape[1], RELEVANCE_PENALTY)
    penalty[0] = 0.0
    found = fit_chances(sized, happened, np.ones(len(happened)), penalty=penalty, offset=odds)[1:]
    return np.append(column_penalties(found), column_penalties(np.ones(1)) / 10.0)
