"""Policy and facts -> what is due, what forbids it now, and why. Pure: it reads no disk and no clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from core.clock import in_words as at_in_words
from core.explain.documents import DENIED
from core.monitoring.documents import MonitoredColumn, MonitoredMetric, VersionMonitoring
from core.monitoring.verdicts import DriftType, DriftVerdict, PerformanceVerdict
from core.retraining.document import Retraining, RetrainingMemory, TriggerKind
from core.settings.retraining import DriftTrigger, PerformanceTrigger, RetrainingPolicy

DAY = timedelta(days=1)
WRONG_CLOCK = timedelta(hours=25)
"""What was written down so far ahead of now was written by a wrong clock; no change of the clock is as long."""
_MOVED = {"alarm": (DriftVerdict.ALARM,), "watch": (DriftVerdict.WATCH, DriftVerdict.ALARM)}


class TriggerReading(msgspec.Struct, frozen=True, kw_only=True):
    """What one trigger says now."""

    trigger: TriggerKind
    is_due: bool
    reason: str  # one sentence
    next_at: datetime | None = None  # when it is due by the clock alone; None where that is not known


class RetrainingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What would happen to a model now, and why not."""

    model: str
    live: str  # the live version; empty if there is none
    enabled: bool
    triggers: tuple[TriggerReading, ...] = ()
    is_due: bool = False
    blockers: tuple[str, ...] = ()  # what forbids an automatic start now, a sentence each
    active: str = ""  # the retraining that is under way
    next_at: datetime | None = None  # the next start by the clock alone
    n_samples: int | None = None  # labelled rows in the window; None: not counted
    n_needed: int = 0  # labelled rows without which a retraining is rejected
    would: tuple[str, ...] = ()  # what a retraining would do, a sentence each

    @property
    def starts(self) -> bool:
        """Whether the engine starts a retraining at its next look."""
        return self.enabled and self.is_due and not self.blockers

    @property
    def lacks_rows(self) -> bool:
        """Whether a retraining that begins now would be rejected for lack of rows."""
        return self.n_samples is not None and self.n_samples < self.n_needed

    @property
    def cause(self) -> str:
        """What is due, in a sentence."""
        return "; ".join(reading.reason for reading in self.triggers if reading.is_due)

    @property
    def kind(self) -> TriggerKind | None:
        """The first trigger that is due."""
        return next((reading.trigger for reading in self.triggers if reading.is_due), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What triggers look at.

    Attributes:
        model: The model.
        live: The live version; empty if there is none.
        registered_at: When it was registered.
        monitoring: What is known of it; None if nothing is.
        memory: What the engine remembers of the model.
        active: The retraining that is under way.
        started_at: When the retrainings of the last 24 hours and the newest before them were asked for.
        n_samples: Labelled rows in the window; None: not counted.
        n_new: Labelled rows since the last training; None: not counted.
        uncounted: Why they could not be counted.
        rollout: The active rollout of the model; empty if there is none.
    """

    model: str
    live: str = ""
    registered_at: datetime | None = None
    monitoring: VersionMonitoring | None = None
    memory: RetrainingMemory
    active: Retraining | None = None
    started_at: tuple[datetime, ...] = ()
    n_samples: int | None = None
    n_new: int | None = None
    uncounted: str = ""
    rollout: str = ""


def judge(policy: RetrainingPolicy, facts: ModelFacts, now: datetime) -> RetrainingPlan:
    """Say what is due for a model, and what forbids it now.

    Args:
        policy: The rules of the model.
        facts: What is known.
        now: The present.
    """
    readings = tuple(_readings(policy, facts, now))
    due = [reading.is_due for reading in readings]
    return RetrainingPlan(
        model=facts.model,
        live=facts.live,
        enabled=policy.enabled,
        triggers=readings,
        is_due=bool(due) and (any(due) if policy.combine == "any" else all(due)),
        blockers=tuple(_blockers(policy, facts, now)),
        active=facts.active.retraining_id if facts.active else "",
        next_at=min((reading.next_at for reading in readings if reading.next_at is not None), default=None),
        n_samples=facts.n_samples,
        n_needed=policy.min_samples,
        would=tuple(_would(policy, facts)),
    )


def _readings(policy: RetrainingPolicy, facts: ModelFacts, now: datetime) -> Iterator[TriggerReading]:
    if policy.drift is not None:
        yield _drift(policy.drift, facts.monitoring)
    if policy.performance is not None:
        yield _performance(policy.performance, facts.monitoring)
    if policy.schedule is not None:
        yield _schedule(policy, facts.memory, now)
    if policy.min_new_samples is not None:
        yield _volume(policy.min_new_samples, facts.n_new, facts.uncounted)
    if policy.max_age_days is not None:
        yield _staleness(policy.max_age_days, facts, now)


def _drift(rule: DriftTrigger, found: VersionMonitoring | None) -> TriggerReading:
    drift = found.drift if found is not None else None
    if drift is None:
        return _reading(TriggerKind.DRIFT, False, "drift: nothing is known of the served rows yet")
    moved = [
        column
        for column in drift.columns
        if column.verdict in _MOVED[rule.verdict] and column.type is not DriftType.QUALITY
    ]
    if not moved:
        return _reading(TriggerKind.DRIFT, False, f"drift: {drift.verdict}, no column has moved")
    named = list(dict.fromkeys(DENIED if column.is_denied else column.name for column in moved))
    names = ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
    share = _importance(moved, sum(drift.denied_shares.get(verdict, 0.0) for verdict in _MOVED[rule.verdict]))
    is_due = share >= rule.importance_share
    limit = f", and {rule.importance_share:.0%} are needed" if not is_due else ""
    return _reading(TriggerKind.DRIFT, is_due, f"drift: {names} moved, {share:.0%} of the importance{limit}")


def _importance(moved: list[MonitoredColumn], of_denied: float) -> float:
    """Return the share of the importance that has moved: all of it where answers or outcomes have."""
    if any(column.type is not DriftType.FEATURE for column in moved):
        return 1.0
    return min(sum(column.importance or 0.0 for column in moved) + of_denied, 1.0)


def _performance(rule: PerformanceTrigger, found: VersionMonitoring | None) -> TriggerReading:
    parts = {
        "realised": found.performance if found is not None else None,
        "estimated": found.estimate if found is not None else None,
    }
    looked = {name: part for name, part in parts.items() if rule.by in ("any", name)}
    for name, part in looked.items():
        if part is None:
            continue
        if rule.drop is None and part.verdict is PerformanceVerdict.FELL:
            return _reading(TriggerKind.PERFORMANCE, True, f"performance ({name}) fell: {part.reason}")
        if rule.drop is not None and (worse := next(filter(None, (_worse(m, rule.drop) for m in part.metrics)), "")):
            return _reading(TriggerKind.PERFORMANCE, True, f"performance ({name}) fell: {worse}")
    verdicts = ", ".join(f"{name} {part.verdict if part else 'unknown'}" for name, part in looked.items())
    return _reading(TriggerKind.PERFORMANCE, False, f"performance: {verdicts}")


def _worse(metric: MonitoredMetric, drop: float) -> str:
    """Say that a metric over all answers is certainly worse than held out by a share; empty if it is not."""
    reference, bound = metric.reference, metric.high if metric.higher_is_better else metric.low
    if reference is None or bound is None or metric.slice or metric.window:
        return ""
    limit = reference - drop * abs(reference) if metric.higher_is_better else reference + drop * abs(reference)
    if not (bound < limit if metric.higher_is_better else bound > limit):
        return ""
    side = "at most" if metric.higher_is_better else "at least"
    return f"{metric.metric} {side} {bound:.4g}, held out {reference:.4g}, worse by more than {drop:.0%}"


def _schedule(policy: RetrainingPolicy, memory: RetrainingMemory, now: datetime) -> TriggerReading:
    cron = policy.cron
    assert cron is not None
    since = memory.handled_until
    if since is None or memory.schedule != schedule_key(policy):
        since = now  # nobody watched this schedule before, so nothing of it was missed
    due = cron.is_due(since, now)
    if due is not None:
        return _reading(TriggerKind.SCHEDULE, True, f"schedule: due since {at_in_words(due)}", due)
    coming = cron.next_after(max(since, now))
    reason = f"schedule: next {at_in_words(coming)}" if coming is not None else "schedule: never again"
    return _reading(TriggerKind.SCHEDULE, False, reason, coming)


def schedule_key(policy: RetrainingPolicy) -> str:
    """Name the schedule of a policy, so that another one is watched anew; empty without one."""
    return "" if policy.schedule is None else f"{policy.schedule} {policy.time_zone}"


def _volume(least: int, n_new: int | None, uncounted: str) -> TriggerReading:
    if n_new is None:
        why = f": {uncounted.rstrip('.')}" if uncounted else ""
        return _reading(TriggerKind.VOLUME, False, f"volume: the new rows could not be counted{why}")
    return _reading(TriggerKind.VOLUME, n_new >= least, f"volume: {n_new:,} of {least:,} new labelled rows")


def _staleness(most_days: float, facts: ModelFacts, now: datetime) -> TriggerReading:
    if facts.registered_at is None:
        return _reading(TriggerKind.STALENESS, False, "staleness: there is no live version")
    due = facts.registered_at + timedelta(days=most_days)
    age = (now - facts.registered_at) / DAY
    return _reading(TriggerKind.STALENESS, now >= due, f"staleness: {age:.1f} of {most_days:g} days old", due)


def _reading(kind: TriggerKind, is_due: bool, reason: str, next_at: datetime | None = None) -> TriggerReading:
    return TriggerReading(trigger=kind, is_due=is_due, reason=reason, next_at=next_at)


def _blockers(policy: RetrainingPolicy, facts: ModelFacts, now: datetime) -> Iterator[str]:
    if not policy.enabled:
        yield "retraining is not enabled for this model (policy, retraining.enabled)"
    if not facts.live:
        yield "there is no live version to compare a new one with"
    if facts.active is not None:
        yield f"{facts.active.retraining_id} is under way"
    if facts.rollout:
        yield f"rollout {facts.rollout} is under way"
    if (until := policy.blackout_until(now)) is not None:
        yield f"blackout until {at_in_words(until)}"
    started = [at for at in facts.started_at if at - now < WRONG_CLOCK]
    if started:
        ready = max(started) + timedelta(hours=policy.cooldown_hours)
        if now < ready:
            yield f"cooldown until {at_in_words(ready)}"
    today = sorted(at for at in facts.started_at if now - DAY < at <= now)
    if len(today) >= policy.max_per_day:
        again = today[-policy.max_per_day] + DAY
        yield f"{len(today)} of {policy.max_per_day} retrainings in 24 hours; the next from {at_in_words(again)}"
    if facts.n_samples is not None and facts.n_samples < policy.min_samples:
        yield f"{facts.n_samples:,} of {policy.min_samples:,} labelled rows"


def _would(policy: RetrainingPolicy, facts: ModelFacts) -> Iterator[str]:
    source = policy.source
    origin = {
        "served": "served rows with outcomes",
        "files": f"rows of {source.path}",
        "command": f"rows that {source.command[0] if source.command else ''} writes",
        "generator": "",
    }[source.kind]
    window, live = policy.window, facts.live or "the live version"
    if source.kind == "generator":
        compared = "rows that neither has seen"
        yield f"Draw rows afresh from the world of the settings in force, at least {policy.min_samples:,}."
        yield f"Check them, and train as the session did that made {live}."
    else:
        days = f" of the last {window.days:g} days" if window.days is not None else ""
        yield f"Collect at most {window.rows:,} {origin}{days}, at least {policy.min_samples:,}."
        compared = f"the newest {policy.validation.held_out_share:.0%}"
        yield (
            f"Check them, and train as {live} was trained, without {compared}."
            if policy.method == "train"
            else f"Check them, and let the weights of {live} follow their outcomes, without {compared}."
        )
    if policy.start == "warm":
        yield f"Let {live} itself learn on from the rows that are new to it, too; the better of both goes on."
    yield (
        f"Compare both versions on {compared}: the mean loss may be {policy.validation.margin:.0%} higher "
        "at most, or must be lower after drift or a fall of performance."
        if policy.validation.require == "auto"
        else f"Compare both versions on {compared}: the new one must be {policy.validation.require.replace('_', '-')}."
    )
    if policy.validation.require_explanation:
        yield "Reject the new version if it is not explained."
    if (stress := policy.validation.stress) is not None:
        which = f" under {', '.join(stress.scenarios)}" if stress.scenarios else ""
        most = f"{stress.max_error_ratio:g} times the live version's"
        yield f"Stress both versions{which}: the new one's error may be {most} at most."
    if policy.n_approvals:
        persons = "a person approves" if policy.n_approvals == 1 else f"{policy.n_approvals} persons approve"
        yield f"Wait until {persons}."
    yield f"Start a {policy.strategy}."
    if policy.watch_minutes:
        what = "; take it back if it fails" if policy.rollback_on_failure else ""
        yield f"Watch the new version for {policy.watch_minutes:g} minutes{what}."
