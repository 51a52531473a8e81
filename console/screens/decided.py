"""Where the cursor goes after a decision about alerts: to the next open alert, not down the list with it."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from core.alerts import Alert
from widgets.live_table import LiveTable


class _Decision(NamedTuple):
    """The alert under the cursor that a decision was about, the rows shown then, and all that were decided."""

    alert: Alert
    rows: Sequence[str]
    keys: Collection[str]

    def following(self, by_key: Mapping[str, Alert]) -> str | None:
        """Return the next row with an open alert that was not decided; else the nearest one before."""
        at = self.rows.index(self.alert.fingerprint)
        near = (*self.rows[at + 1 :], *reversed(self.rows[:at]))
        return next((key for key in near if key in by_key and by_key[key].state.is_open and key not in self.keys), None)


class DecidedAlerts:
    """The last decision on a list of alerts, until the list shows it."""

    def __init__(self) -> None:
        self._last: _Decision | None = None

    def __bool__(self) -> bool:
        """Whether the list does not show the decision yet."""
        return self._last is not None

    def take(self, current: Alert, rows: Sequence[str], done: Collection[Alert]) -> None:
        """Remember what was decided.

        Args:
            current: The alert that was under the cursor.
            rows: The keys of the rows that were shown.
            done: The alerts that were decided.
        """
        keys = {alert.fingerprint for alert in done}
        if current.fingerprint in keys:
            self._last = _Decision(current, rows, keys)

    def leave(self, table: LiveTable, alerts: Sequence[Alert]) -> None:
        """Move to the next open alert once the decided one has moved: the cursor would follow it down the list.

        Args:
            table: The list, with its present rows.
            alerts: The present alerts.
        """
        last = self._last
        if last is None:
            return
        by_key = {alert.fingerprint: alert for alert in alerts}
        now = by_key.get(last.alert.fingerprint)
        if now is not None and now.state is last.alert.state:
            return
        self._last = None
        if table.cursor_key == last.alert.fingerprint and (key := last.following(by_key)):
            table.move_to(key)
