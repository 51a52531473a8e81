"""What the alerts of drift have spent of the workspace's budget for false alarms."""

from datetime import datetime, timedelta

from core.alerts import Alerts
from core.engine.monitoring_alerts import DRIFT
from core.monitoring.documents import DriftBudget, DriftPage
from core.monitoring.monitoring_store import MonitoringStore
from core.settings import MonitoringSettings


def update_budget(store: MonitoringStore, alerts: Alerts, settings: MonitoringSettings, now: datetime) -> None:
    """Count the alerts of drift that fired in the last 30 days, and store what is left of the budget.

    Args:
        store: Where the budget is kept; it remembers earlier firings, of which an alert knows only the last.
        alerts: The alerts.
        settings: How many false alarms are acceptable.
        now: The time.
    """
    from core.monitoring.sequential.budget import MONTH_DAYS, FalseAlarmBudget, FiredPage

    before = store.budget()
    known = {(page.at, page.model, page.version): page for page in (before.fired if before else ())}
    for alert in alerts.all():
        if alert.rule == DRIFT:
            page = DriftPage(
                at=alert.first_at, model=alert.labels.get("model", ""), version=alert.labels.get("version", "")
            )
            known[page.at, page.model, page.version] = page
    fired = [known[key] for key in sorted(known) if now - key[0] < timedelta(days=MONTH_DAYS)]
    rules = FalseAlarmBudget(settings.false_pages_a_month, settings.false_alarm_days, {})
    use = rules.use([FiredPage(page.at, page.model) for page in fired], now)
    store.write_budget(
        DriftBudget(acceptable=use.pages, fired=tuple(fired), spent=use.spent, left=use.left, updated_at=now)
    )
