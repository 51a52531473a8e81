"""Rules on the monitoring of live versions, fired by the engine's monitor."""

from core.alerts.alert import Severity
from core.alerts.rule import EventRule, Rule

RULES: tuple[Rule, ...] = (
    EventRule(
        name="monitoring_failed",
        severity=Severity.WARNING,
        advice="This aspect of the version is not watched while this lasts; the others are. Read the reason and the "
        "engine's log (bondx logs).",
    ),
)
