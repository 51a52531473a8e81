"""The triggers of one model, replayed over the recorded monitoring: which retrainings would have started, and when."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from core.arrays import FloatArray
from core.monitoring.documents import ModelMonitoring, VersionMonitoring
from core.retraining.document import Retraining, RetrainingMemory, TriggerKind
from core.retraining.served_rows import window_start
from core.retraining.triggers import ModelFacts, RetrainingPlan, judge, schedule_key
from core.settings.retraining import RetrainingPolicy

STEP = timedelta(minutes=5)
"""How often triggers are replayed, beside the instants at which monitoring changed; rows are counted as often."""


@dataclass(frozen=True, slots=True)
class RecordedRows:
    """Served rows whose outcome is known: when each was answered, and when its outcome came; seconds since 1970."""

    answered: FloatArray
    known: FloatArray

    def count(self, *, since: datetime | None, until: datetime) -> int:
        """Count the rows answered since an instant whose outcome was known at another."""
        seen = self.known <= until.timestamp()
        if since is not None:
            seen &= self.answered >= since.timestamp()
        return int(seen.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedModel:
    """What is recorded of a model.

    Attributes:
        model: The model.
        lives: Since when which version was live, in the order of time; empty: none was.
        registered_at: Of each of these versions that is still there.
        monitoring: The states of its monitoring, in the order of time.
        watched: The periods in which an engine recorded, in the order of time.
        rollouts: When rollouts were under way, with their ids.
        retrainings: All that happened, in the order of time.
        rows: The served rows with outcomes; None where they were not recorded.
        seconds: How long a retraining took, in the mean; None: none has ended.
    """

    model: str
    lives: Sequence[tuple[datetime, str]]
    registered_at: dict[str, datetime]
    monitoring: Sequence[tuple[datetime, ModelMonitoring | None]]
    watched: Sequence[tuple[datetime, datetime]]
    rollouts: Sequence[tuple[datetime, datetime, str]] = ()
    retrainings: Sequence[Retraining] = ()
    rows: RecordedRows | None = None
    seconds: float | None = None

    def live_at(self, now: datetime) -> tuple[str, datetime | None]:
        """Return the live version, and since when."""
        place = bisect_right([at for at, _ in self.lives], now) - 1
        return (self.lives[place][1], self.lives[place][0]) if place >= 0 else ("", None)

    def monitoring_at(self, now: datetime, live: str) -> VersionMonitoring | None:
        """Return what was known of the live version."""
        place = bisect_right([at for at, _ in self.monitoring], now) - 1
        found = self.monitoring[place][1] if place >= 0 else None
        return found.live if found is not None and found.versions and found.live.version == live else None

    def was_watched(self, now: datetime) -> bool:
        """Whether an engine ran."""
        return any(start <= now <= until for start, until in self.watched)

    def rollout_at(self, now: datetime) -> str:
        """Return the rollout that was under way; empty if there was none."""
        return next((name for start, end, name in self.rollouts if start <= now < end), "")


@dataclass(slots=True)
class _Replay:
    started: list[datetime] = field(default_factory=list)
    busy_until: datetime | None = None
    handled_until: datetime | None = None


def would_start(
    recorded: RecordedModel, policy: RetrainingPolicy, *, since: datetime, until: datetime
) -> Iterator[tuple[datetime, RetrainingPlan]]:
    """Replay the triggers of a model.

    Retrainings that people asked for happen as they did. One that the other policy starts keeps the model busy for as
    long as the recorded ones took, and the live version stays as it was: what the new one would have been is unknown.

    Args:
        recorded: What is recorded.
        policy: The other rules.
        since: The beginning.
        until: The end.
    Yields:
        When a retraining would have started, and the plan that says why.
    """
    replay = _Replay(handled_until=since)
    by_hand = [each for each in recorded.retrainings if each.trigger in (TriggerKind.MANUAL, TriggerKind.API)]
    for now in _instants(recorded, since, until):
        if not recorded.was_watched(now):
            continue
        replay.started += [each.created_at for each in by_hand if each.created_at <= now]
        for each in [each for each in by_hand if each.created_at <= now]:
            by_hand.remove(each)
            replay.busy_until = max(filter(None, (replay.busy_until, each.observed.ended_at)), default=None)
        plan = _plan(recorded, policy, replay, now)
        if not plan.starts or plan.kind is None:
            continue
        replay.started.append(now)
        replay.handled_until = now
        if recorded.seconds is not None:
            replay.busy_until = now + timedelta(seconds=recorded.seconds)
        yield now, plan


def plan_at(recorded: RecordedModel, policy: RetrainingPolicy, now: datetime) -> RetrainingPlan:
    """Say what was due at one instant, as if no retraining had been before."""
    return _plan(recorded, policy, _Replay(handled_until=now - STEP), now)


def _instants(recorded: RecordedModel, since: datetime, until: datetime) -> list[datetime]:
    n_steps = int((until - since) / STEP)
    steps = [since + number * STEP for number in range(n_steps + 1)]
    return sorted({*steps, *(at for at, _ in recorded.monitoring if since <= at <= until)})


def _plan(recorded: RecordedModel, policy: RetrainingPolicy, replay: _Replay, now: datetime) -> RetrainingPlan:
    live, live_since = recorded.live_at(now)
    n_samples = n_new = None
    needs_rows = policy.source.kind == "served" and recorded.rows is not None and bool(live)
    if needs_rows and policy.min_new_samples is not None:
        n_samples, n_new = _counted(recorded, policy, replay, live, live_since, now)
    facts = ModelFacts(
        model=recorded.model,
        live=live,
        registered_at=recorded.registered_at.get(live),
        monitoring=recorded.monitoring_at(now, live),
        memory=RetrainingMemory(
            model=recorded.model, schedule=schedule_key(policy), handled_until=replay.handled_until
        ),
        active=_stand_in(recorded, policy, now) if replay.busy_until is not None and now < replay.busy_until else None,
        started_at=tuple(replay.started),
        n_samples=n_samples,
        n_new=n_new,
        rollout=recorded.rollout_at(now),
    )
    plan = judge(policy, facts, now)
    if plan.starts and needs_rows and n_samples is None:  # as the engine does: rows are counted where they decide
        n_samples, n_new = _counted(recorded, policy, replay, live, live_since, now)
        return judge(policy, replace(facts, n_samples=n_samples, n_new=n_new), now)
    return plan


def _counted(
    recorded: RecordedModel,
    policy: RetrainingPolicy,
    replay: _Replay,
    live: str,
    live_since: datetime | None,
    now: datetime,
) -> tuple[int, int]:
    assert recorded.rows is not None
    start = window_start(policy.window, live_since=live_since, as_of=now)
    known = [*replay.started, *([recorded.registered_at[live]] if live in recorded.registered_at else [])]
    n_new = recorded.rows.count(since=max(known, default=start), until=now)
    return min(recorded.rows.count(since=start, until=now), policy.window.rows), n_new


def _stand_in(recorded: RecordedModel, policy: RetrainingPolicy, now: datetime) -> Retraining:
    """Stand for a retraining that would be under way: only its id is read."""
    return Retraining(
        retraining_id="a retraining of this rehearsal",
        model=recorded.model,
        trigger=TriggerKind.MANUAL,
        cause="",
        policy=policy,
        as_of=now,
        created_at=now,
        created_by="",
        desired_by="",
        desired_at=now,
        updated_at=now,
        updated_by="",
    )


def rows_of(answered: Sequence[float], known: Sequence[float]) -> RecordedRows:
    """Take the times of labelled rows."""
    return RecordedRows(np.asarray(answered, dtype=np.float64), np.asarray(known, dtype=np.float64))
