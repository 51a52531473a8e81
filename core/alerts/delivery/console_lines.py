"""The line that attached consoles show of every alert that fires, whatever the routing says."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from core.alerts.alert import Alert, AlertState
from core.alerts.delivery.channels.console_line import DATABASE, announce
from core.alerts.delivery.records import Announcement, ConsoleLog
from core.alerts.delivery.wording import one_line

if TYPE_CHECKING:
    from core.state import Documents, Workspace

_MOST_LINES: Final = 3
"""Of more firings at once, one line tells the number."""
_LATELY: Final = timedelta(minutes=1)
"""An alert that ended longer ago is no news to an engine that has just started."""
_ENDED: Final = {AlertState.RESOLVED: " (ended already)"}


def tell_consoles(workspace: "Workspace", alerts: Sequence[Alert], now: datetime) -> None:
    """Show a line of each firing that the consoles were not told of yet; the second call shows nothing.

    A firing that ended before anybody looked is a line, too.

    Args:
        workspace: The workspace.
        alerts: Every alert.
        now: The time.
    """
    log = _logs(workspace).find("consoles") or ConsoleLog()
    told = {alert.fingerprint: alert.n_fired for alert in alerts}
    fresh = [alert for alert in alerts if log.told.get(alert.fingerprint, 0) < alert.n_fired]
    if not fresh and told == log.told:
        return
    with workspace.database(DATABASE).transaction():
        for line in _lines([alert for alert in fresh if _is_worth_a_line(alert, now)], now):
            announce(workspace, line)
        changed = replace(log, told=told)
        if _logs(workspace).find("consoles") is None:
            _logs(workspace).insert(changed)
        else:
            _logs(workspace).replace(changed)


def _is_worth_a_line(alert: Alert, now: datetime) -> bool:
    if alert.state is AlertState.RESOLVED:
        is_new = alert.resolved_at is not None and now - alert.resolved_at <= _LATELY
        return is_new and alert.resolved_by is None
    return alert.state is AlertState.FIRING and not alert.is_snoozed(now)


def _lines(firing: Sequence[Alert], now: datetime) -> list[Announcement]:
    ordered = sorted(firing, key=lambda alert: alert.severity.rank, reverse=True)
    if len(ordered) > _MOST_LINES:
        worst, n_more = ordered[0], len(ordered) - 1
        text = one_line(f"{worst.severity} {worst.name}: {worst.summary}; and {n_more} more alerts")
        return [Announcement(announcement_id=_name(worst), at=now, text=text, severity=str(worst.severity))]
    return [
        Announcement(
            announcement_id=_name(alert),
            at=now,
            text=one_line(f"{alert.severity} {alert.name}: {alert.summary}{_ENDED.get(alert.state, '')}"),
            severity=str(alert.severity),
        )
        for alert in ordered
    ]


def _name(alert: Alert) -> str:
    return f"{alert.fingerprint}:{alert.n_fired}"


def _logs(workspace: "Workspace") -> "Documents[ConsoleLog]":
    return workspace.database(DATABASE).documents("console_log", ConsoleLog, key="name")
