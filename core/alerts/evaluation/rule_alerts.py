"""The alert documents of rule files: fired, confirmed and resolved through the store of all alerts."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from core.actor import Actor
from core.alerts.alert import Alert, AlertState, Severity, alert_value, fingerprint_of, value_words
from core.alerts.flapping import calmed
from core.alerts.lifecycle import STILL_SO_EVERY, Dwell
from core.alerts.rule_files import AlertingRule
from core.alerts.store import AlertStore
from core.clock import Clock
from core.errors import RefusedError

if TYPE_CHECKING:
    from core.state import Workspace

SOURCE = "rules:"
"""How the source of an alert of a rule file begins; the file and the group follow."""


class RuleAlerts:
    """What the alerts of rules are to people: one document each, audited like those of the built-in rules."""

    def __init__(self, workspace: "Workspace", clock: Clock) -> None:
        self._store = AlertStore(workspace, clock)

    def find(self, rule: str, labels: Mapping[str, str]) -> Alert | None:
        """Return the alert of a rule and labels as it is stored."""
        return self._store.documents.find(fingerprint_of(rule, labels))

    def open_of_rule_files(self) -> list[Alert]:
        """Return the open alerts that came of rule files, and those that a person resolved before they ended."""
        return [
            alert
            for alert in self._store.documents.all()
            if alert.source.startswith(SOURCE) and (alert.state.is_open or alert.outlasted)
        ]

    def keep_firing(self, rule: AlertingRule, labels: Mapping[str, str]) -> float:
        """Return for how many seconds an alert fires on after its series ended: longer for a flapping one."""
        dwell = Dwell(rule.for_, rule.keep_firing_for)
        return calmed(dwell, self.find(rule.name, labels)).to_clear.total_seconds()

    def is_news(self, rule: str, labels: Mapping[str, str], now: datetime) -> bool:
        """Whether `hold` would change anything, so that the texts of the alert are needed."""
        stored = self.find(rule, labels)
        if stored is None:
            return True
        if stored.state.is_open:
            return now - stored.last_at >= STILL_SO_EVERY
        return not stored.outlasted

    def hold(self, alert: Alert) -> None:
        """Fire an alert, or confirm it while it is open. One that a person resolved stays so until it ended."""
        stored = self._store.documents.find(alert.fingerprint)
        if stored is None or not (stored.state.is_open or stored.outlasted):
            self._store.fire(alert, Actor.engine())
        elif stored.state.is_open and alert.last_at - stored.last_at >= STILL_SO_EVERY:
            self._store.say_still_so(alert)

    def end(self, fingerprint: str, now: datetime, reason: str) -> None:
        """Resolve an alert; without an open one, do nothing."""
        stored = self._store.documents.find(fingerprint)
        if stored is None:
            return
        if stored.outlasted:
            self._store.rearm(fingerprint)
        if not stored.state.is_open:
            return

        def decide(alert: Alert) -> dict[str, Any]:
            if alert.state is AlertState.RESOLVED:
                raise RefusedError(f"This alert is resolved already: {alert.summary}.")
            return {"state": AlertState.RESOLVED, "resolved_at": now}

        try:
            self._store.change(fingerprint, "alert.resolve", decide, actor=Actor.engine(), now=now, reason=reason)
        except RefusedError:  # an operator resolved it a moment earlier
            return


def alert_of(
    rule: AlertingRule,
    source: str,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    *,
    value: float,
    active_at: datetime,
    now: datetime,
) -> Alert:
    """Return the alert of one series of a rule.

    Args:
        rule: The rule.
        source: "rules:FILE:GROUP".
        labels: Those of the alert.
        annotations: Expanded.
        value: Of the expression.
        active_at: Since when the expression returns it.
        now: The instant of the evaluation.
    """
    named = labels.get("severity", "")
    about = ", ".join(f"{name}={text}" for name, text in labels.items() if name != "severity")
    summary = annotations.get("summary") or annotations.get("message") or annotations.get("description")
    description = annotations.get("description", "")
    return Alert(
        fingerprint=fingerprint_of(rule.name, labels),
        rule=rule.name,
        severity=Severity(named) if named in tuple(Severity) else Severity.WARNING,
        state=AlertState.FIRING,
        summary=one_line(summary or f"{rule.name} {about}".strip() + f" at {value_words(alert_value(value))}"),
        advice=one_line(annotations.get("advice") or (description if description != summary else "")),
        labels=dict(labels),
        value=alert_value(value),
        first_at=active_at,
        last_at=now,
        annotations=dict(annotations),
        source=source,
        expr=rule.expression.text,
    )


def one_line(text: str) -> str:
    """Return a text in one line.

    >>> one_line("a  b\\n c")
    'a b c'
    """
    return " ".join(text.split())
