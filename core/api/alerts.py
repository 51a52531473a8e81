"""`AlertManager`: what needs attention, and the decisions about it."""

from core.alerts import Alert, Alerts
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

        Raises:
            NotFoundError: There is no such alert.
            RefusedError: It is resolved already.
        """
        return self._alerts.resolve(fingerprint, self._config.actor, reason=reason)
