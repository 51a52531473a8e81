"""Many simulated rollouts whose callers differ: how often the verdicts on losses are wrong, and how long they take.

The same formulas as `by_caller`, written a second time over all looks at once; the tests hold one against the other.
"""

import math
from dataclasses import dataclass

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.rollout.caller_sums import CellLayout

NEVER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """The callers of simulated rollouts, and their losses with the stable version."""

    n: int  # 0: every request is a caller of its own
    shares: tuple[float, ...] = (0.05, 0.1, 0.2)
    n_outcomes: int = 6_000  # spread evenly over the steps
    volume: str = "equal"  # or "lognormal", "zipf", "heavy": one caller with 30 % of the traffic
    loss: str = "binary"  # or "exponential", "lognormal" with a sigma of 1.5
    rate: float = 0.2  # mean of binary losses
    spread: float = 0.05  # of callers: intraclass correlation of binary losses, variance of the log mean of others
    ratio: float = 1.0  # of the candidate's losses to those of the stable version
    burst: int = 1  # outcomes of one caller that come together
    drift: float = 0.0  # swing of the losses over the rollout, as a share of them
    reported: tuple[float, float] = (1.0, 1.0)  # the share of outcomes that arrive, of stable and candidate
    hidden: float = 0.0  # the share of the candidate's outcomes of 1 that never arrive
    leaving: float = 0.0  # the share of callers who stop half way
    late: float = 0.0  # how much later large losses arrive, as a share of the rollout
    late_from: float | None = None  # the quantile above which they do, all others at once; None: the larger, the later
    settle: float = 0.0  # the age from which answers count as settled, as a share of the rollout
    n_looks: int = 60


@dataclass(frozen=True, slots=True)
class Watched:
    """The sums of one rollout at every look, shape (looks, cells, steps)."""

    layout: CellLayout
    n_answers: FloatArray
    n: FloatArray
    totals: FloatArray
    at: IntArray  # outcomes until each look
    settled: "Watched | None" = None  # the same of settled answers alone; None: of all


def watch(callers: Callers, random: np.random.Generator) -> Watched:
    """Simulate one rollout."""
    layout, n_steps = CellLayout(callers.shares), len(callers.shares)
    who, place = _requests(callers, random)
    n = len(who)
    time = np.arange(n) / n
    step = np.minimum((time * n_steps).astype(int), n_steps - 1)
    is_candidate = place < np.asarray(callers.shares)[step]
    loss = _losses(callers, who, is_candidate, time, random)
    arrives = random.random(n) < np.where(is_candidate, *callers.reported[::-1])
    arrives &= ~((random.random(n) < callers.hidden) & is_candidate & (loss >= 1))
    answered = np.ones(n, dtype=np.bool_)
    if callers.leaving:
        answered = (time < 0.5) | (random.random(who.max() + 1)[who] >= callers.leaving)
    arrives &= answered
    cuts = np.unique(np.geomspace(20, n, callers.n_looks).astype(int))
    look = np.searchsorted(cuts, time * n, side="right").clip(max=len(cuts) - 1)
    look_of_outcome = np.searchsorted(cuts, (time + _delays(callers, loss, is_candidate, random)) * n, side="right")
    shape = (len(cuts), layout.n, n_steps)

    def added(which: BoolArray, looks: IntArray, weights: FloatArray | None = None) -> FloatArray:
        which = which & (looks < len(cuts))
        where = (looks[which] * layout.n + cell[which]) * n_steps + step[which]
        sums = np.bincount(where, None if weights is None else weights[which], math.prod(shape))
        return np.asarray(np.cumsum(sums.reshape(shape), axis=0), dtype=np.float64)

    def watched(look_of_answer: IntArray, look_of_outcome: IntArray, settled: Watched | None) -> Watched:
        counted = added(arrives, look_of_outcome)
        totals = added(arrives, look_of_outcome, loss)
        return Watched(layout, added(answered, look_of_answer), counted, totals, counted.sum(axis=(1, 2)), settled)

    cell, settled = layout.cells(place), None
    if callers.settle:
        since = np.searchsorted(cuts, (time + callers.settle) * n, side="right")
        settled = watched(since, np.maximum(since, look_of_outcome), None)
    return watched(look, look_of_outcome, settled)


def log_evidence(
    layout: CellLayout, counts: FloatArray, totals: FloatArray, *, ratio: float = 1.0, higher: bool
) -> FloatArray:
    """Return the evidence that the candidate's values, divided by a ratio, are higher or lower, at every look."""
    used = counts[-1].sum(axis=1) > 0
    counts, totals, arm = counts[:, used], totals[:, used], layout.of_candidate[used]
    totals = np.where(arm, totals / ratio, totals)
    residuals = totals - totals.sum(axis=1, keepdims=True) / np.maximum(counts.sum(axis=1, keepdims=True), 1) * counts
    n_steps = counts.shape[2]
    adds = np.stack([residuals[:, :, part:].sum(axis=2) for part in range(n_steps)], axis=2)
    adds = np.concatenate([adds, np.zeros((*adds.shape[:2], 1))], axis=2)
    mean = adds @ layout.widths
    possible = (adds - mean[..., None]) * (1 if higher else -1)
    seen = ((residuals * arm).sum(axis=2) - mean) * (1 if higher else -1)
    scale = np.maximum(np.abs(possible).max(axis=(1, 2)), 1e-300)
    possible, seen = possible / scale[:, None, None], seen / scale[:, None]
    total = np.maximum(seen.sum(axis=1), 0)
    of_draw, of_cells = (possible**2 @ layout.widths).sum(axis=1), (seen**2).sum(axis=1)
    variance = np.maximum(np.maximum(of_draw, of_cells), 1e-300)
    kappa = _information(counts, arm)
    part, z = kappa / (1 + kappa), total / np.sqrt(variance)
    tail = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in z * np.sqrt(part)])
    mixture = np.log(2 * np.maximum(tail, 1e-300)) + part * z**2 / 2 - 0.5 * np.log1p(kappa)
    evidence = np.minimum(mixture, _chernoff(possible, layout.widths, total, total / variance))
    return np.asarray(np.where(total > 0, evidence, 0.0))


def first_at(evidence: FloatArray, error_rate: float) -> int:
    """Return the first look at which evidence suffices; `NEVER` if it never does."""
    reached = evidence >= -math.log(error_rate)
    return int(np.argmax(reached)) if reached.any() else NEVER


def effective_callers(layout: CellLayout, counts: FloatArray) -> FloatArray:
    """Return the effective callers of the arm that has fewer, at every look."""
    arms = [(counts * arm).sum(axis=2) for arm in (layout.of_candidate, ~layout.of_candidate)]
    return np.asarray(np.minimum(*(_kish(arm) for arm in arms)))


def _requests(callers: Callers, random: np.random.Generator) -> tuple[IntArray, FloatArray]:
    if callers.n == 0:
        return np.arange(callers.n_outcomes), random.random(callers.n_outcomes)
    weights = {
        "equal": np.ones(callers.n),
        "lognormal": random.lognormal(0, 1, callers.n),
        "zipf": 1 / np.arange(1, callers.n + 1),
        "heavy": np.r_[0.3, np.full(callers.n - 1, 0.7 / max(callers.n - 1, 1))],
    }[callers.volume]
    who = random.choice(callers.n, callers.n_outcomes // callers.burst, p=weights / weights.sum())
    who = np.repeat(who, callers.burst)
    return who, random.random(callers.n)[who]


def _losses(
    callers: Callers, who: IntArray, is_candidate: BoolArray, time: FloatArray, random: np.random.Generator
) -> FloatArray:
    n, n_callers = len(who), int(who.max()) + 1
    factor = np.where(is_candidate, callers.ratio, 1.0) * (1 + callers.drift * np.sin(2 * np.pi * time))
    if callers.loss == "binary":
        known = np.full(n_callers, callers.rate)
        if callers.spread and callers.n:
            strength = 1 / callers.spread - 1
            known = random.beta(callers.rate * strength, (1 - callers.rate) * strength, n_callers)
        return np.asarray(random.random(n) < np.minimum(known[who] * factor, 1.0), dtype=np.float64)
    means = np.exp(random.normal(0, math.sqrt(callers.spread), n_callers)) if callers.n else np.ones(n_callers)
    values = random.exponential(1.0, n) if callers.loss == "exponential" else random.lognormal(0, 1.5, n)
    return np.asarray(values * means[who] * factor)


def _delays(callers: Callers, loss: FloatArray, is_candidate: BoolArray, random: np.random.Generator) -> FloatArray:
    """Return how long each outcome takes, as a share of the rollout; `late` at most."""
    if callers.late_from is not None:
        return np.where(loss > np.quantile(loss[~is_candidate], callers.late_from), callers.late, 0.0)
    return np.asarray(callers.late * random.random(len(loss)) * np.minimum(loss / max(loss.mean(), 1e-12), 3) / 3)


def _information(counts: FloatArray, arm: BoolArray) -> FloatArray:
    candidate, stable = (counts * arm).sum(axis=1), (counts * ~arm).sum(axis=1)
    values = (candidate * stable / np.maximum(candidate + stable, 1)).sum(axis=1)
    of_candidate, of_stable = (_kish((counts * which).sum(axis=2)) for which in (arm, ~arm))
    callers = of_candidate * of_stable / np.maximum(of_candidate + of_stable, 1)
    return np.asarray(0.1 * np.sqrt(values * callers))


def _kish(counts: FloatArray) -> FloatArray:
    return np.asarray(counts.sum(axis=1) ** 2 / np.maximum((counts**2).sum(axis=1), 1e-300))


def _chernoff(possible: FloatArray, widths: FloatArray, total: FloatArray, tilt: FloatArray) -> FloatArray:
    """Maximise λT − log E exp(λT) by a grid around the normal solution: slower than Newton's way, and independent."""
    best = np.zeros_like(total)
    for factor in np.geomspace(0.15, 5, 12):
        at = tilt * factor
        with np.errstate(over="ignore"):
            moments = np.log((np.exp(np.minimum(at[:, None, None] * possible, 600)) * widths).sum(axis=2)).sum(axis=1)
        best = np.maximum(best, at * total - moments)
    return best
