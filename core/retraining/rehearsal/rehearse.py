"""The recorded past of a workspace under another policy."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta

import msgspec

from core.alerts import Alerts
from core.errors import CoreError, UsageError
from core.json_documents import msgpack_decoder
from core.monitoring.documents import ModelMonitoring
from core.registry import Registry, Stage
from core.registry.documents import Transition
from core.retraining.document import Retraining, TriggerKind
from core.retraining.rehearsal.documents import Rehearsal, RehearsedEvent, RehearsedKind, Would
from core.retraining.rehearsal.judging import judge_again
from core.retraining.rehearsal.promotions import rehearse_moves
from core.retraining.rehearsal.triggers import RecordedModel, RecordedRows, plan_at, rows_of, would_start
from core.retraining.retrainings import Retrainings
from core.rollout import Rollout, Rollouts
from core.settings import PolicySource, Settings
from core.settings.policy import ModelPolicy, Policy
from core.settings.retraining import RetrainingPolicy
from core.state import Workspace
from core.telemetry.features import logged_features
from core.telemetry.past import PastReader
from core.telemetry.predictions import PredictionReader

SAME = timedelta(minutes=30)
"""A rehearsed start so near to a recorded one is the same retraining."""
MOST_DAYS = 366
_HEALTH_ALERTS = frozenset({"model_failing"})
_OF_RETRAININGS = frozenset({"retraining_failed", "retraining_waiting"})


def rehearse(
    workspace: Workspace, policy: Policy, *, over: timedelta, now: datetime, models: tuple[str, ...] = ()
) -> Rehearsal:
    """Say which promotions, rollbacks, rollouts, retrainings and alerts there would have been, beside what there was.

    Args:
        workspace: The workspace.
        policy: The other policy.
        over: How far back.
        now: The present.
        models: Only these; by default all.
    Raises:
        UsageError: The period is too long.
        NotFoundError: There is no such model.
        SettingsError: The policy in force cannot be used.
    """
    if not timedelta(0) < over <= timedelta(days=MOST_DAYS):
        raise UsageError(f"over is {over}: a rehearsal goes back by at most {MOST_DAYS} days.")
    since = now - over
    registry, in_force = Registry(workspace), PolicySource(workspace.root).policy()
    past = PastReader(workspace.past_file)
    recorded_since = past.first()
    names = models or tuple(each.model for each in registry.models())
    events: list[RehearsedEvent] = []
    unknown: list[str] = []
    if recorded_since is None:
        unknown.append("No states of monitoring are recorded: which triggers would have been due is unknown.")
    elif recorded_since > since:
        unknown.append(
            f"Before {recorded_since:%Y-%m-%d %H:%M} UTC no states of monitoring are recorded (telemetry.past_hours): "
            "which triggers would have been due then is unknown."
        )
    retrainings = Retrainings(workspace).all()
    rollouts = Rollouts(workspace).all()
    for model in names:
        rules, before = policy.for_model(model), in_force.for_model(model)
        moves = sorted(registry.history(model), key=lambda move: move.number)
        of_model = [each for each in retrainings if each.model == model]
        in_time = [move for move in moves if since <= move.at <= now]
        events += rehearse_moves(workspace, in_time, of_model, rules)
        of_rollouts = [each for each in rollouts if each.model == model]
        events += _rollouts(of_rollouts, rules, before, since)
        recorded = _recorded(workspace, past, registry, model, moves, of_model, of_rollouts, unknown)
        first = max(since, recorded_since) if recorded_since is not None else now
        events += _retrainings(recorded, rules, since=since, first=first, until=now)
        if rules.retraining.source.kind in ("files", "command"):
            unknown.append(
                f"{model}: how many rows {rules.retraining.source.kind} gave at a past instant is not recorded, so too "
                "few rows stop no rehearsed retraining."
            )
        if rules.retraining.drift is not None or rules.retraining.performance is not None:
            unknown.append(
                f"{model}: verdicts of drift and performance are those that were recorded; `monitoring:` decides them, "
                "and no policy."
            )
    events += _alerts(workspace, policy, in_force, names, since)
    events.sort(key=lambda event: event.at)
    if any(event.kind is RehearsedKind.RETRAINING and event.differs and not event.happened for event in events):
        unknown.append(
            "What a retraining that did not happen would have trained is unknown: the replay goes on with the live "
            "version as it was."
        )
    unknown.append("Promotions and rollouts that were refused, or that nobody asked for, are not recorded.")
    return Rehearsal(
        since=since,
        until=now,
        recorded_since=recorded_since,
        events=tuple(events),
        unknown=tuple(dict.fromkeys(unknown)),
    )


def _rollouts(
    rollouts: list[Rollout], rules: ModelPolicy, before: ModelPolicy, since: datetime
) -> Iterator[RehearsedEvent]:
    """A rollout under the same rules is the same; under others its traffic, and so its evidence, is unknown."""
    for rollout in rollouts:
        if rollout.created_at < since:
            continue
        is_same = rules.canary == before.canary and rollout.policy_sha256 == before.sha256
        is_same |= rules.sha256 == rollout.policy_sha256
        reason = (
            f"the rules are the same: {rollout.observed.phase}"
            if is_same
            else "under other rules it would have had other traffic, and so other evidence"
        )
        yield RehearsedEvent(
            kind=RehearsedKind.ROLLOUT,
            model=rollout.model,
            at=rollout.created_at,
            what=f"{rollout.rollout_id}, {rollout.strategy} of {rollout.candidate}",
            happened=True,
            would=Would.YES if is_same else Would.UNKNOWN,
            reason=reason,
        )


def _retrainings(
    recorded: RecordedModel, rules: ModelPolicy, *, since: datetime, first: datetime, until: datetime
) -> Iterator[RehearsedEvent]:
    policy = rules.retraining
    happened = [each for each in recorded.retrainings if since <= each.created_at <= until]
    starts = list(would_start(recorded, policy, since=first, until=until)) if first < until else []
    matched: set[str] = set()
    for at, plan in starts:
        same = next((each for each in happened if each.retraining_id not in matched and _is_same(each, at)), None)
        if same is not None:
            matched.add(same.retraining_id)
            continue
        yield RehearsedEvent(
            kind=RehearsedKind.RETRAINING,
            model=recorded.model,
            at=at,
            what=f"a retraining by {plan.kind}",
            happened=False,
            would=Would.YES,
            reason=plan.cause,
            seconds=recorded.seconds,
            is_estimate=recorded.seconds is not None,
        )
    for each in happened:
        would, reason = _again(each, recorded, policy, is_started=each.retraining_id in matched, first=first)
        yield RehearsedEvent(
            kind=RehearsedKind.RETRAINING,
            model=each.model,
            at=each.created_at,
            what=f"{each.retraining_id} by {each.trigger}, {each.observed.phase}".replace("_", " "),
            happened=True,
            would=would,
            reason=reason,
            seconds=_seconds(each),
        )


def _is_same(found: Retraining, at: datetime) -> bool:
    return found.trigger not in (TriggerKind.MANUAL, TriggerKind.API) and abs(found.created_at - at) <= SAME


def _again(
    found: Retraining, recorded: RecordedModel, policy: RetrainingPolicy, *, is_started: bool, first: datetime
) -> tuple[Would, str]:
    if found.trigger not in (TriggerKind.MANUAL, TriggerKind.API) and not is_started:
        if found.created_at < first:
            return Would.UNKNOWN, "the monitoring of that time is not recorded"
        plan = plan_at(recorded, policy, found.created_at)
        if not policy.enabled:
            return Would.NO, "retraining is not enabled for this model"
        said = "; ".join(each.reason for each in plan.triggers if not each.is_due) or "; ".join(plan.blockers)
        return Would.NO, said or "an earlier retraining of the rehearsal leaves no room for it (cooldown, max_per_day)"
    if found.is_active:
        return Would.YES, "it is under way"
    would, reason = judge_again(found, policy)
    who = (
        f"{found.created_by} asked for it" if found.trigger in (TriggerKind.MANUAL, TriggerKind.API) else "due as well"
    )
    if would is Would.NO:
        return Would.YES, f"{who}; it would have been rejected: {reason}"
    if would is Would.UNKNOWN:
        return Would.YES, f"{who}; its end is unknown: {reason}"
    return Would.YES, f"{who}; {reason}"


def _alerts(
    workspace: Workspace, policy: Policy, in_force: Policy, names: tuple[str, ...], since: datetime
) -> Iterator[RehearsedEvent]:
    """Alerts that are kept: those of health follow the policy, those of retrainings their retrainings."""
    for alert in Alerts(workspace, settings=Settings().alerts).all():
        model = alert.labels.get("model", "")
        if alert.first_at < since or alert.source or (model and model not in names):
            continue
        would, reason = Would.YES, "no policy decides it"
        rules, before = policy.for_model(model), in_force.for_model(model)
        if model and alert.rule in _HEALTH_ALERTS and rules.health != before.health:
            would, reason = Would.UNKNOWN, "health would have been judged by other limits"
        elif model and alert.rule in _OF_RETRAININGS and rules.retraining != before.retraining:
            would, reason = Would.UNKNOWN, "it follows from a retraining, whose end may have been another"
        yield RehearsedEvent(
            kind=RehearsedKind.ALERT,
            model=model,
            at=alert.first_at,
            what=alert.rule,
            happened=True,
            would=would,
            reason=reason,
        )


def _recorded(
    workspace: Workspace,
    past: PastReader,
    registry: Registry,
    model: str,
    moves: list[Transition],
    retrainings: list[Retraining],
    rollouts: list[Rollout],
    unknown: list[str],
) -> RecordedModel:
    decoder = msgpack_decoder(ModelMonitoring)
    monitoring: list[tuple[datetime, ModelMonitoring | None]] = []
    for at, body in past.states("monitoring", model):
        try:
            monitoring.append((at, None if body is None else decoder.decode(body)))
        except msgspec.DecodeError:
            unknown.append(f"{model}: states of its monitoring before {at:%Y-%m-%d %H:%M} UTC are of another release.")
    took = [seconds for each in retrainings if not each.is_active and (seconds := _seconds(each)) is not None]
    return RecordedModel(
        model=model,
        lives=_lives(moves),
        registered_at={each.version: each.created_at for each in registry.versions(model)},
        monitoring=monitoring,
        watched=past.spans(),
        rollouts=[
            (each.created_at, each.observed.ended_at or datetime.max.replace(tzinfo=each.created_at.tzinfo), name)
            for each in rollouts
            if (name := each.rollout_id)
        ],
        retrainings=sorted(retrainings, key=lambda each: each.created_at),
        rows=_rows(workspace, model, unknown),
        seconds=sum(took) / len(took) if took else None,
    )


def _lives(moves: list[Transition]) -> list[tuple[datetime, str]]:
    found: list[tuple[datetime, str]] = []
    for move in moves:
        for change in move.changes:
            if change.after is Stage.PRODUCTION:
                found.append((move.at, change.version))
            elif change.before is Stage.PRODUCTION and not any(
                other.after is Stage.PRODUCTION for other in move.changes
            ):
                found.append((move.at, ""))
    return found


def _rows(workspace: Workspace, model: str, unknown: list[str]) -> RecordedRows | None:
    try:
        logged = logged_features(workspace.features_file, model)
        if not len(logged):
            return None
        by_version: dict[str, list[int]] = defaultdict(list)
        for row, version in enumerate(logged.versions):
            by_version[version].append(row)
        answered, known = [], []
        with closing(PredictionReader(workspace.predictions_file)) as reader:
            for version, rows in by_version.items():
                found = reader.followed(model, version, [logged.requests[row] for row in rows])
                for row in rows:
                    followed = found.get(logged.requests[row])
                    if followed is not None and followed.actual is not None and followed.came_at_us is not None:
                        answered.append(logged.at[row].timestamp())
                        known.append(followed.came_at_us / 1e6)
    except CoreError as error:
        unknown.append(f"{model}: its served rows cannot be read ({error}), so too few rows stop no retraining.")
        return None
    return rows_of(answered, known)


def _seconds(found: Retraining) -> float | None:
    taken = [step.seconds for step in found.observed.steps if step.seconds is not None]
    return sum(taken) if taken else None
