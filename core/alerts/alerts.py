"""The alerts of a workspace: fired and resolved by the engine, acknowledged by people, every decision audited."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from core.actor import Actor
from core.alerts.alert import Alert, AlertState, fingerprint_of
from core.alerts.lifecycle import Dwell, NextStep, next_step
from core.alerts.store import AlertStore
from core.clock import Clock, utc_now
from core.errors import RefusedError, UsageError
from core.settings import AlertSettings, load_settings

if TYPE_CHECKING:
    from core.alerts.rule import AlertSubject, Rule
    from core.state import Workspace


class Alerts:
    """One document per fingerprint (rule and labels), so that a thing that is wrong is told once.

    The engine keeps one instance: how long a condition has lasted before it counts is known to that alone. Looking
    at a condition that has not changed writes nothing.
    """

    def __init__(
        self, workspace: "Workspace", *, settings: AlertSettings | None = None, clock: Clock = utc_now
    ) -> None:
        """Open the alerts.

        Args:
            workspace: Where they are kept.
            settings: The limits; those of the workspace's `bondx.yaml` when not given, read when first needed.
            clock: The time of what people do; the engine passes its own `now`.
        """
        self._workspace = workspace
        self._settings = settings
        self._clock = clock
        self._store = AlertStore(workspace, clock)
        self._changed_at: dict[str, datetime] = {}

    def all(self) -> list[Alert]:
        """Return every alert, those resolved lately included, newest firing first."""
        return sorted(self._store.documents.all(), key=lambda alert: alert.first_at, reverse=True)

    def open(self) -> list[Alert]:
        """Return what is wrong now, acknowledged or not: the worst first, then the newest."""
        return sorted(
            (alert for alert in self.all() if alert.state.is_open), key=lambda alert: alert.severity.rank, reverse=True
        )

    def judge(self, subject: "AlertSubject", seen: Any, *, labels: Mapping[str, str], now: datetime) -> None:
        """Evaluate every condition on a subject.

        Args:
            subject: The kind of subject: a sample of the machine, an epoch.
            seen: The sample, or the record of the epoch.
            labels: What the values are of, as in `observe`.
            now: When it was measured.

        Raises:
            SettingsError: The limits cannot be read.
        """
        from core.alerts.rules import conditions_of

        for rule in conditions_of(subject):
            self.observe(rule.name, labels=labels, value=rule.read(seen), now=now)

    def observe(self, rule_name: str, *, labels: Mapping[str, str], value: float | None, now: datetime) -> Alert | None:
        """Look at the value a condition rule watches; fire, keep or resolve its alert.

        Args:
            rule_name: A condition rule: "cpu_high".
            labels: What the value is of: {"session": "s-0001"}; nothing for the machine.
            value: The value, in the unit of its limit in the settings. None or NaN says nothing and changes nothing.
            now: When it was measured.

        Returns:
            The alert as it is now; one that is not stored, in state pending, while the condition has not lasted
            long enough; None if nothing is or was wrong.

        Raises:
            NotFoundError: There is no such rule.
            UsageError: The rule is an event's.
            SettingsError: The limits cannot be read.
        """
        from core.alerts.rule import Condition

        rule = _rule(rule_name)
        if not isinstance(rule, Condition):
            raise UsageError(f"{rule_name} is an event and has no value to observe; fire it.")
        fingerprint = fingerprint_of(rule_name, labels)
        if value is None or math.isnan(value):
            return self._store.documents.find(fingerprint)
        settings = self._limits()
        threshold = rule.threshold(settings)
        summary = rule.summary(labels, value, threshold)
        reading = _reading(rule, labels, summary, now, value=value, threshold=threshold)
        dwell = Dwell(timedelta(seconds=rule.for_seconds(settings)), timedelta(seconds=rule.clear_seconds(settings)))
        is_breached = rule.is_breached(value, threshold)
        stored = self._store.documents.find(fingerprint)
        step = next_step(
            stored, is_breached=is_breached, changed_at=self._changed_at.get(fingerprint), dwell=dwell, now=now
        )
        if step is NextStep.WAIT:
            changed_at = self._changed_at.setdefault(fingerprint, now)
            return replace(reading, state=AlertState.PENDING, first_at=changed_at) if is_breached else stored
        changed_at = self._changed_at.pop(fingerprint, now)
        if step is NextStep.FIRE:
            return self._store.fire(replace(reading, first_at=changed_at), Actor.engine())
        if step is NextStep.STILL_SO:
            return self._store.say_still_so(reading)
        if step is NextStep.RESOLVE:
            return self._resolve_by_itself(fingerprint, now, f"{rule.what} {rule.unit(value)} again")
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
    ) -> Alert:
        """Tell of an event: a failed gate, a failed epoch, a file that is not as registered.

        While its alert is open, another event of the same rule and labels only brings it up to date.

        Args:
            rule_name: An event rule: "gate_failed".
            labels: To what it happened: {"session": "s-0001", "gate": "coverage"}.
            summary: What happened, in one line for the operator.
            now: When.
            value: The value that made it happen, if there is one.
            threshold: And its limit.
            actor: Who noticed; the engine when not given.

        Raises:
            NotFoundError: There is no such rule.
        """
        event = _reading(_rule(rule_name), labels, summary, now, value=value, threshold=threshold)
        stored = self._store.documents.find(event.fingerprint)
        if stored is not None and stored.state.is_open:
            return self._store.say_still_so(event)
        return self._store.fire(event, actor or Actor.engine())

    def clear(self, rule_name: str, *, labels: Mapping[str, str], now: datetime, reason: str = "") -> Alert | None:
        """Resolve the alert of a rule and labels because all is well again; without one, do nothing.

        Raises:
            NotFoundError: There is no such rule.
        """
        fingerprint = fingerprint_of(_rule(rule_name).name, labels)
        self._changed_at.pop(fingerprint, None)
        stored = self._store.documents.find(fingerprint)
        if stored is None or not stored.state.is_open:
            return stored
        return self._resolve_by_itself(fingerprint, now, reason)

    def acknowledge(
        self, fingerprint: str, actor: Actor, expected_revision: int | None = None, *, reason: str = ""
    ) -> Alert:
        """Take an alert on. It stays acknowledged while it lasts; a new firing calls again.

        Args:
            fingerprint: Which.
            actor: Who takes it on.
            expected_revision: The revision the actor saw. Later ones that only say "still so" do not count.
            reason: A word for the log.

        Raises:
            DocumentNotFoundError: There is no such alert.
            RefusedError: It is resolved, or somebody else has taken it on.
            StaleRevisionError: It has resolved, or fired again, since the actor looked.
        """
        now = self._clock()

        def decide(alert: Alert) -> dict[str, Any]:
            if alert.state is AlertState.RESOLVED:
                raise RefusedError(f"This alert is resolved already: {alert.summary}.")
            if alert.state is AlertState.ACKNOWLEDGED:
                raise RefusedError(f"{alert.acknowledged_by} has taken it on already: {alert.summary}.")
            return {"state": AlertState.ACKNOWLEDGED, "acknowledged_by": str(actor), "acknowledged_at": now}

        return self._store.change(
            fingerprint,
            "alert.acknowledge",
            decide,
            actor=actor,
            now=now,
            reason=reason,
            expected_revision=expected_revision,
        )

    def resolve(
        self, fingerprint: str, actor: Actor, expected_revision: int | None = None, *, reason: str = ""
    ) -> Alert:
        """Close an alert by hand: an event that was dealt with, a session that is gone.

        A condition that still holds fires again when it is next looked at.

        Args:
            fingerprint: Which.
            actor: Who closes it.
            expected_revision: The revision the actor saw, as in `acknowledge`.
            reason: Why, for the log.

        Raises:
            DocumentNotFoundError: There is no such alert.
            RefusedError: It is resolved already.
            StaleRevisionError: It has changed its state since the actor looked.
        """
        self._changed_at.pop(fingerprint, None)
        return self._resolve(fingerprint, actor, self._clock(), reason, expected_revision)

    def _resolve_by_itself(self, fingerprint: str, now: datetime, reason: str) -> Alert:
        try:
            return self._resolve(fingerprint, Actor.engine(), now, reason)
        except RefusedError:  # an operator was a moment faster
            return self._store.documents.get(fingerprint)

    def _resolve(
        self, fingerprint: str, actor: Actor, now: datetime, reason: str, expected_revision: int | None = None
    ) -> Alert:
        def decide(alert: Alert) -> dict[str, Any]:
            if alert.state is AlertState.RESOLVED:
                raise RefusedError(f"This alert is resolved already: {alert.summary}.")
            return {"state": AlertState.RESOLVED, "resolved_at": now}

        return self._store.change(
            fingerprint,
            "alert.resolve",
            decide,
            actor=actor,
            now=now,
            reason=reason,
            expected_revision=expected_revision,
        )

    def _limits(self) -> AlertSettings:
        if self._settings is None:
            self._settings = load_settings(self._workspace.settings_file).alerts
        return self._settings


def _rule(name: str) -> "Rule":
    from core.alerts.rules import find_rule  # whoever only lists alerts needs no rules

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
    """Spell what was just seen as the alert it would be."""
    return Alert(
        fingerprint=fingerprint_of(rule.name, labels),
        rule=rule.name,
        severity=rule.severity,
        state=AlertState.FIRING,
        summary=summary,
        advice=rule.advice,
        labels=dict(labels),
        value=value,
        threshold=threshold,
        first_at=now,
        last_at=now,
    )
