"""Alert documents and the audited steps between their states."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from core.actor import Actor
from core.alerts.alert import Alert, AlertState
from core.alerts.lifecycle import STILL_SO_EVERY
from core.clock import Clock
from core.governance.audit import audited
from core.governance.outbox import AuditedChange

if TYPE_CHECKING:
    from core.state import Documents, Workspace

DATABASE = "alerts"
KEEP_RESOLVED = timedelta(days=30)
KEEP_RESOLVED_COUNT = 200

_FACTS = ("state", "summary", "value", "threshold", "n_fired", "acknowledged_by")
"""What an auditor asks of a step; the rest of the document is in the state file."""


class AlertStore:
    """The alerts of one workspace, by fingerprint. Every change of state is audited."""

    def __init__(self, workspace: "Workspace", clock: Clock) -> None:
        self._workspace = workspace
        self._clock = clock

    @property
    def documents(self) -> "Documents[Alert]":
        """All of them; reading costs one stat call while nothing changes."""
        return self._workspace.database(DATABASE).documents("alerts", Alert, key="fingerprint")

    def fire(self, alert: Alert, actor: Actor) -> Alert:
        """Store a firing: a new document, or the old one called to life again.

        Should another process have fired it in the same moment, that firing stands and is returned.
        """
        try:
            with audited(self._workspace, DATABASE, actor=actor, clock=self._clock) as change:
                documents = self.documents
                before = documents.find(alert.fingerprint)
                if before is not None and before.state.is_open:
                    raise _AlreadyOpenError
                author = {"updated_by": str(actor), "updated_at": alert.last_at}
                if before is None:
                    fired = documents.insert(replace(alert, **author, decided_revision=1))
                else:
                    n_fired, revision = before.n_fired + 1, before.revision
                    again = replace(alert, **author, n_fired=n_fired, decided_revision=revision + 1, revision=revision)
                    fired = documents.replace(again)
                _record(change, "alert.fire", before, fired)
                self._prune(change, alert.last_at)
                return fired
        except _AlreadyOpenError:
            return self.documents.get(alert.fingerprint)

    def say_still_so(self, reading: Alert) -> Alert:
        """Bring the time and value of an open alert up to date, at most once a minute unless it says something new.

        No decision is made, so this is the one change that leaves no audit record.
        """
        with self._workspace.database(DATABASE).transaction():
            current = self.documents.get(reading.fingerprint)
            is_fresh = reading.last_at - current.last_at < STILL_SO_EVERY
            if not current.state.is_open or (is_fresh and reading.summary == current.summary):
                return current
            news = {name: getattr(reading, name) for name in ("last_at", "summary", "value", "threshold")}
            return self.documents.replace(replace(current, **news))

    def change(
        self,
        fingerprint: str,
        verb: str,
        decide: Callable[[Alert], dict[str, Any]],
        *,
        actor: Actor,
        now: datetime,
        reason: str = "",
        expected_revision: int | None = None,
    ) -> Alert:
        """Make one decision about an alert, on the alert as it is now.

        Args:
            fingerprint: Which alert.
            verb: The word of the audit log for the decision.
            decide: Turns the alert into the fields that change, or raises to refuse.
            actor: Who decides.
            now: When.
            reason: Why.
            expected_revision: The revision the actor saw; later ones that only say "still so" do not count.

        Raises:
            DocumentNotFoundError: There is no such alert.
            StaleRevisionError: Its state has changed since the actor looked.
        """
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            documents = self.documents
            before = documents.get(fingerprint)
            if expected_revision is not None and expected_revision < before.decided_revision:
                documents.replace(before, expected_revision=expected_revision)  # refused, with what has changed
            decided = {**decide(before), "updated_by": str(actor), "updated_at": now}
            after = documents.replace(replace(before, **decided, decided_revision=before.revision + 1))
            _record(change, verb, before, after)
            if after.state is AlertState.RESOLVED:
                self._prune(change, now)
            return after

    def _prune(self, change: AuditedChange, now: datetime) -> None:
        resolved = [alert for alert in self.documents.all() if not alert.state.is_open]
        resolved.sort(key=lambda alert: alert.resolved_at or alert.last_at, reverse=True)
        old = [
            alert
            for i, alert in enumerate(resolved)
            if i >= KEEP_RESOLVED_COUNT or now - (alert.resolved_at or alert.last_at) > KEEP_RESOLVED
        ]
        for alert in old:
            self.documents.remove(alert.fingerprint)
        if old:
            change.record("alert.prune", "alerts", before={alert.fingerprint: alert.summary for alert in old})


class _AlreadyOpenError(Exception):
    """Leaves a transaction that has nothing to change."""


def _record(change: AuditedChange, verb: str, before: Alert | None, after: Alert) -> None:
    labels = ",".join(f"{name}={value}" for name, value in sorted(after.labels.items()))
    facts = [None if alert is None else {fact: getattr(alert, fact) for fact in _FACTS} for alert in (before, after)]
    change.record(verb, f"{after.rule}{{{labels}}}" if labels else after.rule, before=facts[0], after=facts[1])
