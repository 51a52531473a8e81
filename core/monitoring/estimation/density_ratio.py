"""How much likelier each held-out row is among the live rows: its weight when it stands for them."""

from dataclasses import dataclass, replace

import numpy as np

from core.arrays import FloatArray
from core.monitoring.estimation.penalised_fits import LARGEST, fit_chances

LEAST_PENALTY = 10.0
MOST_PENALTY = 1e6
RELEVANCE_ENDS = (0.1, 100.0)
STRICTER = 3.0
LEAST_SHARE = 0.5
"""Of the held-out rows that must count after the weighting; else the ratio is flattened. Simulated on new macro paths,
where nothing overlaps in some columns: an unflattened ratio doubles the error (`benchmarks/bench_estimation.py`)."""
TINY = 1e-12
HIGHEST = 0.99  # quantile beyond which a weight counts as one at the quantile
NEARLY_ALL = 0.97  # of the held-out rows: live rows with larger odds lie beyond them; columns are clipped at either 1 %
TOLERATED = 0.05  # share of the live rows beyond, which luck alone puts there
REFIT_STEPS = 2  # from the coefficients of all rows, in each replicate of a bootstrap


@dataclass(frozen=True, slots=True)
class DensityRatio:
    """The weights of held-out rows.

    Attributes:
        weight: Of each row, with a mean of 1, shape (n,).
        coefficients: Of the fit.
        penalty: Of the fit.
        is_flattened: The penalty was raised, since too few held-out rows would have counted.
        share_beyond: The share of the live rows that are unlike nearly all held-out rows, before flattening.
    """

    weight: FloatArray
    coefficients: FloatArray
    penalty: FloatArray
    is_flattened: bool = False
    share_beyond: float = 0.0

    @property
    def effective_share(self) -> float:
        """The share of the held-out rows that count; 1 where the live rows look like them.

        Source:
            Kish, Survey Sampling, 1965, section 11.7.
        """
        total = float(self.weight.sum())
        return total * total / float(len(self.weight) * np.square(self.weight).sum())


def column_penalties(coefficients: FloatArray) -> FloatArray:
    """Return the penalty of each column in the ratio: small where it bears on the errors, large where it does not.

    A column that has moved but says nothing of the errors, such as a rate that all rows of a year share, would take
    the weights away from columns that matter.

    Args:
        coefficients: Of columns of one size in a ridge fit of the errors, shape (k,).
    Source:
        Shortreed and Ertefaie, "Outcome-Adaptive Lasso", Biometrics 73(4), 2017, with a ridge.

    >>> column_penalties(np.array([1.0, 1.0])).tolist()
    [10.0, 10.0]
    """
    typical = float(np.mean(np.square(coefficients)))
    scale = np.clip(typical / np.maximum(np.square(coefficients), TINY), *RELEVANCE_ENDS)
    return np.asarray(LEAST_PENALTY * scale)


def density_ratio(reference: FloatArray, live: FloatArray, penalty: FloatArray) -> DensityRatio:
    """Fit the ratio of the densities of live and held-out rows.

    Args:
        reference: The columns of held-out rows, shape (n, k).
        live: The columns of live rows, shape (m, k).
        penalty: Of each column, shape (k,).
    Returns:
        The ratio, flattened until half of the held-out rows count.
    Source:
        Bickel, Brückner and Scheffer, "Discriminative Learning Under Covariate Shift", JMLR 10, 2009: the odds of a
        classifier that tells live from held-out rows.
    """
    once, once_live = np.ones(len(reference)), np.ones(len(live))
    found = refit(reference, live, once, once_live, penalty=penalty)
    slopes = found.coefficients[1:]
    share_beyond = float(np.mean(live @ slopes > np.quantile(reference @ slopes, NEARLY_ALL)))
    while found.effective_share < LEAST_SHARE and float(found.penalty.min(initial=MOST_PENALTY)) < MOST_PENALTY:
        stricter = STRICTER * found.penalty
        found = refit(reference, live, once, once_live, penalty=stricter, start=found.coefficients, n_steps=10)
        found = replace(found, is_flattened=True)
    return replace(found, share_beyond=share_beyond)


def widening(share_beyond: float) -> float:
    """Return by which factor the intervals of an estimate are widened where live rows lie beyond the held-out rows.

    No held-out row says how an error grows there, so the bootstrap knows nothing of it. The factor is that at which
    nine of ten intervals held in simulations of shifts by 0.5 to 4 standard deviations, of events and of numbers whose
    spread grows exponentially with the shifted column (docs/monitoring.md, "Performance without labels").

    >>> [round(widening(share), 1) for share in (0.03, 0.2, 0.35, 1.0)]
    [1.0, 1.7, 2.7, 12.0]
    """
    more = max(share_beyond - TOLERATED, 0.0)
    return 1.0 + 3.0 * more + 9.0 * more * more


def refit(
    reference: FloatArray,
    live: FloatArray,
    n_reference: FloatArray,
    n_live: FloatArray,
    *,
    penalty: FloatArray,
    start: FloatArray | None = None,
    n_steps: int = 15,
) -> DensityRatio:
    """Fit the ratio where each row counts as often as given: once, or as often as a bootstrap has drawn it."""
    columns = np.vstack([reference, live])
    columns = np.column_stack([np.ones(len(columns)), columns])
    is_live = np.concatenate([np.zeros(len(reference)), np.ones(len(live))])
    size = min(len(reference), len(live))  # both sides weigh the same, so the odds are the ratio
    weight = np.concatenate([n_reference / n_reference.sum(), n_live / n_live.sum()]) * size
    penalties = np.concatenate([[0.0], penalty])
    found = fit_chances(columns, is_live, weight, penalty=penalties, start=start, n_steps=n_steps)
    odds = np.exp(np.clip(columns[: len(reference)] @ found, -LARGEST, LARGEST))
    odds = np.minimum(odds, np.quantile(odds, HIGHEST))
    return DensityRatio(odds / odds.mean(), found, penalty)
