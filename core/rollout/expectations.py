"""How long each verdict will take, from the usual traffic of the model: told before a rollout starts.

The evidence of each guard is worked out for its expected sums, with the same formulas that judge it. A verdict comes
sooner or later than expected by a factor of about two, since evidence grows unevenly.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from core.rollout import ceilings, eprocess, objectives
from core.rollout.by_caller import information, log_mixture
from core.rollout.plan import Guard, GuardSource, RolloutPlan
from core.rollout.strategies import Strategy
from core.rollout.usual_traffic import SECONDS_A_DAY, UsualTraffic

PAIR_CORRELATION = 0.9
"""Assumed between the losses of both versions on one row; retrained models of one kind are at least that much alike."""

_TWICE = 2.0
_LARGE_SHARE = 0.5
_WORTHWHILE = 0.75  # of the time without the change
_OF_PAIRS = 0.5
_MIXTURE_COST = math.log(len(eprocess.HARM_RATIOS)) / 2  # neighbours of the best ratio add to the mixture
_EARLY = 0.72
"""The median of a first passage as a share of its mean, where the evidence needed is three nats and its variance twice
its drift: the inverse Gaussian law (Tweedie, Annals of Mathematical Statistics 28(2), 1957)."""
_PLURALS = {
    GuardSource.ERRORS: "errors",
    GuardSource.SLOW: "slow answers",
    GuardSource.FACTS: "contradictions",
    GuardSource.CUT: "cut texts",
}
_FURTHEST_SECONDS = 3_650 * SECONDS_A_DAY
_WORST_SHARE, _LEAST_TEXT_SHARE = 0.5, 0.005
_USUAL_SLOW_SHARE = 0.01  # by default the limit is the stable version's p99


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """One verdict of one guard, and how long it will take."""

    guard: str
    effect: str  # which the verdict finds, or finds to be no worse
    is_harm: bool
    seconds: float | None  # None: not within ten years


class Quicker(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the plan with which the last verdict comes earlier."""

    change: str
    seconds: float


class Expectations(msgspec.Struct, frozen=True, kw_only=True):
    """All verdicts of a plan."""

    verdicts: tuple[Expectation, ...]
    seconds_to_end: float | None = None  # until every required guard is shown to be safe, after the steps
    slowest: str = ""  # the required guard that takes longest
    quicker: tuple[Quicker, ...] = ()

    @property
    def seconds_to_last(self) -> float | None:
        """Until every guard about which something is known is shown to be safe; None if one never is."""
        found = [verdict.seconds for verdict in self.verdicts if not verdict.is_harm]
        return max((math.inf if seconds is None else seconds for seconds in found), default=None)


@dataclass(frozen=True, slots=True)
class _Metric:
    """What is compared: its mean and variances for one observation, and how often one comes."""

    mean: float
    within: float
    between: float
    a_day: float


@dataclass(frozen=True, slots=True)
class _Data:
    """The observations expected up to a moment."""

    variance: float  # of the difference of means
    information: float


def expect(plan: RolloutPlan, usual: UsualTraffic) -> Expectations:
    """Estimate when each guard of a plan reaches a verdict, and what would shorten that.

    Args:
        plan: The plan.
        usual: The usual traffic of the model.
    """
    found = _expect(plan, usual)
    now = found.seconds_to_last
    if now is None:
        return found
    quicker = []
    for change, other in _changes(plan):
        seconds = _expect(other, usual).seconds_to_last
        if seconds is not None and seconds < _WORTHWHILE * now:
            quicker.append(Quicker(change=change, seconds=seconds))
    return msgspec.structs.replace(found, quicker=tuple(sorted(quicker, key=lambda each: each.seconds)))


def _changes(plan: RolloutPlan) -> Iterator[tuple[str, RolloutPlan]]:
    """List the changes of a plan that can shorten it, as a policy or a command says them."""
    step, replace = plan.steps[-1], msgspec.structs.replace
    if plan.strategy in (Strategy.CANARY, Strategy.AB):
        shadow = replace(step, share=0.0)
        if plan.texts is None:
            yield (
                "a shadow of all requests",
                replace(plan, strategy=Strategy.SHADOW, steps=(shadow,), mirror_share=1.0, primary=""),
            )
        if step.share < _LARGE_SHARE:
            larger = (replace(step, share=_LARGE_SHARE),)
            yield f"a share of {_LARGE_SHARE:.0%}", replace(plan, steps=larger, ceiling=_LARGE_SHARE)
        if plan.answer_changes_outcome and plan.texts is None:
            yield "pairs (answer_changes_outcome: false)", replace(plan, answer_changes_outcome=False)
    elif plan.strategy is Strategy.SHADOW and plan.mirror_share < 1:
        yield "a shadow of all requests", replace(plan, mirror_share=1.0)
    for source, setting in ((GuardSource.LOSS, "loss_margin"), (GuardSource.ERRORS, "rate_margin")):
        wide = {guard.source: 1 + 2 * (guard.margin - 1) for guard in plan.guards if guard.source is source}
        if plan.strategy is not Strategy.BLUE_GREEN and wide:
            guards = tuple(replace(guard, margin=wide.get(guard.source, guard.margin)) for guard in plan.guards)
            yield f"{setting} {wide[source]:g}", replace(plan, guards=guards)


def _expect(plan: RolloutPlan, usual: UsualTraffic) -> Expectations:
    """Estimate when each guard of a plan reaches a verdict.

    Args:
        plan: The plan.
        usual: The usual traffic of the model.
    """
    verdicts: list[Expectation] = []
    ends: dict[str, float | None] = {}
    for guard in plan.guards:
        metric = _metric(plan, guard, usual)
        if metric is None:
            if guard.required:
                ends[guard.name] = None
            continue
        harm, safe = _harm(plan, guard, metric, usual), _safe(plan, guard, metric, usual)
        verdicts += [harm, safe]
        if guard.required:
            ends[guard.name] = safe.seconds
    steps = _seconds_of_steps(plan, usual)
    slowest = max(ends, key=lambda name: math.inf if (found := ends[name]) is None else found, default="")
    last = ends.get(slowest)
    return Expectations(
        verdicts=tuple(verdicts), seconds_to_end=None if last is None else max(steps, last), slowest=slowest
    )


def _metric(plan: RolloutPlan, guard: Guard, usual: UsualTraffic) -> _Metric | None:
    """Return what a guard compares, or None if nothing is known about it.

    What texts of the stable version did is not stored by caller: of these, the registration says how many contradict
    themselves, half of all texts are cut at worst, and texts of one caller are taken to be independent.
    """
    stated = plan.texts.contradicted_share if plan.texts is not None and guard.source is GuardSource.FACTS else None
    share = min(max(_WORST_SHARE if stated is None else stated, _LEAST_TEXT_SHARE), _WORST_SHARE)
    if guard.source is GuardSource.LOSS:
        losses = usual.losses
        if losses is None or losses.mean <= 0 or losses.sd == 0:
            return None
        return _Metric(losses.mean, losses.within, losses.between, losses.a_day)
    if guard.source.is_of_texts:
        return _Metric(share, share * (1 - share), 0.0, usual.requests_a_day)
    if guard.source is GuardSource.ERRORS:
        rate = (usual.failure_rate * usual.n_answers + 0.5) / (usual.n_answers + 1)
    elif guard.source is GuardSource.SLOW:
        rate = _USUAL_SLOW_SHARE
    else:
        return None
    return _Metric(rate, rate * (1 - rate), 0.0, usual.requests_a_day)


def _harm(plan: RolloutPlan, guard: Guard, metric: _Metric, usual: UsualTraffic) -> Expectation:
    needed = -math.log(plan.alpha_per_guard)
    if guard.source.is_of_texts:
        what = f"{100 * (guard.margin_difference or 0.0):g} points more {_PLURALS[guard.source]}"

        def evidence(seconds: float) -> float:
            return _text_evidence(plan, guard, metric, usual, seconds, of_harm=True)

    elif guard.source is GuardSource.LOSS:
        what = f"a loss {guard.margin - 1:.0%} worse"

        def evidence(seconds: float) -> float:
            data = _data(plan, metric, usual, seconds)
            return log_mixture((guard.margin - 1) * metric.mean / math.sqrt(data.variance), data.information)

    else:
        what = f"twice as many {_PLURALS[guard.source]}"

        def evidence(seconds: float) -> float:
            return _rate_harm(plan, guard, metric, usual, seconds)

    return Expectation(guard=guard.name, effect=what, is_harm=True, seconds=_first(evidence, needed))


def _safe(plan: RolloutPlan, guard: Guard, metric: _Metric, usual: UsualTraffic) -> Expectation:
    needed = -math.log(plan.beta)
    if guard.source.is_of_texts:
        what = f"no more {_PLURALS[guard.source]}"

        def evidence(seconds: float) -> float:
            return _text_evidence(plan, guard, metric, usual, seconds, of_harm=False)

    elif guard.source is GuardSource.LOSS:
        what = "an equal loss"

        def evidence(seconds: float) -> float:
            data = _data(plan, metric, usual, seconds)
            distance = (guard.margin - 1) * metric.mean / guard.margin
            return log_mixture(distance / math.sqrt(data.variance), data.information)

    else:
        what = f"no more {_PLURALS[guard.source]}"

        def evidence(seconds: float) -> float:
            return _rate_safety(plan, guard, metric, usual, seconds)

    seconds = _first(evidence, needed)
    if seconds is not None and guard.source.needs_outcomes:
        seconds += plan.settle_seconds
    return Expectation(guard=guard.name, effect=what, is_harm=False, seconds=seconds)


def _text_evidence(
    plan: RolloutPlan, guard: Guard, metric: _Metric, usual: UsualTraffic, seconds: float, *, of_harm: bool
) -> float:
    """Return the expected evidence for a difference of shares as large as the margin, less the callers not met."""
    data, share = _data(plan, metric, usual, seconds), plan.steps[-1].share
    n_missed = -math.log(plan.alpha_per_guard if of_harm else plan.beta)
    met = _callers(usual, metric.a_day * seconds / SECONDS_A_DAY, 1 - share if of_harm else share)
    distance = (guard.margin_difference or 0.0) - n_missed / (met + n_missed)
    return log_mixture(distance / math.sqrt(data.variance), data.information) if distance > 0 else 0.0


def _rate_harm(plan: RolloutPlan, guard: Guard, metric: _Metric, usual: UsualTraffic, seconds: float) -> float:
    """Return the expected evidence of harm if the candidate fails twice as often."""
    steps = _steps_of(plan, usual, seconds / SECONDS_A_DAY)
    if plan.steps[-1].share >= 1:
        n = sum(metric.a_day * share * days for share, days in steps)
        return ceilings.log_above(int(n), int(n * _TWICE * metric.mean), guard.tolerated_share or 0.5)
    failures = [metric.a_day * days * metric.mean * (1 + share * (_TWICE - 1)) for share, days in steps]
    counted = _first_failures(sum(failures), sum(metric.a_day * days for _, days in steps), usual)
    growth = sum(n * eprocess.log_harm_growth(share, _TWICE) for n, (share, _) in zip(failures, steps, strict=True))
    return growth * counted - _MIXTURE_COST


def _rate_safety(plan: RolloutPlan, guard: Guard, metric: _Metric, usual: UsualTraffic, seconds: float) -> float:
    """Return the expected evidence of safety if both versions fail alike."""
    steps = _steps_of(plan, usual, seconds / SECONDS_A_DAY)
    n_candidate = sum(metric.a_day * share * days for share, days in steps)
    below = -math.inf
    if guard.tolerated_share is not None:
        n_requests = sum(metric.a_day * days for _, days in steps)
        callers = _callers(usual, n_requests, n_candidate / max(n_requests, 1e-9))
        n_failing = callers * -math.expm1(-n_candidate * metric.mean / callers)
        if n_failing < objectives.LEAST_FAILING:  # then each caller is one observation
            n_candidate = min(n_candidate, callers)
        below = ceilings.log_below(int(n_candidate), int(n_candidate * metric.mean), guard.tolerated_share)
    if plan.steps[-1].share >= 1:
        return below
    failures = [metric.a_day * days * metric.mean for _, days in steps]
    counted = _first_failures(sum(failures), sum(metric.a_day * days for _, days in steps), usual)
    growth = sum(
        n * eprocess.log_safety_growth(share, guard.margin) for n, (share, _) in zip(failures, steps, strict=True)
    )
    against = growth * counted / _EARLY
    if guard.tolerated_share is None:
        return against
    highest = max(below, against)
    return highest + math.log((math.exp(below - highest) + math.exp(against - highest)) / 2)


def _first_failures(n_failures: float, n_requests: float, usual: UsualTraffic) -> float:
    """Return the share of the failures that are the first of their caller."""
    callers = _callers(usual, n_requests, 1.0)
    return callers * -math.expm1(-n_failures / callers) / max(n_failures, 1e-9)


def _data(plan: RolloutPlan, metric: _Metric, usual: UsualTraffic, seconds: float) -> _Data:
    """Return what is expected of the losses after some seconds."""
    days = seconds / SECONDS_A_DAY
    n = metric.a_day * days
    if plan.is_paired:
        n = max(n * plan.mirror_share, 1e-9)
        callers = _callers(usual, n, plan.mirror_share)
        variance = 2 * (1 - PAIR_CORRELATION) * (metric.within / n + metric.between / callers)
        return _Data(variance, information(n / 4, callers / 4))
    weight, share = 0.0, plan.steps[0].share
    for share, step_days in _steps_of(plan, usual, days):
        weight += metric.a_day * step_days * share * (1 - share)
    weight = max(weight, 1e-9)
    stable, candidate = _callers(usual, n, 1 - share), _callers(usual, n, share)
    both = stable * candidate / (stable + candidate)
    return _Data(metric.within / weight + metric.between / both, information(weight, both))


def _callers(usual: UsualTraffic, n: float, share: float) -> float:
    """Return how many equally active callers a share of the line is worth, after n observations."""
    keyed = n * usual.share_with_key
    known = usual.effective_callers
    seen = known * -math.expm1(-keyed / known) if known else 0.0
    return max(share * (seen + n * (1 - usual.share_with_key)), 1e-9)


def _steps_of(plan: RolloutPlan, usual: UsualTraffic, days: float) -> list[tuple[float, float]]:
    """Return each share that is reached within some days, and how long it lasts until then."""
    if plan.strategy is Strategy.SHADOW:
        return [(_OF_PAIRS, days * plan.mirror_share)]
    found = []
    for number, step in enumerate(plan.steps):
        is_last = number == plan.last_step
        lasts = days if is_last else min(days, _days_of(plan, number, usual))
        found.append((step.share, lasts))
        days -= lasts
        if days <= 0:
            break
    return found


def _days_of(plan: RolloutPlan, number: int, usual: UsualTraffic) -> float:
    step = plan.steps[number]
    share = plan.mirror_share if plan.strategy is Strategy.SHADOW else step.share
    answers = step.min_samples / max(usual.requests_a_day * share, 1e-9)
    return max(step.dwell_seconds / SECONDS_A_DAY, answers)


def _seconds_of_steps(plan: RolloutPlan, usual: UsualTraffic) -> float:
    return SECONDS_A_DAY * sum(_days_of(plan, number, usual) for number in range(len(plan.steps)))


def _first(evidence: Callable[[float], float], needed: float) -> float | None:
    """Find the first moment at which evidence suffices; None if it does not within ten years."""
    low, high = 1.0, _FURTHEST_SECONDS
    if evidence(high) < needed:
        return None
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if evidence(middle) >= needed else (middle, high)
    return high
