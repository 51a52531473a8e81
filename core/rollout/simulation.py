"""Many simulated rollouts at once: how often the verdicts on rates are wrong, and how long they take.

The same formulas as `eprocess`, over arrays; the tests hold one against the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.rollout.eprocess import HARM_RATIOS, SAFE_RATIOS, SAFE_WEIGHTS

_REQUESTS_AT_ONCE = 1_500_000
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The traffic of the simulated rollouts."""

    base_rate: float  # failures per request of the stable version
    ratio: float = 1.0  # of the failure rates, candidate to stable
    n_requests: int = 30_000
    steps: tuple[tuple[int, float], ...] = ((0, 0.05), (2_000, 0.20), (6_000, 0.50))  # from request n on, this share
    diurnal: float = 0.0  # swing of the base rate over the day, as a share of it
    n_days: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """When each rollout was first shown harmful or safe, in requests; `NEVER` if it was not."""

    harmful_at: IntArray
    safe_at: IntArray
    candidate_requests: IntArray  # until the first of the two, or the end

    @property
    def rolled_back(self) -> BoolArray:
        """Which rollouts are rolled back: shown harmful before they were shown safe."""
        return self.harmful_at < self.safe_at

    @property
    def promoted(self) -> BoolArray:
        """Which rollouts are promoted."""
        return self.safe_at < self.harmful_at


def simulate(traffic: Traffic, *, n_rollouts: int, alpha: float, beta: float, margin: float, seed: int) -> Verdicts:
    """Watch simulated rollouts at every single request.

    Args:
        traffic: Their traffic.
        n_rollouts: The number of rollouts.
        alpha: Roll back when the evidence of harm reaches 1/alpha.
        beta: Call safe when the evidence of safety reaches 1/beta.
        margin: The ratio of rates that a safe candidate stays below.
        seed: The random seed.
    Returns:
        The verdicts, shape (n_rollouts,) each.
    """
    random = np.random.default_rng(seed)
    n_at_once = max(1, _REQUESTS_AT_ONCE // traffic.n_requests)
    parts = [
        _simulate_some(traffic, min(n_at_once, n_rollouts - start), alpha, beta, margin, random)
        for start in range(0, n_rollouts, n_at_once)
    ]
    harmful, safe, requests = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Verdicts(harmful_at=harmful, safe_at=safe, candidate_requests=requests)


def log_evidence(
    rollout: IntArray, share: FloatArray, is_candidate: BoolArray, margin: float
) -> tuple[FloatArray, FloatArray]:
    """Return the logs of the evidence of harm and of safety after every failure.

    Args:
        rollout: Which rollout each failure belongs to, ascending, shape (n_failures,).
        share: The candidate's share of the traffic at that moment.
        is_candidate: Whether the failure was the candidate's.
        margin: As in `eprocess.log_safety`.
    """
    begins = np.searchsorted(rollout, rollout)  # the first failure of the same rollout

    def grown(ratios: Sequence[float]) -> FloatArray:
        theta = np.asarray(ratios)[:, None]
        steps = np.where(is_candidate, np.log(theta), 0.0) - np.log1p(share * (theta - 1))
        sums = np.cumsum(steps, axis=1)
        before = np.concatenate([np.zeros((len(theta), 1)), sums], axis=1)
        return np.asarray(sums - before[:, begins])

    harm = np.logaddexp.reduce(grown(HARM_RATIOS), axis=0) - np.log(len(HARM_RATIOS))
    safety = np.logaddexp.reduce(grown(SAFE_RATIOS) + np.log(SAFE_WEIGHTS)[:, None], axis=0) - grown([margin])[0]
    return harm, safety


def _simulate_some(
    traffic: Traffic, n: int, alpha: float, beta: float, margin: float, random: np.random.Generator
) -> tuple[IntArray, IntArray, IntArray]:
    request = np.arange(traffic.n_requests)
    starts, shares = zip(*traffic.steps, strict=True)
    share = np.asarray(shares)[np.searchsorted(starts, request, side="right") - 1]
    day = np.sin(2 * np.pi * traffic.n_days * request / traffic.n_requests)
    rate = traffic.base_rate * (1 + traffic.diurnal * day)
    is_candidate = random.random((n, traffic.n_requests), dtype=np.float32) < share
    failed = random.random((n, traffic.n_requests)) < np.where(is_candidate, np.minimum(rate * traffic.ratio, 1), rate)
    rollout, at = np.nonzero(failed)
    harm, safety = log_evidence(rollout, share[at], is_candidate[rollout, at], margin)
    harmful_at = _first(rollout, at, harm >= np.log(1 / alpha), n)
    safe_at = _first(rollout, at, safety >= np.log(1 / beta), n)
    until = np.minimum(np.minimum(harmful_at, safe_at), traffic.n_requests - 1)
    candidate_requests: IntArray = np.cumsum(is_candidate, axis=1, dtype=np.int64)[np.arange(n), until]
    return harmful_at, safe_at, candidate_requests


def _first(rollout: IntArray, at: IntArray, holds: BoolArray, n: int) -> IntArray:
    first = np.full(n, NEVER)
    np.minimum.at(first, rollout[holds], at[holds])
    return first
