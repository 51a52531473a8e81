"""Alert documents and the audited steps between their states."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from core.actor import Actor
from core.alerts.alert import Alert, AlertState
from core.alerts.flapping import flapped, incident_of
from core.alerts.lifecycle import STILL_SO_EVERY
from core.alerts.together import Faults
from core.clock import Clock
from core.governance.audit import audited
from core.governance.outbox import AuditedChange
from core.state.errors import DocumentNotFoundError

if TYPE_CHECKING:
    from core.state import Documents, Workspace

DATABASE = "alerts"
KEEP_RESOLVED = timedelta(days=30)
KEEP_RESOLVED_COUNT = 200

_FACTS = (
    "state",
    "summary",
    "value",
    "threshold",
    "n_fired",
    "n_flaps",
    "acknowledged_by",
    "resolved_by",
    "snoozed_until",
)
"""The audited fields of a step; the rest of the document is in the state file."""


class AlertStore:
    """The alerts of one workspace, by fingerprint. Every change of state is audited."""

    def __init__(self, workspace: "Workspace", clock: Clock) -> None:
        self._workspace = workspace
        self._clock = clock

    @property
    def documents(self) -> "Documents[Alert]":
        """All alerts; reading costs one stat call while nothing changes."""
        return self._workspace.database(DATABASE).documents("alerts", Alert, key="fingerprint")

    def get(self, fingerprint: str) -> Alert:
        """Return an alert.

        Raises:
            DocumentNotFoundError: There is no such alert; the message has names that people know.
        """
        try:
            return self.documents.get(fingerprint)
        except DocumentNotFoundError:
            names = (alert.full_name for alert in self.documents.all())
            raise DocumentNotFoundError("alerts", fingerprint, names) from None

    def fire(self, alert: Alert, actor: Actor) -> Alert:
        """Store a firing: as a new document, or by reopening the existing document.

        If another process fired it at the same moment, the other firing is kept and returned.
        """
        try:
            with audited(self._workspace, DATABASE, actor=actor, clock=self._clock) as change:
                documents = self.documents
                before = documents.find(alert.fingerprint)
                if before is not None and before.state.is_open:
                    raise _AlreadyOpenError
                author = {"updated_by": str(actor), "updated_at": alert.last_at}
                if before is None:
                    first = incident_of(None, alert)
                    fired = documents.insert(replace(alert, **author, **first, decided_revision=1))
                else:
                    incident = incident_of(before, alert)
                    fired = documents.replace(
                        replace(
                            alert,
                            **author,
                            **incident,
                            n_fired=before.n_fired + 1,
                            comments=before.comments,
                            snoozed_until=before.snoozed_until,
                            snoozed_by=before.snoozed_by,
                            decided_revision=before.revision + 1,
                            revision=before.revision,
                        )
                    )
                _record(change, "alert.fire", before, fired)
                self.prune(change, alert.last_at)
                return fired
        except _AlreadyOpenError:
            return self.documents.get(alert.fingerprint)

    def say_still_so(self, reading: Alert, n_flaps: int = 0) -> Alert:
        """Update the time and value of an open alert, at most once a minute unless its message changes.

        No decision is made, so this is the only change without an audit record.

        Args:
            reading: The alert as seen now.
            n_flaps: How often the problem came back since the last update, each time too briefly ended to resolve.
        """
        with self._workspace.database(DATABASE).transaction():
            current = self.documents.get(reading.fingerprint)
            is_fresh = reading.last_at - current.last_at < STILL_SO_EVERY
            if not current.state.is_open or (is_fresh and reading.summary == current.summary):
                return current
            told = ("last_at", "summary", "value", "threshold", "annotations", "expr", "source", "generator_url")
            news = {name: getattr(reading, name) for name in told} | flapped(current, n_flaps, reading.last_at)
            return self.documents.replace(replace(current, **news))

    def rearm(self, fingerprint: str) -> Alert:
        """Note that the condition of an alert has ended that a person had resolved; no decision, so no audit record."""
        with self._workspace.database(DATABASE).transaction():
            return self.documents.replace(replace(self.documents.get(fingerprint), outlasted=False))

    def change(
        self,
        fingerprint: str,
        verb: str,
        decide: Callable[[Alert], dict[str, Any]],
        *,
        actor: Actor,
        now: datetime,
        reason: str = "",
    ) -> Alert:
        """Make one decision about an alert in its current state; see `change_all`."""
        return self.change_all([fingerprint], verb, decide, actor=actor, now=now, reason=reason)[0]

    def change_all(
        self,
        fingerprints: Sequence[str],
        verb: str,
        decide: Callable[[Alert], dict[str, Any]],
        *,
        actor: Actor,
        now: datetime,
        reason: str = "",
        expected_revisions: Mapping[str, int] | None = None,
        is_of_state: bool = True,
    ) -> list[Alert]:
        """Make the same decision about alerts in one transaction: about all of them, or about none.

        Args:
            fingerprints: The alerts; one that is given twice counts once.
            verb: The audit verb of the decision.
            decide: Returns the fields of an alert that change, or raises to refuse.
            actor: The author of the decision.
            now: The time of the decision.
            reason: The reason, for the audit log.
            expected_revisions: By fingerprint, the revisions that the actor saw; later revisions without a change of
                state do not count.
            is_of_state: Whether others who looked before must look again; a comment takes nothing from them.

        Raises:
            DocumentNotFoundError: There is no such alert, and no other was given.
            StaleRevisionError: The state of the only alert has changed since the actor looked.
            RefusedError: The only alert refuses.
            NoneChangedError: One of several does not exist, has changed, or refuses; each is told.
        """
        expected, faults = expected_revisions or {}, Faults("alert", "changed")
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            documents, changes = self.documents, list[tuple[Alert, Alert]]()
            for name in dict.fromkeys(fingerprints):
                with faults.of(name) as fault:
                    before = self.get(name)
                    fault.name = before.full_name
                    if expected.get(name, before.decided_revision) < before.decided_revision:
                        documents.replace(before, expected_revision=expected[name])  # raises, with the changed fields
                    decided = {**decide(before), "updated_by": str(actor), "updated_at": now}
                    revision = before.revision + 1 if is_of_state else before.decided_revision
                    changes.append((before, replace(before, **decided, decided_revision=revision)))
            faults.refuse()
            changed = [documents.replace(after) for _, after in changes]
            for (before, _), after in zip(changes, changed, strict=True):
                _record(change, verb, before, after)
            if any(after.state is AlertState.RESOLVED for after in changed):
                self.prune(change, now)
            return changed

    def prune(self, change: AuditedChange, now: datetime) -> None:
        """Remove resolved alerts that are old, or too many; part of a change that is recorded anyway."""
        resolved = [alert for alert in self.documents.all() if not alert.state.is_open]
        resolved.sort(key=lambda alert: alert.resolved_at or alert.last_at, reverse=True)
        old = [
            alert
            for i, alert in enumerate(resolved)
            if i >= KEEP_RESOLVED_COUNT or now - (alert.resolved_at or alert.last_at) > KEEP_RESOLVED
        ]
        if old:
            self.documents.remove_all(alert.fingerprint for alert in old)
            change.record("alert.prune", "alerts", before={alert.fingerprint: alert.summary for alert in old})


class _AlreadyOpenError(Exception):
    """Ends a transaction that has nothing to change."""


def _record(change: AuditedChange, verb: str, before: Alert | None, after: Alert) -> None:
    facts = [None if alert is None else {fact: getattr(alert, fact) for fact in _FACTS} for alert in (before, after)]
    change.record(verb, after.full_name, before=facts[0], after=facts[1], model=after.labels.get("model"))
