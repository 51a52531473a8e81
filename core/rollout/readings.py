"""The reading of each guard: effect with interval, evidence for and against, and expected time to a decision."""

import math
from enum import StrEnum

import msgspec

from core.rollout import ceilings, eprocess
from core.rollout.eprocess import RateEvidence
from core.rollout.evidence import RateCounts, RolloutEvidence
from core.rollout.means import MeanEvidence, log_mixture
from core.rollout.plan import Guard, GuardSource, RolloutPlan

_FURTHEST = 2.0**20  # beyond a million times the present data, "never at this rate" is the honest answer


class GuardVerdict(StrEnum):
    """One guard's verdict on the candidate."""

    HARMFUL = "harmful"  # shown to be worse
    SUSPECT = "suspect"  # leaning towards harm; the candidate gets no more traffic
    UNDECIDED = "undecided"
    SAFE = "safe"  # shown to be within its margin
    NO_DATA = "no data"


class GuardReading(msgspec.Struct, frozen=True, kw_only=True):
    """One guard of a rollout at one moment."""

    guard: str
    source: GuardSource
    required: bool
    verdict: GuardVerdict
    reason: str
    stable_value: float | None = None  # failure rate, or mean
    candidate_value: float | None = None
    n_stable: int = 0  # requests, or values
    n_candidate: int = 0
    effect: float | None = None  # rates: the ratio, candidate to stable; means: the difference
    low: float | None = None  # of its interval, which stays valid at every look
    high: float | None = None  # None: not bounded yet
    level: float = 0.95
    harm_share: float = 0.0  # the evidence of harm, on a log scale: 1 rolls the candidate back
    safety_share: float = 0.0  # the same for safety
    eta_requests: int | None = None  # further requests of both arms to a verdict, at this rate; None: unknown
    eta_seconds: float | None = None
    is_counted: bool = False  # losses of 0 and 1, which are judged as a rate

    @property
    def is_rate(self) -> bool:
        """Whether failures were counted; otherwise a mean was taken."""
        return self.source.is_rate or self.is_counted


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast evidence comes in."""

    share: float  # the candidate's, now
    n_requests: int
    seconds: float  # since the rollout began

    def seconds_of(self, n_requests: float | None) -> float | None:
        """Return how long further requests take at the pace so far."""
        if n_requests is None or self.n_requests == 0 or self.seconds <= 0:
            return None
        return n_requests * self.seconds / self.n_requests


def read_guards(plan: RolloutPlan, evidence: RolloutEvidence, pace: Pace) -> tuple[GuardReading, ...]:
    """Read every guard of a rollout."""
    readings = []
    for guard in plan.guards:
        counts = evidence.rates.get(guard.name, RateCounts())
        if guard.source.is_rate or evidence.counts_losses(guard):
            readings.append(_read_rate(plan, guard, counts, pace))
        else:
            mean = evidence.means.get(guard.name, MeanEvidence())
            readings.append(_read_mean(plan, guard, mean, counts.evidence, pace))
    return tuple(readings)


def _read_rate(plan: RolloutPlan, guard: Guard, counts: RateCounts, pace: Pace) -> GuardReading:
    tallies, tolerated = counts.evidence.tallies, guard.tolerated_share
    n, n_failed = counts.n_candidate, counts.n_candidate_failed
    compared = (
        plan.steps[-1].share < 1
    )  # otherwise all traffic goes to the candidate, and only its objective can judge it
    if compared:
        harm, peak = eprocess.log_harm(tallies), counts.evidence.peak_log_harm
        safety = counts.log_safety(guard.margin)
        if tolerated is not None:
            # Either proof will do: the mean of two e-processes is one.
            safety = _log_mean(safety, ceilings.log_below(n, n_failed, tolerated))
    else:
        harm = peak = ceilings.log_above(n, n_failed, tolerated) if tolerated is not None else 0.0
        safety = ceilings.log_below(n, n_failed, tolerated) if tolerated is not None else 0.0
    verdict = _verdict(plan, harm, peak, safety, has_data=n > 0 and (compared or tolerated is not None))
    low, high = eprocess.interval(tallies, plan.beta)
    eta = _rate_eta(plan, guard, counts, pace, harm, safety) if verdict in _OPEN else None
    return GuardReading(
        guard=guard.name,
        source=guard.source,
        required=guard.required,
        verdict=verdict,
        reason=_rate_reason(guard, counts, verdict, compared=compared),
        stable_value=counts.n_stable_failed / counts.n_stable if counts.n_stable else None,
        candidate_value=n_failed / n if n else None,
        n_stable=counts.n_stable,
        n_candidate=n,
        effect=eprocess.estimate(tallies),
        low=low,
        high=high,
        level=1 - plan.beta,
        harm_share=_progress(peak if verdict is GuardVerdict.HARMFUL else harm, plan.alpha_per_guard),
        safety_share=_progress(safety, plan.beta),
        eta_requests=eta,
        eta_seconds=pace.seconds_of(eta),
        is_counted=guard.source is GuardSource.LOSS,
    )


def _read_mean(
    plan: RolloutPlan, guard: Guard, evidence: MeanEvidence, counted: RateEvidence, pace: Pace
) -> GuardReading:
    """Read the guard of a mean.

    Losses that were counted until the first loss other than 0 or 1 were already judged: their evidence against a
    verdict is carried on, their evidence for it is dropped. So both tests together are wrong no more often than one.
    """
    before = min(0.0, eprocess.log_harm(counted.tallies))
    harm, peak = evidence.log_harm + before, max(counted.peak_log_harm, evidence.peak_log_harm + before)
    safety = evidence.log_safety(guard.margin - 1) + min(0.0, eprocess.log_safety(counted.tallies, guard.margin))
    verdict = _verdict(plan, harm, peak, safety, has_data=evidence.is_enough)
    bounds = evidence.interval(plan.beta)
    eta = _mean_eta(plan, guard, evidence, pace) if verdict in _OPEN else None
    return GuardReading(
        guard=guard.name,
        source=guard.source,
        required=guard.required,
        verdict=verdict,
        reason=_mean_reason(guard, evidence, verdict),
        stable_value=evidence.stable.mean if evidence.stable.n else None,
        candidate_value=evidence.candidate.mean if evidence.candidate.n else None,
        n_stable=evidence.stable.n,
        n_candidate=evidence.candidate.n,
        effect=evidence.difference if bounds else None,
        low=bounds[0] if bounds else None,
        high=bounds[1] if bounds else None,
        level=1 - plan.beta,
        harm_share=_progress(peak if verdict is GuardVerdict.HARMFUL else harm, plan.alpha_per_guard),
        safety_share=_progress(safety, plan.beta),
        eta_requests=eta,
        eta_seconds=pace.seconds_of(eta),
    )


_OPEN = (GuardVerdict.UNDECIDED, GuardVerdict.SUSPECT)


def _verdict(plan: RolloutPlan, harm: float, peak: float, safety: float, *, has_data: bool) -> GuardVerdict:
    needed = -math.log(plan.alpha_per_guard)
    if peak >= needed:
        return GuardVerdict.HARMFUL
    if not has_data:
        return GuardVerdict.NO_DATA
    if safety >= -math.log(plan.beta):
        return GuardVerdict.SAFE
    # Half the way on a log scale: a good candidate is ever suspect with a probability of at most √alpha.
    return GuardVerdict.SUSPECT if harm >= needed / 2 else GuardVerdict.UNDECIDED


def _progress(log_evidence: float, error_rate: float) -> float:
    return min(max(log_evidence / -math.log(error_rate), 0.0), 1.0)


def _log_mean(a: float, b: float) -> float:
    highest = max(a, b)
    return highest + math.log((math.exp(a - highest) + math.exp(b - highest)) / 2)


def _rate_eta(
    plan: RolloutPlan, guard: Guard, counts: RateCounts, pace: Pace, harm: float, safety: float
) -> int | None:
    """Estimate the requests to the likelier verdict: harm at the estimated ratio, or safety if both arms are equal."""
    n = counts.n_stable + counts.n_candidate
    rate = (counts.n_stable_failed + counts.n_candidate_failed + 0.5) / (n + 1)
    ratio = eprocess.estimate(counts.evidence.tallies)
    if harm > max(safety, 0.0) and ratio is not None:
        growth = rate * eprocess.log_harm_growth(pace.share, ratio)
        return _requests(-math.log(plan.alpha_per_guard) - harm, growth)
    growth = rate * eprocess.log_safety_growth(pace.share, guard.margin)
    if guard.tolerated_share is not None:
        candidate_rate = (counts.n_candidate_failed + 0.5) / (counts.n_candidate + 1)
        growth = max(growth, pace.share * ceilings.log_below_growth(guard.tolerated_share, candidate_rate))
    return _requests(-math.log(plan.beta) - safety, growth)


def _requests(missing: float, growth: float) -> int | None:
    return math.ceil(missing / growth) if growth > 1e-12 else None


def _mean_eta(plan: RolloutPlan, guard: Guard, evidence: MeanEvidence, pace: Pace) -> int | None:
    """Estimate the requests to the likelier verdict, as a multiple of the values of each arm so far."""
    if evidence.tau is None or not evidence.is_enough:
        return None
    leans_to_harm = evidence.log_harm > evidence.log_safety(guard.margin - 1)
    distance = evidence.difference if leans_to_harm else guard.margin * evidence.stable.mean - evidence.candidate.mean
    needed = -math.log(plan.alpha_per_guard if leans_to_harm else plan.beta)
    variance = evidence.stable.variance_of_mean + evidence.candidate.variance_of_mean
    if distance <= 0:
        return None
    arm = evidence.stable if leans_to_harm == (evidence.skewness >= 0) else evidence.candidate
    times = max(1.0, evidence.least_values / arm.n)
    while log_mixture(distance, variance / times, evidence.tau) < needed:
        times *= 1.1
        if times > _FURTHEST:
            return None
    return math.ceil((times - 1) * pace.n_requests)


def _rate_reason(guard: Guard, counts: RateCounts, verdict: GuardVerdict, *, compared: bool) -> str:
    seen = f"{counts.n_candidate_failed:,} of {counts.n_candidate:,}"
    if compared:
        seen += f" against {counts.n_stable_failed:,} of {counts.n_stable:,}"
    limit = "" if guard.tolerated_share is None else f"{guard.tolerated_share * 100:g}%"
    margin = f"less than {guard.margin:g} times the stable rate" if compared else ""
    either = " or ".join(filter(None, (margin, limit and f"at most {limit}")))
    match verdict:
        case GuardVerdict.HARMFUL:
            return f"{guard.name}: {seen}, shown to be " + ("more frequent" if compared else f"more than {limit}")
        case GuardVerdict.SAFE:
            return f"{guard.name}: {seen}, shown to be {either}"
        case GuardVerdict.SUSPECT:
            return f"{guard.name}: {seen}, under suspicion"
        case GuardVerdict.NO_DATA:
            missing = f"no candidate {'outcome' if guard.source.needs_outcomes else 'answer'} yet"
            return f"{guard.name}: " + (f"{seen}, nothing to compare with" if counts.n_candidate else missing)
    return f"{guard.name}: {seen}, not yet shown to be {either}"


def _mean_reason(guard: Guard, evidence: MeanEvidence, verdict: GuardVerdict) -> str:
    seen = f"{evidence.candidate.mean:.4g} ({evidence.candidate.n:,}) against {evidence.stable.mean:.4g}"
    seen += f" ({evidence.stable.n:,})"
    margin = f"less than {guard.margin:g} times the stable mean"
    match verdict:
        case GuardVerdict.HARMFUL:
            return f"{guard.name}: {seen}, shown to be worse"
        case GuardVerdict.SAFE:
            return f"{guard.name}: {seen}, shown to be {margin}"
        case GuardVerdict.SUSPECT:
            return f"{guard.name}: {seen}, under suspicion"
        case GuardVerdict.NO_DATA:
            what = "outcomes" if guard.source is GuardSource.LOSS else "values"
            arms = ((evidence.stable.n, "stable version"), (evidence.candidate.n, "candidate"))
            n, whose = min(arms, key=lambda arm: arm[0])
            return f"{guard.name}: {n:,} {what} of the {whose}, too few to judge a mean"
    if not evidence.shows(lower=evidence.candidate, higher=evidence.stable):
        seen += f", a few values dominate the mean: {evidence.least_values:,} of each version are needed"
    return f"{guard.name}: {seen}, not yet shown to be {margin}"
