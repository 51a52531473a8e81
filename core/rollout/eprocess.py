"""Is the candidate's failure rate worse, or surely not much worse? Evidence that stays valid at every look.

Each failure, whichever arm had it, is one observation: given that a request failed, equal arms make it the
candidate's with exactly the candidate's share of the traffic at that moment. Successes carry no information and cost
nothing, and neither the base rate nor its changes over the day, nor changes of the share, matter. At a share of 0 or
1 there is no concurrent control, and such failures rightly carry no weight.

Two conditions: requests are assigned at random by a known share, and the failure of one request says nothing about the
arm of the next. Where one caller's requests all go to the same arm, only that caller's first failure counts, and
safety must also hold over all failures (see `evidence.py`).
"""

import functools
import math
from collections.abc import Callable, Sequence

import msgspec

HARM_RATIOS: tuple[float, ...] = tuple(round(1.1 * (10 / 1.1) ** (i / 7), 6) for i in range(8))
"""Ratios of failure rates, candidate to stable, tested for harm."""

SAFE_RATIOS: tuple[float, ...] = (0.1, 0.25, 0.5, 0.7, 0.85, 1.0)
SAFE_WEIGHTS: tuple[float, ...] = (0.05, 0.05, 0.1, 0.1, 0.2, 0.5)  # most candidates are just as good as the stable

_WIDE_RATIOS: tuple[float, ...] = tuple(1 / ratio for ratio in reversed(HARM_RATIOS)) + HARM_RATIOS
_SMALLEST_RATIO, _LARGEST_RATIO = 1e-4, 1e4


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """The failures that happened while the candidate had one share of the traffic."""

    share: float
    n_stable: int = 0
    n_candidate: int = 0

    @property
    def n(self) -> int:
        """Failures of both arms."""
        return self.n_stable + self.n_candidate


class RateEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence in a rollout's failures: counts by share, which are sufficient, small and exact."""

    tallies: tuple[Tally, ...] = ()
    peak_log_harm: float = 0.0  # the highest evidence of harm so far; a verdict may use it (Ville)

    def after(self, share: float, *, candidate_failed: bool) -> "RateEvidence":
        """Return the evidence after one more failure.

        Args:
            share: The candidate's share of the traffic when the failed request was routed, 0 to 1.
            candidate_failed: Whether the failure was the candidate's.

        >>> RateEvidence().after(0.5, candidate_failed=True).tallies
        (Tally(share=0.5, n_stable=0, n_candidate=1),)
        """
        tallies = tallied(self.tallies, share, candidate_failed=candidate_failed)
        return RateEvidence(tallies=tallies, peak_log_harm=max(self.peak_log_harm, log_harm(tallies)))

    @property
    def n_candidate(self) -> int:
        """Failures of the candidate."""
        return sum(tally.n_candidate for tally in self.tallies)

    @property
    def n_informative(self) -> int:
        """Failures that either arm could have had."""
        return sum(tally.n for tally in self.tallies if 0 < tally.share < 1)


def tallied(tallies: tuple[Tally, ...], share: float, *, candidate_failed: bool) -> tuple[Tally, ...]:
    """Count one more failure."""
    known = next((tally for tally in tallies if tally.share == share), None) or Tally(share=share)
    grown = Tally(
        share=share,
        n_stable=known.n_stable + (not candidate_failed),
        n_candidate=known.n_candidate + candidate_failed,
    )
    return (*(tally for tally in tallies if tally.share != share), grown)


def log_harm(tallies: Sequence[Tally]) -> float:
    """Weigh the evidence that the candidate fails more often than the stable version.

    E = Σ_j w_j Π_i θ_j^{x_i} / (1 − q_i + q_i θ_j), where x_i is 1 if failure i was the candidate's and q_i its share
    at that moment. If the candidate is no worse, E exceeds 1/α at any time ever with a probability of at most α.

    Args:
        tallies: The failures, by share.
    Returns:
        log E; negative where the failures speak against harm.
    Source:
        Ville's inequality; Johari et al., "Always Valid Inference", Operations Research 70(3), 2022; Waudby-Smith et
        al., arXiv 2103.06476. The mixture over a grid is ours and is checked by simulation.

    >>> round(math.exp(log_harm([Tally(share=0.5, n_candidate=12)])))
    390
    """
    return _log_mean_exp([_log_likelihood(tallies, ratio) for ratio in HARM_RATIOS], _even(len(HARM_RATIOS)))


def log_safety(tallies: Sequence[Tally], margin: float) -> float:
    """Weigh the evidence that the candidate's failure rate is less than `margin` times that of the stable version.

    The same as for harm, divided by its term at the margin, with ratios up to 1. If the candidate is worse than the
    margin or just as bad, E exceeds 1/β at any time ever with a probability of at most β.

    Args:
        tallies: The failures, by share.
        margin: The ratio of failure rates from which the candidate is not acceptable, above 1.
    Returns:
        log E; negative where the failures speak for harm.

    >>> round(math.exp(log_safety([Tally(share=0.5, n_stable=150, n_candidate=145)], margin=1.5)), 1)
    699.3
    """
    grown = [_log_likelihood(tallies, ratio) for ratio in SAFE_RATIOS]
    return _log_mean_exp(grown, SAFE_WEIGHTS) - _log_likelihood(tallies, margin)


def estimate(tallies: Sequence[Tally]) -> float | None:
    """Return the most likely ratio of failure rates; None while the failures show no finite ratio.

    >>> round(estimate([Tally(share=0.2, n_stable=80, n_candidate=40)]), 6)
    2.0
    """
    informative = [tally for tally in tallies if 0 < tally.share < 1 and tally.n]
    n_candidate = sum(tally.n_candidate for tally in informative)
    if not informative or n_candidate == sum(tally.n for tally in informative):
        return None
    if n_candidate == 0:
        return 0.0

    def too_small(ratio: float) -> bool:
        expected = sum(tally.n * _share_of_failures(tally.share, ratio) for tally in informative)
        return expected < n_candidate

    return _bisect(too_small, _SMALLEST_RATIO, _LARGEST_RATIO)


def interval(tallies: Sequence[Tally], alpha: float) -> tuple[float, float | None]:
    """Return the ratios of failure rates that are not excluded: a confidence sequence.

    It stays valid at every look: the probability that it ever excludes the true ratio is at most `alpha`, since it is
    the set of ratios against which the evidence stays below 1/alpha.

    Args:
        tallies: The failures, by share.
        alpha: The error rate, for example 0.05 for a level of 95 %.
    Returns:
        The lowest and the highest ratio; None for no upper bound.
    Source:
        Howard et al., "Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49(2),
        2021.

    >>> low, high = interval([Tally(share=0.5, n_stable=100, n_candidate=100)], alpha=0.05)
    >>> round(low, 2), round(high, 2)
    (0.63, 1.59)
    """
    informative = [tally for tally in tallies if 0 < tally.share < 1 and tally.n]
    if not informative:
        return 0.0, None
    grown = [_log_likelihood(informative, ratio) for ratio in _WIDE_RATIOS]
    least = _log_mean_exp(grown, _even(len(_WIDE_RATIOS))) + math.log(alpha)
    best = estimate(informative)
    centre = _LARGEST_RATIO if best is None else max(best, _SMALLEST_RATIO)

    def excluded(ratio: float) -> bool:
        return _log_likelihood(informative, ratio) < least

    low = _bisect(excluded, _SMALLEST_RATIO, centre) if excluded(_SMALLEST_RATIO) else 0.0
    if not excluded(_LARGEST_RATIO):
        return low, None
    return low, _bisect(lambda ratio: not excluded(ratio), centre, _LARGEST_RATIO)


def log_safety_growth(share: float, margin: float) -> float:
    """Return by how much one failure adds to the evidence of safety, on average, if both arms are equal.

    >>> round(log_safety_growth(0.5, 1.5), 4)
    0.0204
    """
    return -share * math.log(margin) + math.log1p(share * (margin - 1)) if 0 < share < 1 else 0.0


def log_harm_growth(share: float, ratio: float) -> float:
    """Return by how much one failure adds to the evidence of harm, on average, at a true ratio of failure rates."""
    if not 0 < share < 1 or ratio <= 1:
        return 0.0
    return max(
        _share_of_failures(share, ratio) * math.log(theta) - math.log1p(share * (theta - 1)) for theta in HARM_RATIOS
    )


def _share_of_failures(share: float, ratio: float) -> float:
    return share * ratio / (1 - share + share * ratio)


def _log_likelihood(tallies: Sequence[Tally], ratio: float) -> float:
    """Return the log likelihood of the arms that failed, against that of equal arms."""
    log_ratio, gain, total = math.log(ratio), ratio - 1, 0.0
    for tally in tallies:
        total += tally.n_candidate * log_ratio - tally.n * math.log1p(tally.share * gain)
    return total


@functools.lru_cache(maxsize=4)
def _even(n: int) -> tuple[float, ...]:
    return (1 / n,) * n


def _log_mean_exp(logs: Sequence[float], weights: Sequence[float]) -> float:
    highest = max(logs)
    return highest + math.log(sum(weight * math.exp(log - highest) for log, weight in zip(logs, weights, strict=True)))


def _bisect(is_below: Callable[[float], bool], low: float, high: float) -> float:
    """Find where a condition that holds at `low` ends, on a logarithmic scale."""
    low, high = math.log(low), math.log(high)
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(math.exp(middle)) else (low, middle)
    return math.exp((low + high) / 2)
