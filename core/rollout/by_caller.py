"""Is the candidate worse, or surely not much worse, judged by caller? Evidence that stays valid at every look.

Routing sticks to the caller, so callers are randomised and not answers: one caller's answers are alike, and counting
each would make a few callers look like much evidence. If the versions are equal, every caller would have had the same
losses with the other version, and the sum over the candidate's callers is the sum over a random draw of them. Two
tests of that sum must both agree:

- Chernoff's bound from the exact distribution of the draw. It is right for few callers, heavy tails, and one caller
  who makes most of the traffic, at a single look.
- The one-sided normal mixture of the sum, with the variance by caller. It is right at all looks together, once there
  are many callers.

Each step of a rollout is compared within itself, so a rate that moves while the share does is no difference between
versions. A margin is judged by the same test after the candidate's values are divided by it, or reduced by it.

These tests ask whether the two distributions are equal. That a verdict is about means, although an arm can have missed
rare large losses, is what `rare_losses` adds.

Source:
    Fisher, The Design of Experiments, 1935, on randomisation; Ham et al., arXiv 2210.08639, and Waudby-Smith et al.,
    arXiv 2103.06476, on sequences that are design-based and asymptotically valid at every look; Robbins, Annals of
    Mathematical Statistics 41(5), 1970, on one-sided mixtures. That both together keep their promise is simulated in
    `simulated_callers`.
"""

import math
from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray
from core.rollout.caller_sums import CallerSums

LEAST_CALLERS = 5
"""The effective callers an arm needs before anything is called safe or a winner."""
MOSTLY = 0.8
"""Of the answers: if so many callers were seen, nearly every answer is of a caller of its own."""
CERTAIN = 700.0
"""The most a logarithm of evidence says: its exponential is still a number."""

_TINY = 1e-12
_ALL = 0.9  # of the values: then each is of a caller of its own, by three standard errors of the count
_SCALE = 0.1  # of the alternatives the mixture looks for; chosen for power by simulation, sound whatever it is
_N_NEWTON = 8
_HEAVY_SHARE, _HEAVY_TIMES = 0.01, 4.0  # of all values, and of the mean of its arm: callers alike are seldom so uneven


@dataclass(frozen=True, slots=True)
class Contrast:
    """The candidate's sum against all that the draw of callers could have made it.

    Centred: row g of `possible` holds what cell g adds to the sum in each part of the line, less its mean.
    """

    possible: FloatArray  # (cells, parts)
    probabilities: FloatArray  # (parts,)
    seen: FloatArray  # (cells,): what each cell did add
    information: float  # grows with the data, alike for both directions

    @property
    def total(self) -> float:
        """The candidate's sum, less its mean if the versions are equal."""
        return float(self.seen.sum())

    @property
    def variance(self) -> float:
        """The larger of the variance of the draw and the variance that the cells show.

        The second one holds a candidate of equal mean whose values vary more for no harm.
        """
        return float(max(((self.possible**2) @ self.probabilities).sum(), (self.seen**2).sum()))


def contrast(sums: CallerSums, *, ratio: float = 1.0, shift: float = 0.0) -> Contrast:
    """Compare the candidate with the stable version.

    Args:
        sums: The sums by cell.
        ratio: The candidate's values are divided by it first.
        shift: And reduced by this.
    """
    return _of_pairs(sums, ratio, shift) if sums.is_paired else _of_arms(sums, ratio, shift)


def contrast_of_counts(sums: CallerSums) -> Contrast:
    """Compare the number of values itself with the share of the line that each arm has."""
    layout = sums.layout
    counts = sums.by_cell(sums.n)
    widths = np.where(counts.sum(axis=0) > 0, layout.cell_widths[:, None], 0.0)
    return _of_residuals(sums, counts - widths * counts.sum(axis=0), counts, np.ones(layout.n, dtype=np.bool_))


def log_evidence(of: Contrast, *, higher: bool, needed: float = 0.0) -> float:
    """Return the evidence that the candidate is higher, or lower, than equal; at most 0 if it leans the other way.

    Args:
        of: The contrast.
        higher: Whether harm is tested.
        needed: The evidence that matters: below it, the answer may be too high, but stays below it.

    >>> from core.rollout.caller_sums import CellLayout
    >>> sums, cells = CallerSums(CellLayout((0.5,))), np.arange(1024)
    >>> sums.add(cells, 0 * cells, 1.0 + 0.1 * (cells < 512) + 0.1 * (cells % 2))
    >>> log_evidence(contrast(sums), higher=True) > math.log(100) > log_evidence(contrast(sums), higher=False)
    True
    """
    sign = 1.0 if higher else -1.0
    if sign * of.total <= 0:
        return 0.0
    variance = of.variance
    if variance <= 0:
        return 0.0
    z = sign * of.total / math.sqrt(variance)
    mixture = log_mixture(z, of.information)
    return mixture if mixture < needed else min(mixture, _log_chernoff(of, sign, variance), CERTAIN)


def log_mixture(z: float, information: float) -> float:
    """Return log Λ of the one-sided normal mixture: log 2Φ(z√w) + w z²/2 − ½ log(1 + κ), where w = κ/(1 + κ).

    Args:
        z: The sum in standard errors, in the direction that is tested.
        information: κ, the variance of the mixture in units of that of the sum.

    >>> round(log_mixture(4.0, 20.0), 3)
    6.79
    """
    part = information / (1 + information)
    tail = 0.5 * math.erfc(-z * math.sqrt(part / 2))
    return math.log(2 * max(tail, 1e-300)) + part * z * z / 2 - 0.5 * math.log1p(information)


def effective_callers(sums: CallerSums) -> tuple[float, float]:
    """Return how many equally active callers the stable version's, and the candidate's, are worth.

    Counted by cell, so that beyond the number of cells there seem to be fewer.

    Source:
        Kish, Survey Sampling, 1965, the effective sample size of unequal weights.
    """
    counts = sums.by_cell(sums.n)
    if sums.is_paired:
        both = _kish(counts.sum(axis=1))
        return both, both
    of_candidate = sums.layout.of_candidate
    return _kish((counts * ~of_candidate).sum(axis=1)), _kish((counts * of_candidate).sum(axis=1))


def design_effect(sums: CallerSums) -> float:
    """Return how many failures of the candidate are worth one, because callers who fail do so repeatedly; at least 1.

    Source:
        Kish, Survey Sampling, 1965: the variance by cluster, in units of that of independent answers.
    """
    counts, failures = sums.by_cell(sums.n), sums.by_cell(sums.total)
    arm = np.ones_like(counts, dtype=np.bool_) if sums.is_paired else sums.layout.of_candidate
    n, failed = (counts * arm).sum(axis=1), (failures * arm).sum(axis=1)
    n_cells, share = int((n > 0).sum()), float(failed.sum()) / max(float(n.sum()), 1.0)
    if n_cells < 2 or not 0 < share < 1:
        return 1.0
    by_cell = float(((failed - share * n) ** 2).sum()) * n_cells / (n_cells - 1)
    return max(1.0, by_cell / (float(n.sum()) * share * (1 - share)))


def ratio_of(sums: CallerSums) -> float | None:
    """Return the ratio of means, candidate to stable, each step compared within itself; None without a finite ratio.

    Source:
        Mantel and Haenszel, Journal of the National Cancer Institute 22(4), 1959.
    """
    n_stable, stable, n_candidate, candidate = _by_step(sums)
    n = np.maximum(n_stable + n_candidate, 1)
    above, below = float((candidate * n_stable / n).sum()), float((stable * n_candidate / n).sum())
    return above / below if below > 0 and above >= 0 else None


def difference_of(sums: CallerSums) -> float | None:
    """Return the difference of means, candidate less stable, each step compared within itself."""
    n_stable, stable, n_candidate, candidate = _by_step(sums)
    n = np.maximum(n_stable + n_candidate, 1)
    weight = float((n_stable * n_candidate / n).sum())
    return float(((candidate * n_stable - stable * n_candidate) / n).sum()) / weight if weight > 0 else None


def pooled_weight(sums: CallerSums) -> float:
    """Return the number of values that a difference of means rests on: the sum of n·m / (n + m) over the steps."""
    n_stable, _, n_candidate, _ = _by_step(sums)
    return float((n_stable * n_candidate / np.maximum(n_stable + n_candidate, 1)).sum())


def candidate_units(sums: CallerSums) -> float:
    """Return how many different callers gave the candidate's values; a request without a caller is one.

    Sums without a count of them say at least how many from the cells that they are in.

    Source:
        Whang, Vander-Zanden and Taylor, ACM Transactions on Database Systems 15(2), 1990, linear counting.
    """
    counts = sums.by_cell(sums.n)
    arm = np.ones_like(counts, dtype=np.bool_) if sums.is_paired else sums.layout.of_candidate
    n, n_cells = (counts * arm).sum(axis=1), int(arm.any(axis=1).sum())
    occupied = min(int((n > 0).sum()), n_cells - 1)
    by_cells = -n_cells * math.log(1 - occupied / n_cells) if n_cells > 1 else 1.0
    n_values, counted = float(n.sum()), max(by_cells, sums.units[1].n)
    return n_values if counted > _ALL * n_values else counted


def callers_met(sums: CallerSums, *, of_candidate: bool) -> float:
    """Return how many equally active callers an arm's values come from; a request without a caller is one.

    Source:
        Kish, Survey Sampling, 1965, the effective sample size of unequal weights, here by cell: callers beyond the
        number of cells are taken to be as active as the cells are.
    """
    counts = sums.by_cell(sums.n)
    arm = sums.layout.of_candidate if of_candidate else ~sums.layout.of_candidate
    by_cell = (counts * arm).sum(axis=1)
    n_occupied = int((by_cell > 0).sum())
    if not n_occupied:
        return 0.0
    n, units = float(by_cell.sum()), sums.units[int(of_candidate)].n
    return min(n if units > _ALL * n else units, n) * _kish(by_cell) / n_occupied


def heavy_callers_unmet(sums: CallerSums) -> float:
    """Return the share of all values that is of callers much more active than others, and that the candidate never met.

    A draw of callers tells of callers as active as those that were drawn. Of one with a tenth of all values, who has
    the stable version alone, it tells nothing, and a tenth of the values can be worse.
    """
    counts = sums.by_cell(sums.n)
    by_cell = (counts * ~sums.layout.of_candidate).sum(axis=1) / max(float(counts.sum()), 1.0)
    n_occupied = int((by_cell > 0).sum())
    if sums.is_paired or not n_occupied:
        return 0.0
    is_heavy = by_cell > max(_HEAVY_SHARE, _HEAVY_TIMES * float(by_cell.sum()) / n_occupied)
    return float(by_cell[is_heavy].sum())


def failing_cells(sums: CallerSums) -> int:
    """Return in how many cells the candidate failed at all."""
    failures = sums.by_cell(sums.total)
    arm = np.ones_like(failures, dtype=np.bool_) if sums.is_paired else sums.layout.of_candidate
    return int(((failures * arm).sum(axis=1) > 0).sum())


def _of_arms(sums: CallerSums, ratio: float, shift: float) -> Contrast:
    counts, totals = sums.by_cell(sums.n), sums.by_cell(sums.total)
    used = counts.sum(axis=1) > 0
    counts, totals, of_candidate = counts[used], totals[used], sums.layout.of_candidate[used]
    totals = np.where(of_candidate, totals / ratio - shift * counts, totals)
    means = totals.sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
    return _of_residuals(sums, totals - means * counts, counts, used)


def _of_residuals(sums: CallerSums, residuals: FloatArray, counts: FloatArray, used: FloatArray) -> Contrast:
    """Make the contrast of arms: a cell in part j of the line is the candidate's from step j on."""
    layout = sums.layout
    of_candidate = layout.of_candidate[used]
    later = np.cumsum(residuals[:, ::-1], axis=1)[:, ::-1]
    possible = np.concatenate([later, np.zeros((len(later), 1))], axis=1)
    means = possible @ layout.widths
    stable, candidate = (counts * ~of_candidate).sum(axis=0), (counts * of_candidate).sum(axis=0)
    n = float((stable * candidate / np.maximum(stable + candidate, 1)).sum())
    callers = [_kish((counts * arm).sum(axis=1)) for arm in (~of_candidate, of_candidate)]
    return Contrast(
        possible - means[:, None],
        layout.widths,
        (residuals * of_candidate).sum(axis=1) - means,
        information(n, callers[0] * callers[1] / max(sum(callers), 1)),
    )


def _of_pairs(sums: CallerSums, ratio: float, shift: float) -> Contrast:
    """Make the contrast of pairs: if the versions are equal, either answer of a caller may be either version's."""
    used = sums.n > 0
    half = (sums.total[used] / ratio - shift * sums.n[used] - sums.baseline[used]) / 2
    n = sums.n[used]
    return Contrast(
        np.stack([half, -half], axis=1), np.array([0.5, 0.5]), half, information(float(n.sum()) / 4, _kish(n) / 4)
    )


def information(n_values: float, n_callers: float) -> float:
    """Return κ: between a multiple of the callers and of the values, for between these the variance grows."""
    return _SCALE * math.sqrt(n_values * n_callers)


def _log_chernoff(of: Contrast, sign: float, variance: float) -> float:
    """Return max λT − log E exp(λT), where T is the sum over a random draw of callers.

    Every λ gives a valid bound, so a search that has not converged is only less sharp.
    """
    scale = float(np.abs(of.possible).max())
    possible, total = sign * of.possible / scale, sign * of.total / scale
    log_p = np.log(np.maximum(of.probabilities, 1e-300))
    tilt, best = total / (variance / scale**2), 0.0
    for _ in range(_N_NEWTON):
        exponents = tilt * possible + log_p
        highest = exponents.max(axis=1)
        weights = np.exp(exponents - highest[:, None])
        sums = weights.sum(axis=1)
        best = max(best, tilt * total - float((np.log(sums) + highest).sum()))
        weights /= sums[:, None]
        means = (weights * possible).sum(axis=1)
        spread = float(((weights * possible**2).sum(axis=1) - means**2).sum())
        tilt = min(max(tilt + (total - float(means.sum())) / max(spread, _TINY), tilt / 3), tilt * 3)
    return best


def _by_step(sums: CallerSums) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return the numbers and the sums of stable and candidate by step."""
    if sums.is_paired:
        n, stable, _, candidate = (np.array([value]) for value in sums.arms())
        return n, stable, n, candidate
    counts, totals, of_candidate = sums.by_cell(sums.n), sums.by_cell(sums.total), sums.layout.of_candidate
    return (
        (counts * ~of_candidate).sum(axis=0),
        (totals * ~of_candidate).sum(axis=0),
        (counts * of_candidate).sum(axis=0),
        (totals * of_candidate).sum(axis=0),
    )


def _kish(counts: FloatArray) -> float:
    highest = float(counts.max(initial=0.0))
    if highest <= 0:
        return 0.0
    parts = counts / highest
    return float(parts.sum() ** 2 / (parts**2).sum())
