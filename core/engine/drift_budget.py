"""What the alerts of drift have spent of the workspace's budget for false alarms."""

from collections.abc import Iterable
from datetime import datetime

from core.alerts import Alerts
from core.engine.monitoring_alerts import DRIFT
from core.monitoring.documents import DriftPage
from core.monitoring.monitoring_store import MonitoringStore
from core.settings import MonitoringSettings


def update_budget(
    store: MonitoringStore, alerts: Alerts, settings: MonitoringSettings, models: Iterable[str], now: datetime
) -> None:
    """Count the alerts of drift that fired in the last 30 days, and store what is left of the budget.

    An alert that a person has acknowledged or resolved is true: the move was there. A false alarm resolves itself, once
    its evidence is lost again.

    Args:
        store: Where the budget is kept; it remembers earlier firings, of which an alert knows only the last.
        alerts: The alerts.
        settings: How many false alarms are acceptable.
        models: The watched models.
        now: The time.
    """
    from core.monitoring.sequential.budget import FalseAlarmBudget

    before = store.budget()
    known = {(page.at, page.model): page for page in (before.fired if before else ())}
    for alert in alerts.all():
        if alert.rule == DRIFT:
            key = alert.first_at, alert.labels.get("model", "")
            found = store.find(key[1])
            at_first = known[key].version if key in known else found.live.version if found is not None else ""
            version = alert.labels.get("version") or at_first
            is_true = alert.acknowledged_by is not None or alert.resolved_by is not None
            known[key] = DriftPage(at=key[0], model=key[1], version=version, is_true=is_true)
    store.write_budget(FalseAlarmBudget.of(settings, models).use(known.values(), now))
