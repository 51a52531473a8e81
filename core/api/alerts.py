"""`AlertManager`: what needs attention, and the decisions about it."""

from datetime import datetime

from core.alerts import Alert, Alerts
from core.alerts.history import HistoryEntry, history_of
from core.api.arguments import checked
from core.api.config import MLOpsConfig
from core.view.source import take_snapshot
from core.view.suspects import LocatedAlert, locate


class AlertManager:
    """The alerts of one workspace. The engine fires and resolves them; programs decide about them as people do."""

    def __init__(self, config: MLOpsConfig | None = None) -> None:
        """Open the alerts; by default of the workspace that `MLOpsConfig.from_yaml()` finds."""
        self._config = config or MLOpsConfig.from_yaml()
        self._alerts = Alerts(self._config.workspace)

    @checked
    def list_alerts(self, *, open_only: bool = True) -> list[LocatedAlert]:
        """Return alerts, each with where the version that it names stands now; the worst first if only the open."""
        snapshot = take_snapshot(self._config.workspace)
        found = self._alerts.open() if open_only else self._alerts.all()
        return [locate(alert, snapshot) for alert in found]

    @checked
    def acknowledge_alert(self, fingerprint: str, *, reason: str = "") -> Alert:
        """Take an alert under your name until it resolves.

        Raises:
            NotFoundError: There is no such alert.
            RefusedError: It is resolved, or acknowledged already.
        """
        return self._alerts.acknowledge(fingerprint, self._config.actor, reason=reason)

    @checked
    def resolve_alert(self, fingerprint: str, *, reason: str = "") -> Alert:
        """Resolve an alert by hand; a condition that still holds fires again only after it has ended and returned.

        So does an alert from elsewhere, once its sender has ended it; an event fires again the next time it happens.

        Raises:
            NotFoundError: There is no such alert.
            RefusedError: It is resolved already.
        """
        return self._alerts.resolve(fingerprint, self._config.actor, reason=reason)

    @checked
    def snooze_alert(self, fingerprint: str, until: datetime, *, reason: str = "") -> Alert:
        """Keep the notifications of an alert back until a time.

        Raises:
            NotFoundError: There is no such alert.
            RefusedError: It is resolved.
            UsageError: The time is not ahead.
        """
        return self._alerts.snooze(fingerprint, self._config.actor, until, reason=reason)

    @checked
    def comment_on_alert(self, fingerprint: str, text: str) -> Alert:
        """Write a comment to an alert.

        Raises:
            NotFoundError: There is no such alert.
            UsageError: The comment is empty or too long.
        """
        return self._alerts.comment(fingerprint, self._config.actor, text)

    @checked
    def alert_history(self, fingerprint: str) -> list[HistoryEntry]:
        """Return what happened to an alert, oldest first: firings, decisions, comments and resolutions.

        Raises:
            NotFoundError: There is no such alert.
        """
        return history_of(self._config.workspace, self._alerts.get(fingerprint))
