"""The history of an alert: its firings, decisions, comments and resolutions, with who and when."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from core.actor import Actor
from core.alerts.alert import Alert

if TYPE_CHECKING:
    from core.governance import AuditRecord
    from core.state import Workspace

MAX_ENTRIES = 200
REACH = timedelta(days=30)
"""How far back the audit log is read before the alert was last seen: as long as a resolved alert is kept."""
_KINDS = {
    "alert.fire": "fired",
    "alert.acknowledge": "acknowledged",
    "alert.snooze": "snoozed",
    "alert.comment": "commented",
    "alert.resolve": "resolved",
}


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One step in the life of an alert."""

    at: datetime
    kind: str  # "fired", "acknowledged", "snoozed", "commented", "resolved", "notified"
    by: str  # a person, the engine, or the receiver of a notification
    text: str = ""  # the summary, the reason, the comment, or the result of a notification


def history_of(workspace: "Workspace", alert: Alert, *, limit: int = MAX_ENTRIES) -> list[HistoryEntry]:
    """Return the newest steps in the life of an alert, oldest first.

    The audit log tells who did what. Where it no longer reaches, or was damaged, the document of the alert tells what
    it still holds.

    Args:
        workspace: The workspace of the alert.
        alert: The alert.
        limit: The maximum number of steps.
    """
    from core.governance import AuditFilter, AuditLog

    wanted = AuditFilter(verb="alert.*", object=alert.full_name, since=alert.last_at - REACH)
    # The filter finds a part of a name: other alerts of the rule are left out here.
    found = [record for record in AuditLog(workspace).search(wanted, limit=10 * limit) if _is_about(record, alert)]
    told = [_entry_of(record) for record in reversed(found[:limit])]
    told += _notifications(workspace, alert)
    entries = [*told, *(entry for entry in steps_in_document(alert) if not _is_told(entry, told))]
    return sorted(entries, key=lambda entry: entry.at)[-limit:]


def _notifications(workspace: "Workspace", alert: Alert) -> list[HistoryEntry]:
    """Return what was told of the alert, to whom, and with which result."""
    from core.alerts.delivery.outbox import Outbox

    return [
        HistoryEntry(
            at=delivery.ended_at or delivery.created_at,
            kind="notified",
            by=delivery.channel,
            text=f"{'escalation, ' if delivery.reason == 'escalation' else ''}{delivery.status}: {delivery.state}",
        )
        for delivery in Outbox(workspace).of_alert(alert.fingerprint)
    ]


def _is_about(record: "AuditRecord", alert: Alert) -> bool:
    return record.object == alert.full_name and record.verb in _KINDS


def _entry_of(record: "AuditRecord") -> HistoryEntry:
    text, after = record.reason, record.after if isinstance(record.after, dict) else {}
    if record.verb == "alert.fire":
        text = str(after.get("summary", text))
    elif record.verb == "alert.snooze":
        text = "; ".join(filter(None, (f"until {after.get('snoozed_until', '')}", text)))
    return HistoryEntry(at=record.at, kind=_KINDS[record.verb], by=record.actor, text=text)


def steps_in_document(alert: Alert) -> list[HistoryEntry]:
    """Return the steps that the document of an alert holds by itself, which costs no reading; in no order."""
    engine = str(Actor.engine())
    entries = [HistoryEntry(at=at, kind="fired", by=engine) for at in alert.firings or [alert.first_at]]
    entries += [HistoryEntry(at=each.at, kind="commented", by=each.by, text=each.text) for each in alert.comments]
    if alert.acknowledged_by and alert.acknowledged_at:
        entries.append(HistoryEntry(at=alert.acknowledged_at, kind="acknowledged", by=alert.acknowledged_by))
    if alert.resolved_at:
        entries.append(HistoryEntry(at=alert.resolved_at, kind="resolved", by=alert.resolved_by or engine))
    return entries


def _is_told(entry: HistoryEntry, told: list[HistoryEntry]) -> bool:
    """Whether the audit log has the step: a firing is recorded there once its dwell is over, later than it began."""
    same = [other for other in told if other.kind == entry.kind]
    if entry.kind == "commented":
        return any(other.by == entry.by and abs(other.at - entry.at) < timedelta(seconds=5) for other in same)
    return bool(same)
