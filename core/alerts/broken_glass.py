"""The alert on a broken glass: somebody has made themselves an admin for a short time."""

from core.access import Door
from core.alerts.alerts import Alerts
from core.clock import Clock, utc_now
from core.state import Workspace

RULE = "broken_glass"


class BrokenGlass:
    """Keeps one alert for each broken glass until it has ended."""

    def __init__(self, workspace: Workspace, *, clock: Clock = utc_now) -> None:
        self._door = Door(workspace, clock=clock)
        self._alerts = Alerts(workspace, clock=clock)
        self._clock = clock

    def keep_up(self) -> None:
        """Fire what is missing, and clear what has ended."""
        now = self._clock()
        for grant in self._door.grants.all():
            if not grant.is_break_glass:
                continue
            labels = {"grant": grant.grant_id}
            if grant.is_active(now) and grant.expires_at is not None:
                until = f"{grant.expires_at:%Y-%m-%d %H:%M} UTC"
                summary = f"{grant.name} has broken the glass and is an admin until {until}: {grant.reason}"
                self._alerts.fire(RULE, labels=labels, summary=summary, now=now)
            else:
                self._alerts.clear(RULE, labels=labels, now=now, reason="it has ended")
