"""Alerts: a table of rules, one document for each problem, and its acknowledgement.

`rule.py` defines a rule, `rules/` is the table, `lifecycle.py` decides the next step, `store.py` makes it durable and
audited, `alerts.py` is the interface for the engine and for operators.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.alerts.alert import Alert, AlertState, Comment, Severity, fingerprint_of

if TYPE_CHECKING:
    from core.alerts.alerts import Alerts
    from core.alerts.rule import AlertSubject, Condition, EventRule, Rule
    from core.alerts.rules import RULES

__all__ = [
    "RULES",
    "Alert",
    "AlertState",
    "AlertSubject",
    "Alerts",
    "Comment",
    "Condition",
    "EventRule",
    "Rule",
    "Severity",
    "fingerprint_of",
]

# Imported on first use: a screen that only shows an alert needs neither the rules nor the store.
_HOMES = {
    "Alerts": "alerts",
    "RULES": "rules",
    "Condition": "rule",
    "EventRule": "rule",
    "Rule": "rule",
    "AlertSubject": "rule",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
