"""Sentences for a list without a problem: they claim that nothing is wrong only where an engine looks for problems."""

from console.presentation.phrases import instant
from core.view.snapshot import Snapshot

_UNKNOWN = "Unknown: the workspace cannot be read now."


def unchecked(snapshot: Snapshot) -> str:
    """Say that nothing looks for problems now, and why; "" while an engine does.

    >>> from core.view.source import unread_snapshot
    >>> from core.state import Workspace
    >>> from pathlib import Path
    >>> from datetime import UTC, datetime
    >>> unchecked(unread_snapshot(Workspace(Path("desk")), lambda: datetime.now(UTC)))
    'no engine is running, so nothing is checked'
    """
    if snapshot.unwritable:
        return "no alert can be recorded now"
    return f"{snapshot.absence}, so nothing is checked" if snapshot.absence else ""


def evaluated_until(snapshot: Snapshot) -> str:
    """Say that alerts are as they were at a past time, since nothing evaluates them now; "" while an engine does.

    Args:
        snapshot: What was read.
    """
    if not snapshot.absence:
        return ""
    at = snapshot.checked_until
    return f"{f'as of {instant(at)}: ' if at else ''}{snapshot.absence}, so nothing is evaluated"


def nothing_wrong(snapshot: Snapshot, *, is_old: bool = False) -> str:
    """Say that the list of problems is empty, and whether that means anything.

    Args:
        snapshot: What was read.
        is_old: Whether the last looks at the workspace have failed.
    """
    return _calm("Nothing is wrong.", "No problem is known, but", snapshot, is_old=is_old)


def no_alerts(snapshot: Snapshot, *, is_old: bool = False) -> str:
    """Say that the list of alerts is empty, and whether that means anything.

    Args:
        snapshot: What was read.
        is_old: Whether the last looks at the workspace have failed.
    """
    return _calm("No recent alerts.", "No recent alerts, but", snapshot, is_old=is_old)


def none_open(snapshot: Snapshot, *, is_old: bool = False) -> str:
    """Say that no alert is open, and whether that means anything.

    Args:
        snapshot: What was read.
        is_old: Whether the last looks at the workspace have failed.
    """
    return _calm("No alert is open.", "No alert is open, but", snapshot, is_old=is_old)


def _calm(known: str, unknown: str, snapshot: Snapshot, *, is_old: bool) -> str:
    if is_old or "alerts" in snapshot.unreadable:
        return _UNKNOWN
    reason = unchecked(snapshot)
    return f"{unknown} {reason}." if reason else known
