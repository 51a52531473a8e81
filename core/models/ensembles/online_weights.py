"""Weights that follow outcomes: exponentiated gradient with a fixed share, one step for each outcome in turn.

After an outcome, each member's weight is multiplied by exp(−rate · g), where g is the gradient of the squared error of
the weighted mean in that weight; the weights are scaled to sum to 1; and every member then gets a fixed share back. The
gradient follows the mean, so members that err in opposite directions keep their weights together, where weights by the
members' own losses would end at the single best member. The share lets a member return that was bad for long.

Errors are in units of the mean's own error on the rows that settled the weights, and clipped at `CLIP` of these units,
so one absurd outcome moves little, and the rate means the same for every target.

The rate. For clipped gradients, of size C = 2 · CLIP² at most, any sequence of outcomes (dependent, chosen by an enemy)
and any sequence u of weights to compare with, whose weights move by m(u) in total variation over T outcomes,

    Σ g·w − Σ g·u ≤ [ln(1/w_min) + m(u) · ln(n/share) + (T − 1 − m(u)) · ln(1/(1 − share))] / rate + rate · C² · T / 2,

and the excess of squared errors (in units, unclipped outcomes) is at most that, since the error is convex in the
weights. `regret_bound` computes it. The bound is far from what happens; `RATE` and `SHARE` are chosen by simulation of
two to five members: without drift the moving weights cost at most one per cent of the loss, and a member that drifts by
one unit loses half its weight within `OUTCOMES_TO_HALVE` outcomes, by two units within a third of them.

Sources:
    Kivinen and Warmuth, Exponentiated gradient versus gradient descent for linear predictors, Information and
    Computation 132 (1997): the step.
    Herbster and Warmuth, Tracking the best expert, Machine Learning 32 (1998): the fixed share.
    Herbster and Warmuth, Tracking the best linear predictor, JMLR 1 (2001): the way back between bounds.
    Cesa-Bianchi, Gaillard, Lugosi and Stoltz, Mirror descent meets fixed share (and feels no regret), NeurIPS 2012: the
    bound against weights that move.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from core.arrays import FloatArray

RATE: Final = 0.03
SHARE: Final = 0.001
CLIP: Final = 3.0  # units of error
OUTCOMES_TO_HALVE: Final = 300
"""Outcomes within which a member that drifts by one unit of error loses half its weight."""


@dataclass(frozen=True, slots=True)
class FollowedWeights:
    """Where outcomes led the weights.

    Attributes:
        start: The weights before the first outcome, shape (members,).
        weights: After the last.
        n_outcomes: How many there were.
        moved: Half the sum of the absolute changes from start to end: the share of the answer that changed hands.
        farthest: The greatest such distance from the start on the way.
        loss: Mean squared error of the mean with the weights as they followed, in squared units; each outcome was
            answered before it moved the weights.
        loss_of_start: The same with the weights of the start throughout.
    """

    start: FloatArray
    weights: FloatArray
    n_outcomes: int
    moved: float
    farthest: float
    loss: float
    loss_of_start: float


def follow(
    answers: FloatArray,
    target: FloatArray,
    start: FloatArray,
    *,
    unit: float,
    rate: float = RATE,
    share: float = SHARE,
    bounds: tuple[FloatArray, FloatArray] | None = None,
) -> FollowedWeights:
    """Move weights by outcomes, in the order in which they came.

    Args:
        answers: Of the members, numbers or probabilities, shape (n, members).
        target: What came of the rows, shape (n,).
        start: The weights to start from, shape (members,); they sum to 1.
        unit: The root of the mean squared error of the mean on the rows that settled the weights, above 0.
        rate: Of a step.
        share: Of the whole weight that is dealt out evenly after each outcome.
        bounds: The least and the greatest weight of each member, shape (members,) each: each step ends at the closest
            weights between them, in relative entropy, so that it is no farther from any weights between them.
    Returns:
        The weights; those of the start where there is no outcome.
    Raises:
        ValueError: The unit is not above 0, or an answer or outcome is not a finite number.

    >>> answers, target = np.array([[1.0, 0.0]] * 300), np.zeros(300)
    >>> follow(answers, target, np.array([0.5, 0.5]), unit=1.0).weights.round(2).tolist()
    [0.1, 0.9]
    """
    if not (unit > 0 and math.isfinite(unit)):
        raise ValueError(f"the unit of error is {unit}: expected a number above 0")
    if not (np.isfinite(answers).all() and np.isfinite(target).all()):
        raise ValueError("an answer or an outcome is not a finite number")
    weights = np.asarray(start, dtype=np.float64) / float(np.sum(start))
    floor, farthest, losses = share / len(weights), 0.0, np.empty(len(target))
    begin = weights
    for row, (given, actual) in enumerate(zip(answers, target.tolist(), strict=True)):
        mean = float(weights @ given)
        miss = (actual - mean) / unit
        losses[row] = miss * miss
        apart = np.clip((given - mean) / unit, -CLIP, CLIP)
        weights = weights * np.exp(2.0 * rate * min(max(miss, -CLIP), CLIP) * apart)
        weights = (1.0 - share) * weights / weights.sum() + floor
        if bounds is not None:
            weights = _between(weights, *bounds)
        farthest = max(farthest, _distance(weights, begin))
    still = np.square((target - answers @ begin) / unit)
    return FollowedWeights(
        start=begin,
        weights=weights,
        n_outcomes=len(target),
        moved=_distance(weights, begin),
        farthest=farthest,
        loss=float(losses.mean()) if len(target) else 0.0,
        loss_of_start=float(still.mean()) if len(target) else 0.0,
    )


def regret_bound(
    n_outcomes: int,
    n_members: int,
    *,
    moves: float = 0.0,
    least_start: float | None = None,
    rate: float = RATE,
    share: float = SHARE,
) -> float:
    """Return by how much the summed squared errors of the mean may exceed those of any weights that move so much.

    Args:
        n_outcomes: T.
        n_members: n.
        moves: m(u): the total variation by which the weights compared with move in all.
        least_start: The least weight of the start; equal weights by default.
        rate: Of a step.
        share: Dealt out evenly after each outcome.
    Returns:
        In squared units of error.

    >>> round(regret_bound(1_000, 2, rate=0.002), 1)
    1170.3
    """
    stays = max(n_outcomes - 1 - moves, 0.0)
    start = 1.0 / n_members if least_start is None else least_start
    paid = math.log(1.0 / start) + moves * math.log(n_members / share) + stays * math.log(1.0 / (1.0 - share))
    return paid / rate + rate * (2.0 * CLIP**2) ** 2 * n_outcomes / 2.0


def _between(weights: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return clip(c · w, low, high) for the one c that makes it sum to 1; the sum is linear between its turns."""
    turns = np.sort(np.concatenate((low / weights, high / weights)))
    sums = np.clip(turns[:, None] * weights, low, high).sum(axis=1)
    return np.asarray(np.clip(float(np.interp(1.0, sums, turns)) * weights, low, high))


def _distance(weights: FloatArray, others: FloatArray) -> float:
    return float(np.abs(weights - others).sum() / 2.0)
