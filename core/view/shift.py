"""The summary of a shift: what fired, who took it, what was changed, and who was here, from the audit log."""

import pwd
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from core.actor import Origin
from core.errors import UsageError

if TYPE_CHECKING:
    from core.alerts import Alert
    from core.governance import AuditRecord
    from core.state import Workspace

USUAL_LENGTH: Final = timedelta(hours=8)
SHORTEST: Final = timedelta(hours=1)
"""Who left less long ago asks for the shift, and not for the few minutes without it."""
MAX_RECORDS: Final = 50_000
"""The most records that are read, the newest: a shift of a busy workspace has a few thousand."""
MAX_ITEMS: Final = 200
"""The most items of each kind that are listed, the newest; all are counted."""
_DECISIONS: Final = {
    "alert.acknowledge": "acknowledged",
    "alert.snooze": "snoozed",
    "alert.comment": "commented on",
    "alert.resolve": "resolved",
    "silence.add": "silenced",
    "silence.expire": "expired the silence",
}
_OF_ENGINE: Final = ("version.", "rollout.", "alias.", "approval.")
"""The changes that the engine makes by itself and that everybody must know: they decide what answers requests."""
_STEPS: Final = frozenset({"rollout.recollect", "rollout.begin", "version.adopt", "version.reclaim", "rollout.prune"})
"""Of these the engine records many, and none decides anything."""
_PRESENCE: Final = frozenset({"engine.acquire", "engine.release"})


class FiredAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert that fired in the shift."""

    name: str  # rule and labels
    fingerprint: str  # "" if the alert is not kept any more
    summary: str
    severity: str  # "" if the alert is not kept any more
    state: str  # now: firing, acknowledged, resolved, or "forgotten"
    n_fired: int  # within the shift
    first_at: datetime
    last_at: datetime


class ShiftEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One decision or change."""

    at: datetime
    who: str
    what: str  # "acknowledged", "version.promote"
    object: str
    reason: str = ""


class ShiftPerson(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who acted or ran an engine in the shift."""

    who: str
    n_changes: int
    first_at: datetime
    last_at: datetime
    through: tuple[str, ...]  # console, cli, api


class ShiftSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in a workspace between two instants; every list has the newest first."""

    since: datetime
    until: datetime
    fired: tuple[FiredAlert, ...]
    still_firing: int  # alerts that fire now, also those that fired before
    checked_until: datetime | None = None  # since when no engine evaluates whether they do; None while one does
    decisions: tuple[ShiftEntry, ...]  # of people, about alerts
    changes: tuple[ShiftEntry, ...]
    people: tuple[ShiftPerson, ...]
    counts: Mapping[str, int]  # fired, decisions, changes, people: also of what is not listed
    is_cut: bool = False  # the shift has more records than are read: its beginning is missing

    @property
    def is_quiet(self) -> bool:
        """Whether nothing happened that somebody must know."""
        return not (self.fired or self.decisions or self.changes)

    def __str__(self) -> str:
        told = [
            f"{n} {one if n == 1 else several}"
            for kind, one, several in (
                ("fired", "alert fired", "alerts fired"),
                ("decisions", "decision about alerts", "decisions about alerts"),
                ("changes", "change", "changes"),
            )
            if (n := self.counts[kind])
        ]
        return ", ".join(told) or "nothing happened"


def start_of_shift(text: str | None, now: datetime) -> datetime:
    """Read since when a person wants to know: a length such as 8h, or a time.

    Args:
        text: `8h`, `02:50`, `2026-03-01T02:50` (UTC); None is `USUAL_LENGTH`.
        now: The present.

    Raises:
        UsageError: It is neither, or not before now.
    """
    from core.clock import is_possible, read_duration, read_instant

    if text is None:
        return now - USUAL_LENGTH
    is_length = text.strip()[:1].isdigit() and text.strip()[-1:] in ("s", "m", "h", "d", "w")
    try:
        since = now - read_duration(text) if is_length else read_instant(text, now)
    except OverflowError:
        since = datetime.min.replace(tzinfo=UTC)
    if not is_possible(since):
        raise UsageError(f"{text!r} reaches back before any workspace: write 8h, or a time.")
    if since >= now:
        raise UsageError(f"{text!r} is not before now ({now:%Y-%m-%d %H:%M} UTC).")
    return since


def shift_summary(workspace: "Workspace", since: datetime, until: datetime) -> ShiftSummary:
    """Summarise what happened between two instants.

    People appear with what the audit log has of them: who only looked is not recorded.

    Args:
        workspace: The workspace.
        since: The beginning.
        until: The end, usually now.

    Raises:
        CoreError: The audit log or the alerts cannot be read.
    """
    from core.alerts import Alerts, AlertState
    from core.governance import AuditFilter, AuditLog
    from core.state import last_beat, read_lease

    wanted = AuditFilter(since=since, until=until)
    records = AuditLog(workspace).search(wanted, limit=MAX_RECORDS)  # newest first
    alerts = {alert.full_name: alert for alert in Alerts(workspace).all()}
    fired = _fired(records, alerts)
    decisions = [
        _entry(record, _DECISIONS[record.verb])
        for record in records
        if record.verb in _DECISIONS and record.origin != Origin.ENGINE
    ]
    changes = sorted(
        [*(_entry(record, record.verb) for record in records if _is_change(record)), *_files(workspace, since, until)],
        key=lambda entry: entry.at,
        reverse=True,
    )
    people = _people(records)
    return ShiftSummary(
        since=since,
        until=until,
        fired=tuple(fired[:MAX_ITEMS]),
        still_firing=sum(alert.state is AlertState.FIRING for alert in alerts.values()),
        checked_until=last_beat(workspace) if (engine := read_lease(workspace)) is None else engine.silent_since,
        decisions=tuple(decisions[:MAX_ITEMS]),
        changes=tuple(changes[:MAX_ITEMS]),
        people=tuple(people[:MAX_ITEMS]),
        counts={
            "fired": len(fired),
            "decisions": len(decisions),
            "changes": len(changes),
            "people": len(people),
        },
        is_cut=len(records) == MAX_RECORDS,
    )


def _fired(records: "Iterable[AuditRecord]", alerts: "Mapping[str, Alert]") -> list[FiredAlert]:
    by_name: dict[str, list[AuditRecord]] = {}
    for record in records:
        if record.verb == "alert.fire":
            by_name.setdefault(record.object, []).append(record)
    found = []
    for name, firings in by_name.items():
        alert, newest = alerts.get(name), firings[0]
        after = newest.after if isinstance(newest.after, Mapping) else {}
        found.append(
            FiredAlert(
                name=name,
                fingerprint=alert.fingerprint if alert else "",
                summary=str(after.get("summary") or (alert.summary if alert else "")),
                severity=str(alert.severity) if alert else "",
                state=str(alert.state) if alert else "forgotten",
                n_fired=len(firings),
                first_at=firings[-1].at,
                last_at=newest.at,
            )
        )
    return found


def _is_change(record: "AuditRecord") -> bool:
    if record.verb in _DECISIONS or record.verb in _PRESENCE or record.verb.startswith("alert."):
        return False
    return record.origin != Origin.ENGINE or (record.verb.startswith(_OF_ENGINE) and record.verb not in _STEPS)


def _entry(record: "AuditRecord", what: str) -> ShiftEntry:
    return ShiftEntry(at=record.at, who=record.actor, what=what, object=record.object, reason=record.reason)


def _files(workspace: "Workspace", since: datetime, until: datetime) -> list[ShiftEntry]:
    """Return that the settings were edited: an editor writes no record, and the file tells only its last change."""
    try:
        found = workspace.settings_file.stat()
    except OSError:
        return []
    at = datetime.fromtimestamp(found.st_mtime, UTC)
    if not since <= at <= until:
        return []
    try:
        who = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        who = f"uid{found.st_uid}"
    return [ShiftEntry(at=at, who=f"{who} (owner of the file)", what="settings", object=workspace.settings_file.name)]


def _people(records: "Iterable[AuditRecord]") -> list[ShiftPerson]:
    newest: dict[str, datetime] = {}
    oldest: dict[str, datetime] = {}
    through: dict[str, set[str]] = {}
    counted: Counter[str] = Counter()
    for record in records:
        if record.origin == Origin.ENGINE:
            continue
        newest.setdefault(record.actor, record.at)
        oldest[record.actor] = record.at
        through.setdefault(record.actor, set()).add(str(record.origin))
        counted[record.actor] += record.verb not in _PRESENCE
    return [
        ShiftPerson(
            who=who,
            n_changes=counted[who],
            first_at=oldest[who],
            last_at=at,
            through=tuple(sorted(through[who])),
        )
        for who, at in newest.items()
    ]
