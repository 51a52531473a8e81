"""Alerts: a table of rules, one document per thing that is wrong, and who took it on.

`rules.py` is the table, `lifecycle.py` decides the next step, `store.py` makes it durable and audited,
`alerts.py` is the face for the engine and for operators.
"""

from core.alerts.alert import Alert, AlertState, Severity, fingerprint_of
from core.alerts.alerts import Alerts
from core.alerts.rules import RULES, Condition, Event, Rule

__all__ = ["RULES", "Alert", "AlertState", "Alerts", "Condition", "Event", "Rule", "Severity", "fingerprint_of"]
