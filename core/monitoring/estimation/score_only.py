"""The estimate for events from a profile alone: weaker, since it knows held-out answers and outcomes by tenths only."""

import numpy as np

from core.arrays import AnyArray, BoolArray, FloatArray
from core.errors import UsageError
from core.monitoring.data_profile import DataProfile
from core.monitoring.estimation.estimate import (
    EVENT_ORDER,
    LEAST_LIVE,
    EstimatedPerformance,
    described,
    figure_of,
)
from core.monitoring.estimation.expected_scores import expected_scores
from core.monitoring.estimation.penalised_fits import chances, fit_chances, log_odds
from core.monitoring.estimation.resampling import N_REPLICATES, drawn_counts, intervals
from core.seeds import derive_seed

METHOD = "calibrated probabilities, by the tenths of the profile; no density ratios"
WEAKER = (
    "This estimate knows the answers alone. Where the columns moved in another way than the answers show, it is wrong "
    "and its interval does not hold; held-out rows in the artifact (held_out.rows) make it stronger."
)
PENALTY = np.array([0.01, 1.0])
MOST_LIVE = 5_000


def estimate_by_scores(
    profile: DataProfile,
    answer: AnyArray,
    decided: BoolArray | None,
    *,
    weight: FloatArray | None = None,
    seed: int = 0,
    n_replicates: int = N_REPLICATES,
    instead_of: UsageError | None = None,
) -> EstimatedPerformance:
    """Estimate the scores of probabilities from the calibration in a profile.

    Args:
        profile: Of the version.
        answer: The probabilities, shape (n,).
        decided: The rows that the model declares events; None if it does not decide.
        weight: How many rows have each answer, as a sketch of the answers counts them; by default one.
        seed: Of the bootstrap.
        n_replicates: Of the bootstrap.
        instead_of: Why the better estimate is not possible; raised if this one is not possible, either.
    Raises:
        UsageError: The profile has no calibration, or there are too few rows.
    Source:
        Platt, "Probabilistic Outputs for Support Vector Machines", 1999, fitted to the tenths of the held-out answers.
    """
    tenths = profile.calibration
    if len(tenths) < 2 or answer.ndim != 1:
        raise instead_of or UsageError("The profile has no calibration of probabilities of two classes.")
    counts = np.ones(len(answer)) if weight is None else weight
    if counts.sum() < LEAST_LIVE:
        raise UsageError(f"There are {counts.sum():.0f} rows; an estimate needs {LEAST_LIVE} at least.")
    rng = np.random.default_rng(derive_seed(seed, "estimate by scores"))
    if weight is None and len(answer) > MOST_LIVE:
        at = np.sort(rng.permutation(len(answer))[:MOST_LIVE])
        answer, counts = answer[at], counts[at]
        decided = None if decided is None else decided[at]
    rows = np.array([tenth.rows for tenth in tenths], dtype=np.float64)
    predicted = np.array([tenth.predicted for tenth in tenths])
    observed = np.array([tenth.observed for tenth in tenths])
    held, live = _columns(predicted), _columns(answer)
    correction = fit_chances(held, observed, rows, penalty=PENALTY, offset=log_odds(predicted))
    chance = _chance(live, correction)
    now = expected_scores(answer, chance, decided, counts)
    declared = None if decided is None else predicted >= 0.5
    then = expected_scores(predicted, observed, declared, rows)
    n = int(counts.sum())
    replicates = []
    for _ in range(n_replicates):
        happened = rng.binomial(rows.astype(np.int64), observed) / rows
        found = fit_chances(held, happened, rows, penalty=PENALTY, offset=log_odds(predicted), start=correction)
        drawn = _drawn(rng, counts, n)
        there = drawn > 0
        share = rng.binomial(drawn[there].astype(np.int64), _chance(live[there], found)) / drawn[there]
        replicate = expected_scores(answer[there], share, None if decided is None else decided[there], drawn[there])
        replicates.append((replicate, expected_scores(predicted, happened, declared, rows)))
    figures = intervals(now, then, replicates)
    return described(
        tuple(figure_of(name, figures[name]) for name in EVENT_ORDER if name in figures),
        method=METHOD,
        n_rows=n,
        n_held_out=int(rows.sum()),
        effective_share=None,
        notes=(WEAKER,),
    )


def _columns(answer: FloatArray) -> FloatArray:
    odds = log_odds(answer)
    return np.column_stack([np.ones(len(odds)), odds])


def _chance(columns: FloatArray, correction: FloatArray) -> FloatArray:
    return chances(columns[:, 1] + columns @ correction)


def _drawn(rng: np.random.Generator, counts: FloatArray, n: int) -> FloatArray:
    if len(counts) == n:
        return drawn_counts(rng, n)
    return rng.multinomial(n, counts / counts.sum()).astype(np.float64)
