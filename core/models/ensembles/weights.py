"""The weights of an ensemble's members: little loss, and members that err differently.

With weights w on the simplex, the error of the weighted mean is the weighted mean of the errors, so its mean square is
w'Gw with G = E'E/n, where E has the members' errors in its columns. The mean correlation of the errors of two members
that are drawn by the weights is w'Cw, where C has the correlations. The optimiser minimises

    f(w) = w'Gw + λ · s · w'Cw,    subject to Σw = 1 and low ≤ w ≤ high,

where s, the least loss of a single member, makes λ free of the target's unit. Both matrices are positive semi-definite,
so f is convex, and the minimum that the optimiser finds is the global one.

Sources:
    Bates and Granger, The combination of forecasts, Operational Research Quarterly 20 (1969): variances and
    correlations of errors determine the weights.
    Breiman, Stacked regressions, Machine Learning 24 (1996): weights that are not negative.
    Krogh and Vedelsby, Neural network ensembles, cross validation, and active learning, NIPS 7 (1995): the loss of a
    mean is the mean loss less the disagreement of the members.
    Kraft, A software package for sequential quadratic programming, DFVLR-FB 88-28 (1988): SLSQP.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray
from core.errors import UsageError

MOST_STEPS = 200
PRECISION = 1e-12
"""Of the objective, relative to the least loss of a single member."""

NEGLIGIBLE = 1e-9  # a weight so close to its bound is at its bound


class WeightBoundsError(UsageError):
    """No weights that sum to 1 lie between the bounds."""


@dataclass(frozen=True, slots=True)
class MemberErrors:
    """What the weights depend on: the sums of products of the members' errors; those of further rows can be added.

    Attributes:
        products: E'WE with the rows' weights, shape (members, members).
        sums: W'E, shape (members,).
        n_rows: The sum of the rows' weights.
    """

    products: FloatArray
    sums: FloatArray
    n_rows: float

    @classmethod
    def none(cls, n_members: int) -> "MemberErrors":
        """Return the sums over no rows."""
        return cls(np.zeros((n_members, n_members)), np.zeros(n_members), 0.0)

    @classmethod
    def of(cls, errors: FloatArray, weight: FloatArray | None = None) -> "MemberErrors":
        """Sum over rows.

        Args:
            errors: Target less prediction, shape (n, members).
            weight: Of each row, shape (n,); None for equal weights.
        """
        weighted = errors if weight is None else errors * weight[:, None]
        n_rows = float(len(errors)) if weight is None else float(weight.sum())
        return cls(weighted.T @ errors, weighted.sum(axis=0), n_rows)

    def then(self, further: "MemberErrors", *, keep: float = 1.0) -> "MemberErrors":
        """Add the sums of further rows; the earlier rows keep a share of their weight."""
        return MemberErrors(
            keep * self.products + further.products,
            keep * self.sums + further.sums,
            keep * self.n_rows + further.n_rows,
        )

    @property
    def losses(self) -> FloatArray:
        """The mean square of products, G, shape (members, members); the members' own losses are its diagonal."""
        return self.products / self.n_rows if self.n_rows else np.zeros_like(self.products)

    @property
    def correlations(self) -> FloatArray:
        """The correlations of the errors, C, shape (members, members); 1 with itself, also of a constant error."""
        if not self.n_rows:
            return np.eye(len(self.sums))
        mean = self.sums / self.n_rows
        covariance = self.losses - np.outer(mean, mean)
        deviation = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        scale = np.outer(deviation, deviation)
        known = scale > 1e-12 * max(float(np.max(np.diag(self.losses))), 1e-300)
        found = np.divide(covariance, scale, out=np.zeros_like(covariance), where=known)
        np.fill_diagonal(found, 1.0)
        return np.asarray(np.clip(found, -1.0, 1.0))


@dataclass(frozen=True, slots=True)
class Weighting:
    """The weights, and what they minimise.

    Attributes:
        weights: Of the members, in their order; they sum to 1.
        loss: Mean squared error of the weighted mean on the rows that settled the weights.
        correlation: Mean correlation of the errors of two members drawn by the weights; 1 for a single member.
        best_loss: The least mean squared error of a single member on the same rows.
    """

    weights: FloatArray
    loss: float
    correlation: float
    best_loss: float

    def __post_init__(self) -> None:
        """Let nobody write into the weights: whoever answers rows meanwhile would read some of the old and the new."""
        self.weights.setflags(write=False)


def optimise_weights(
    errors: MemberErrors,
    *,
    diversity: float = 0.0,
    low: Sequence[float] | float = 0.0,
    high: Sequence[float] | float = 1.0,
) -> Weighting:
    """Find the weights with the least loss plus `diversity` times the correlation of errors.

    The objective and its Jacobian, 2(G + λsC)w, need only the sums over rows, so their cost does not depend on the
    number of rows.

    Args:
        errors: Of the members, on rows that none of them learned from.
        diversity: λ, at least 0; 0 minimises the loss alone.
        low: The least weight of each member, or of all.
        high: The greatest.
    Returns:
        The weights; equal ones, as far as the bounds allow, if there are no rows yet.
    Raises:
        WeightBoundsError: No weights that sum to 1 lie between the bounds.
        ValueError: `diversity` is below 0, or an error is not a finite number.

    >>> apart = MemberErrors.of(np.array([[1.0, -1.0], [-1.0, 1.0], [1.0, -1.0]]))
    >>> optimise_weights(apart).weights.round(6).tolist()
    [0.5, 0.5]
    """
    n_members = len(errors.sums)
    least, most = checked_bounds(n_members, low, high)
    if not diversity >= 0.0:
        raise ValueError(f"diversity is {diversity}: expected a number of at least 0")
    if not np.isfinite(errors.products).all():
        raise ValueError("an error of a member is not a finite number")
    losses, correlations = errors.losses, errors.correlations
    best = float(np.min(np.diag(losses)))
    start = project(np.full(n_members, 1.0 / n_members), least, most)
    if n_members > 1 and errors.n_rows:
        # Scaled, so that the precision means the same for every target; a member without any loss is its own scale.
        scale = best or float(np.max(np.diag(losses))) or 1.0
        weights = _minimum(losses / scale + diversity * (best / scale) * correlations, start, least, most)
    else:
        weights = start
    return Weighting(weights, float(weights @ losses @ weights), float(weights @ correlations @ weights), best)


def checked_bounds(
    n_members: int, low: Sequence[float] | float, high: Sequence[float] | float
) -> tuple[FloatArray, FloatArray]:
    """Return the bounds of each member's weight.

    Raises:
        WeightBoundsError: No weights that sum to 1 lie between them.
    """
    least, most = (np.broadcast_to(np.asarray(bound, dtype=np.float64), (n_members,)) for bound in (low, high))
    for position, (one, other) in enumerate(zip(least.tolist(), most.tolist(), strict=True), start=1):
        if not 0.0 <= one <= other <= 1.0:
            raise WeightBoundsError(
                f"the weight of member {position} is bounded by {one:g} and {other:g}: expected 0 <= low <= high <= 1"
            )
    if float(least.sum()) > 1.0 + NEGLIGIBLE:
        raise WeightBoundsError(f"the least weights of {n_members} members sum to {least.sum():g}: lower them to 1")
    if float(most.sum()) < 1.0 - NEGLIGIBLE:
        raise WeightBoundsError(f"the greatest weights of {n_members} members sum to {most.sum():g}: raise them to 1")
    return least, most


def project(weights: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return the closest weights that sum to 1 and lie between bounds.

    They are clip(w − τ, low, high) for the one τ that makes them sum to 1. The sum falls with τ and is linear between
    the points at which a weight meets a bound.

    Source:
        Duchi, Shalev-Shwartz, Singer and Chandra, Efficient projections onto the l1-ball, ICML 2008; with bounds,
        Pardalos and Kovoor, Mathematical Programming 46 (1990).

    >>> project(np.array([2.0, 0.0]), np.zeros(2), np.ones(2)).tolist()
    [1.0, 0.0]
    """
    turns = np.sort(np.concatenate((weights - low, weights - high)))
    sums = np.clip(weights - turns[:, None], low, high).sum(axis=1)
    if float(sums[0]) <= 1.0:  # all at their greatest weight, up to rounding
        return np.asarray(np.clip(weights - turns[0], low, high))
    right = min(int(np.searchsorted(-sums, -1.0)), len(turns) - 1)
    left = max(right - 1, 0)
    fall = float(sums[left] - sums[right])
    along = float(sums[left] - 1.0) / fall if fall > 0 else 0.0
    shift = turns[left] + along * (turns[right] - turns[left])
    return np.asarray(np.clip(weights - shift, low, high))


def _minimum(matrix: FloatArray, start: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return the weights with the least w'Mw."""
    from scipy.optimize import minimize

    n_members = len(start)
    ones = np.ones(n_members)
    found = minimize(
        lambda weights: float(weights @ matrix @ weights),
        start,
        jac=lambda weights: 2.0 * (matrix @ weights),
        method="SLSQP",
        bounds=list(zip(low.tolist(), high.tolist(), strict=True)),
        constraints=({"type": "eq", "fun": lambda weights: weights.sum() - 1.0, "jac": lambda _: ones},),
        options={"maxiter": MOST_STEPS, "ftol": PRECISION},
    )
    weights = np.asarray(found.x, dtype=np.float64)
    weights = np.where(weights - low < NEGLIGIBLE, low, weights)
    weights = project(np.where(high - weights < NEGLIGIBLE, high, weights), low, high)
    # Never worse than the start or than one member alone, whatever the solver answered.
    answers = [weights, start]
    answers += [corner for corner in np.eye(n_members) if (low <= corner).all() and (corner <= high).all()]
    values = [float(answer @ matrix @ answer) if np.isfinite(answer).all() else np.inf for answer in answers]
    best = int(np.argmin(values))
    return answers[best] if values[best] < values[0] - PRECISION or not np.isfinite(values[0]) else answers[0]
