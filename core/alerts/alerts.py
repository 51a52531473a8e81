"""The alerts of a workspace: fired and resolved by the engine, acknowledged by people, every decision audited."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from core.actor import Actor
from core.alerts.alert import MAX_COMMENT, MAX_COMMENTS, Alert, AlertState, Comment, alert_value, fingerprint_of
from core.alerts.flapping import calmed
from core.alerts.lifecycle import AT_ONCE, Dwell, NextStep, next_step
from core.alerts.returning import returning_of
from core.alerts.store import AlertStore
from core.clock import Clock, utc_now
from core.errors import RefusedError, UsageError
from core.escape import shown
from core.settings import AlertSettings, settings_in_force
from core.settings.current import CurrentSettings
from core.text_limits import cut

if TYPE_CHECKING:
    from core.alerts.rule import AlertSubject, Rule
    from core.state import Workspace

MAX_SNOOZE = timedelta(days=365)
MOST_LISTED = 20
"""How many alerts of one name are listed; more are counted."""
_Decide = Callable[[Alert], dict[str, Any]]


class Alerts:
    """One document for each fingerprint (rule and labels), so that a problem is reported once.

    The engine keeps one instance, because only that instance knows for how long a pending condition has lasted.
    Observing an unchanged condition writes nothing.
    """

    def __init__(
        self,
        workspace: "Workspace",
        *,
        settings: AlertSettings | None = None,
        current: CurrentSettings | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Open the alerts.

        Args:
            workspace: The workspace with the alerts.
            settings: The limits; by default those of the workspace's `bondx.yaml`, read on first use.
            current: The settings whose limits hold instead, as they are now.
            clock: The time of operators' actions; the engine passes its own `now`.
        """
        self._workspace = workspace
        self._settings = settings
        self._current = current
        self._clock = clock
        self._store = AlertStore(workspace, clock)
        self._changed_at: dict[str, datetime] = {}
        self._n_flaps: dict[str, int] = {}

    def get(self, fingerprint: str) -> Alert:
        """Return an alert.

        Raises:
            DocumentNotFoundError: There is no such alert.
        """
        return self._store.get(fingerprint)

    def fingerprint_named(self, word: str) -> str:
        """Return the fingerprint of the alert that a person names.

        Args:
            word: A fingerprint, or a name that one alert has: `cpu_high`, or with labels `gate_failed{gate=coverage}`.

        Returns:
            The fingerprint, or the word itself if no alert has it.

        Raises:
            UsageError: Several alerts have the name; the message lists their fingerprints and labels.
        """
        alerts = self.all()
        if any(alert.fingerprint == word for alert in alerts):
            return word
        named = [alert for alert in alerts if word in (alert.name, alert.rule, alert.full_name, alert.brief_name)]
        if len(named) < 2:
            return named[0].fingerprint if named else word
        listed = [f"{alert.fingerprint} {alert.state} {alert.brief_name}" for alert in named[:MOST_LISTED]]
        more = [f"and {len(named) - MOST_LISTED} more: bondx alerts list --all"] if len(named) > MOST_LISTED else []
        first = f"{len(named)} alerts have the name {shown(word)}. Name the alert by its fingerprint:"
        raise UsageError("\n".join((first, *listed, *more)))

    def all(self) -> list[Alert]:
        """Return every alert, including recently resolved alerts, newest firing first."""
        return sorted(self._store.documents.all(), key=lambda alert: alert.first_at, reverse=True)

    def open(self) -> list[Alert]:
        """Return the open alerts, acknowledged or not, by severity, then newest first."""
        return sorted(
            (alert for alert in self.all() if alert.state.is_open), key=lambda alert: alert.severity.rank, reverse=True
        )

    def judge(self, subject: "AlertSubject", seen: Any, *, labels: Mapping[str, str], now: datetime) -> None:
        """Evaluate every condition on a subject.

        Args:
            subject: The kind of subject: a sample of the machine, an epoch.
            seen: The sample, or the record of the epoch.
            labels: The labelled object, as in `observe`.
            now: The time of the measurement.

        Raises:
            SettingsError: The limits cannot be read.
        """
        from core.alerts.rules import conditions_of

        for rule in conditions_of(subject):
            self.observe(rule.name, labels=labels, value=rule.read(seen), now=now)

    def observe(
        self,
        rule_name: str,
        *,
        labels: Mapping[str, str],
        value: float | None,
        now: datetime,
        is_last: bool = False,
    ) -> Alert | None:
        """Evaluate a condition rule on a value; fire, keep or resolve its alert.

        Args:
            rule_name: A condition rule: "cpu_high".
            labels: The measured object: {"session": "s-0001"}; empty for the machine.
            value: The value, in the unit of its limit in the settings. None or NaN changes nothing.
            now: The time of the measurement.
            is_last: No other measurement will follow for now, so that the dwell of the rule would never end.

        Returns:
            The alert as it is now; an alert in state pending, which is not stored, while the condition has not lasted
            long enough; None if there is and was no problem.

        Raises:
            NotFoundError: There is no such rule.
            UsageError: The rule is an event's.
            SettingsError: The limits cannot be read.
        """
        from core.alerts.rule import Condition

        rule = _rule(rule_name)
        if not isinstance(rule, Condition):
            raise UsageError(f"{rule_name} is an event rule without a value: use fire() instead of observe().")
        fingerprint = fingerprint_of(rule_name, labels)
        if value is None or math.isnan(value):
            return self._store.documents.find(fingerprint)
        settings = self.limits
        threshold = rule.threshold(settings)
        summary = rule.summary(labels, value, threshold)
        reading = _reading(rule, labels, summary, now, value=value, threshold=threshold)
        dwell = AT_ONCE if is_last else Dwell.of_seconds(rule.for_seconds(settings), rule.clear_seconds(settings))
        is_breached = rule.is_breached(value, threshold)
        stored = self._store.documents.find(fingerprint)
        dwell = dwell if is_last else calmed(dwell, stored)
        step = next_step(
            stored, is_breached=is_breached, changed_at=self._known_since(fingerprint, now), dwell=dwell, now=now
        )
        if step is NextStep.WAIT:
            changed_at = self._since(fingerprint, now)
            return replace(reading, state=AlertState.PENDING, first_at=changed_at) if is_breached else stored
        self._count_flap(fingerprint, stored, is_back=is_breached)
        changed_at = self._changed_at.pop(fingerprint, now)
        if step is NextStep.FIRE:
            return self._store.fire(replace(reading, first_at=changed_at), Actor.engine())
        if step is NextStep.STILL_SO:
            return self._store.say_still_so(reading, self._n_flaps.pop(fingerprint, 0))
        if step is NextStep.RESOLVE:
            return self._resolve_by_itself(fingerprint, now, f"{rule.what} {rule.unit(value)} again")
        if step is NextStep.REARM:
            return self._store.rearm(fingerprint)
        return stored

    def fire(
        self,
        rule_name: str,
        *,
        labels: Mapping[str, str],
        summary: str,
        now: datetime,
        value: float | None = None,
        threshold: float | None = None,
        actor: Actor | None = None,
        dwell: Dwell = AT_ONCE,
    ) -> Alert:
        """Report an event: a failed gate, a failed epoch, a file that differs from its registration.

        While its alert is open, another event with the same rule and labels only updates it.

        Args:
            rule_name: An event rule: "gate_failed".
            labels: The affected object: {"session": "s-0001", "gate": "coverage"}.
            summary: The event, in one line for the operator.
            now: The time of the event.
            value: The value that caused the event, if there is one.
            threshold: The limit of the value.
            actor: The reporter; by default the engine.
            dwell: How long the event must recur, without a `clear` between, before it fires.

        Returns:
            The alert as it is now; an alert in state pending, which is not stored, during the dwell.

        Raises:
            NotFoundError: There is no such rule.
        """
        event = _reading(_rule(rule_name), labels, summary, now, value=value, threshold=threshold)
        stored = self._store.documents.find(event.fingerprint)
        if stored is not None and stored.state.is_open:
            self._count_flap(event.fingerprint, stored, is_back=True)
            self._changed_at.pop(event.fingerprint, None)
            after = self._store.say_still_so(event, self._n_flaps.get(event.fingerprint, 0))
            if after.revision != stored.revision:
                self._n_flaps.pop(event.fingerprint, None)
            return after
        event = replace(event, first_at=self._since(event.fingerprint, now))
        if not self._has_lasted(event.fingerprint, dwell.to_fire, now):
            return replace(event, state=AlertState.PENDING)
        return self._store.fire(event, actor or Actor.engine())

    def clear(
        self,
        rule_name: str,
        *,
        labels: Mapping[str, str],
        now: datetime,
        reason: str = "",
        dwell: Dwell = AT_ONCE,
    ) -> Alert | None:
        """Resolve the alert of a rule and labels because the problem is over; without an alert, do nothing.

        Args:
            rule_name: An event rule: "gate_failed".
            labels: The affected object.
            now: The time.
            reason: The reason, for the audit log.
            dwell: How long the problem must stay away, without a `fire` between, before the alert resolves.

        Raises:
            NotFoundError: There is no such rule.
        """
        fingerprint = fingerprint_of(_rule(rule_name).name, labels)
        stored = self._store.documents.find(fingerprint)
        if stored is None or not stored.state.is_open:
            self._changed_at.pop(fingerprint, None)
            return self._store.rearm(fingerprint) if stored is not None and stored.outlasted else stored
        # Who clears at once says so once; only who says it again and again lets a flapping alert wait.
        dwell = dwell if dwell == AT_ONCE else calmed(dwell, stored)
        if not self._has_lasted(fingerprint, dwell.to_clear, now):
            return stored
        return self._resolve_by_itself(fingerprint, now, reason)

    def _count_flap(self, fingerprint: str, stored: Alert | None, *, is_back: bool) -> None:
        """Count that the problem of a flapping alert had ended for a moment and is back."""
        if is_back and stored is not None and stored.state.is_open and fingerprint in self._changed_at:
            if stored.is_flapping:
                self._n_flaps[fingerprint] = self._n_flaps.get(fingerprint, 0) + 1
        elif not is_back:
            self._n_flaps.pop(fingerprint, None)

    def _has_lasted(self, fingerprint: str, dwell: timedelta, now: datetime) -> bool:
        """Whether what contradicts the stored state has lasted for the dwell, which begins with the first call."""
        if now - self._since(fingerprint, now) < dwell:
            return False
        self._changed_at.pop(fingerprint)
        return True

    def _known_since(self, fingerprint: str, now: datetime) -> datetime | None:
        """Return since when something has contradicted the stored state; None if nothing has so far."""
        return self._since(fingerprint, now) if fingerprint in self._changed_at else None

    def _since(self, fingerprint: str, now: datetime) -> datetime:
        """Return since when something contradicts the stored state: since now, if nothing did so far.

        It is never later than now. After the clock was set back, the dwell begins anew; it would last for years else.
        """
        since = self._changed_at[fingerprint] = min(self._changed_at.get(fingerprint, now), now)
        return since

    def acknowledge(
        self, fingerprint: str, actor: Actor, expected_revision: int | None = None, *, reason: str = ""
    ) -> Alert:
        """Acknowledge an alert. It stays acknowledged while it lasts; a new firing starts unacknowledged.

        Args:
            fingerprint: The alert.
            actor: The operator who acknowledges it.
            expected_revision: The revision that the actor saw. Later revisions without a change of state do not count.
            reason: The reason, for the audit log.

        Raises:
            DocumentNotFoundError: There is no such alert.
            RefusedError: The alert is resolved, or acknowledged by someone else.
            StaleRevisionError: The alert was resolved, or fired again, since the actor looked.
        """
        expected = _of_one(fingerprint, expected_revision)
        return self.acknowledge_all([fingerprint], actor, expected, reason=reason)[0]

    def acknowledge_all(
        self,
        fingerprints: Sequence[str],
        actor: Actor,
        expected_revisions: Mapping[str, int] | None = None,
        *,
        reason: str = "",
    ) -> list[Alert]:
        """Acknowledge several alerts, or none if one of them refuses.

        Args:
            fingerprints: The alerts.
            actor: As in `acknowledge`.
            expected_revisions: The revisions that the actor saw, by fingerprint.
            reason: As in `acknowledge`.

        Raises:
            CoreError: The only alert refuses, as in `acknowledge`.
            NoneChangedError: One of several refuses.
        """
        now = self._clock()
        decide = _acknowledging(actor, now)
        return self._decide(fingerprints, "acknowledge", decide, actor, now, expected_revisions, reason)

    def snooze(
        self,
        fingerprint: str,
        actor: Actor,
        until: datetime,
        expected_revision: int | None = None,
        *,
        reason: str = "",
    ) -> Alert:
        """Keep the notifications of an alert back until a time; then it counts as before, without anybody's doing.

        A snooze outlasts a firing: an alert that resolves and fires again before the time stays snoozed.

        Args:
            fingerprint: The alert.
            actor: The operator who snoozes it.
            until: The end, after now.
            expected_revision: The revision that the actor saw, as in `acknowledge`.
            reason: The reason, for the audit log.

        Raises:
            DocumentNotFoundError: There is no such alert.
            UsageError: The end is not after now, or more than `MAX_SNOOZE` from now.
            RefusedError: The alert is resolved.
            StaleRevisionError: The alert has changed its state since the actor looked.
        """
        expected = _of_one(fingerprint, expected_revision)
        return self.snooze_all([fingerprint], actor, until, expected, reason=reason)[0]

    def snooze_all(
        self,
        fingerprints: Sequence[str],
        actor: Actor,
        until: datetime,
        expected_revisions: Mapping[str, int] | None = None,
        *,
        reason: str = "",
    ) -> list[Alert]:
        """Snooze several alerts, or none if one of them refuses; the arguments are as in `acknowledge_all`.

        Raises:
            CoreError: The end is unusable, or the only alert refuses, as in `snooze`.
            NoneChangedError: One of several refuses.
        """
        now = self._clock()
        decide = _snoozing(actor, until, now)
        return self._decide(fingerprints, "snooze", decide, actor, now, expected_revisions, reason)

    def comment(
        self, fingerprint: str, actor: Actor, text: str, expected_revision: int | None = None, *, reason: str = ""
    ) -> Alert:
        """Write a comment to an alert, open or resolved. The newest `MAX_COMMENTS` stay, in the audit log all of them.

        Args:
            fingerprint: The alert.
            actor: The author.
            text: The comment.
            expected_revision: The revision that the actor saw, as in `acknowledge`; rarely needed.
            reason: The reason, for the audit log; by default the comment.

        Raises:
            DocumentNotFoundError: There is no such alert.
            UsageError: The comment is empty or too long.
        """
        expected = _of_one(fingerprint, expected_revision)
        return self.comment_all([fingerprint], actor, text, expected, reason=reason)[0]

    def comment_all(
        self,
        fingerprints: Sequence[str],
        actor: Actor,
        text: str,
        expected_revisions: Mapping[str, int] | None = None,
        *,
        reason: str = "",
    ) -> list[Alert]:
        """Write the same comment to several alerts, or to none; the arguments are as in `acknowledge_all`.

        Raises:
            CoreError: The comment is unusable, or there is not the only alert, as in `comment`.
            NoneChangedError: One of several does not exist.
        """
        text = text.strip()
        if not text:
            raise UsageError("A comment must say something.")
        if len(text) > MAX_COMMENT:
            raise UsageError(f"The comment has {len(text):,} characters; it must have at most {MAX_COMMENT:,}.")
        now = self._clock()

        def decide(alert: Alert) -> dict[str, Any]:
            return {"comments": [*alert.comments, Comment(at=now, by=str(actor), text=text)][-MAX_COMMENTS:]}

        why = reason or cut(text)
        return self._decide(fingerprints, "comment", decide, actor, now, expected_revisions, why, is_of_state=False)

    def resolve(
        self, fingerprint: str, actor: Actor, expected_revision: int | None = None, *, reason: str = ""
    ) -> Alert:
        """Resolve an alert by hand: an event that was handled, a session that is gone.

        A condition that still holds, of a built-in rule or of a rule file, stays silent until it has ended; if it then
        returns, it fires again. An alert from elsewhere does so once its sender has ended it. An event fires again the
        next time it happens.

        Args:
            fingerprint: The alert.
            actor: The operator who resolves it.
            expected_revision: The revision that the actor saw, as in `acknowledge`.
            reason: The reason, for the audit log.

        Raises:
            DocumentNotFoundError: There is no such alert.
            RefusedError: The alert is already resolved.
            StaleRevisionError: The alert has changed its state since the actor looked.
        """
        expected = _of_one(fingerprint, expected_revision)
        return self.resolve_all([fingerprint], actor, expected, reason=reason)[0]

    def resolve_all(
        self,
        fingerprints: Sequence[str],
        actor: Actor,
        expected_revisions: Mapping[str, int] | None = None,
        *,
        reason: str = "",
    ) -> list[Alert]:
        """Resolve several alerts by hand, or none if one of them refuses; the arguments are as in `acknowledge_all`.

        Raises:
            CoreError: The only alert refuses, as in `resolve`.
            NoneChangedError: One of several refuses.
        """
        now = self._clock()
        decide = _resolving(now, by_hand=actor)
        resolved = self._decide(fingerprints, "resolve", decide, actor, now, expected_revisions, reason)
        for alert in resolved:
            self._changed_at.pop(alert.fingerprint, None)
        return resolved

    def _decide(
        self,
        fingerprints: Sequence[str],
        verb: str,
        decide: _Decide,
        actor: Actor,
        now: datetime,
        expected: Mapping[str, int] | None,
        reason: str,
        *,
        is_of_state: bool = True,
    ) -> list[Alert]:
        return self._store.change_all(
            fingerprints,
            f"alert.{verb}",
            decide,
            actor=actor,
            now=now,
            reason=reason,
            expected_revisions=expected,
            is_of_state=is_of_state,
        )

    def _resolve_by_itself(self, fingerprint: str, now: datetime, reason: str) -> Alert:
        actor = Actor.engine()
        try:
            return self._store.change(
                fingerprint, "alert.resolve", _resolving(now), actor=actor, now=now, reason=reason
            )
        except RefusedError:  # an operator resolved it a moment earlier
            return self._store.documents.get(fingerprint)

    @property
    def limits(self) -> AlertSettings:
        """The limits and dwells: those of now, or as they were read on first use."""
        if self._current is not None:
            return self._current.read().alerts
        if self._settings is None:
            self._settings = settings_in_force(self._workspace.root).alerts
        return self._settings


def _of_one(fingerprint: str, expected_revision: int | None) -> Mapping[str, int]:
    return {} if expected_revision is None else {fingerprint: expected_revision}


def _acknowledging(actor: Actor, now: datetime) -> _Decide:
    def decide(alert: Alert) -> dict[str, Any]:
        if alert.state is AlertState.RESOLVED:
            raise RefusedError(f"This alert is resolved already: {alert.summary}.")
        if alert.state is AlertState.ACKNOWLEDGED:
            raise RefusedError(f"{alert.acknowledged_by} has already acknowledged this alert: {alert.summary}.")
        return {"state": AlertState.ACKNOWLEDGED, "acknowledged_by": str(actor), "acknowledged_at": now}

    return decide


def _snoozing(actor: Actor, until: datetime, now: datetime) -> _Decide:
    if until.tzinfo is None:
        raise UsageError("The end of a snooze must say its offset from UTC, such as 2026-03-01T06:00:00Z.")
    if not now < until <= now + MAX_SNOOZE:
        raise UsageError(
            f"A snooze must end after now and within {MAX_SNOOZE.days} days, not at {until:%Y-%m-%d %H:%M} UTC."
        )

    def decide(alert: Alert) -> dict[str, Any]:
        if alert.state is AlertState.RESOLVED:
            raise RefusedError(f"This alert is resolved already: {alert.summary}.")
        return {"snoozed_until": until, "snoozed_by": str(actor)}

    return decide


def _resolving(now: datetime, *, by_hand: Actor | None = None) -> _Decide:
    def decide(alert: Alert) -> dict[str, Any]:
        if alert.state is AlertState.RESOLVED:
            raise RefusedError(f"This alert is resolved already: {alert.summary}.")
        resolved = {"state": AlertState.RESOLVED, "resolved_at": now}
        if by_hand is not None:  # a condition that had ended would have resolved its alert already
            resolved |= {"resolved_by": str(by_hand), "outlasted": returning_of(alert).outlasts}
        return resolved

    return decide


def _rule(name: str) -> "Rule":
    from core.alerts.rules import find_rule  # listing alerts needs no rules

    return find_rule(name)


def _reading(
    rule: "Rule",
    labels: Mapping[str, str],
    summary: str,
    now: datetime,
    *,
    value: float | None,
    threshold: float | None,
) -> Alert:
    """Return the observation as the alert that it would become."""
    return Alert(
        fingerprint=fingerprint_of(rule.name, labels),
        rule=rule.name,
        severity=rule.severity,
        state=AlertState.FIRING,
        summary=summary,
        advice=rule.advice,
        labels=dict(labels),
        value=None if value is None else alert_value(value),
        threshold=None if threshold is None else alert_value(threshold),
        first_at=now,
        last_at=now,
    )
