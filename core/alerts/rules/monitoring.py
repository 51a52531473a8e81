"""Rules on the monitoring of live versions, fired by the engine's monitor."""

from core.alerts.alert import Severity
from core.alerts.rule import EventRule, Rule

RULES: tuple[Rule, ...] = (
    EventRule(
        name="drift_found",
        severity=Severity.WARNING,
        advice="Read with bondx drift why which column moved, since when and what it costs. Find what changed at that "
        "time. If callers send other data, every version gets them and a rollback does not cure it: repair the data, "
        "or train again on recent data. Roll back only if the version itself is at fault.",
    ),
    EventRule(
        name="performance_fell",
        severity=Severity.WARNING,
        advice="Its outcomes are worse than those of held-out rows. Look at the worst slice and at what moved before. "
        "Roll back if the plan of the rollback shows that the earlier version did better, else train again.",
    ),
    EventRule(
        name="model_failing",
        severity=Severity.CRITICAL,
        advice="Its answers cannot be relied on. Read the reasons with bondx drift why. Roll back if the plan of "
        "the rollback (bondx registry rollback --dry-run) shows that the earlier version was well.",
    ),
    EventRule(
        name="monitoring_failed",
        severity=Severity.WARNING,
        advice="This aspect of the version is not watched while this lasts; the others are. Read the reason and the "
        "engine's log (bondx logs).",
    ),
)
