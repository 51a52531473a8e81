"""Rules on the files of a workspace and on its engine."""

from core.alerts.alert import Severity
from core.alerts.rule import EventRule, Rule

RULES: tuple[Rule, ...] = (
    EventRule(
        name="hash_mismatch",
        severity=Severity.CRITICAL,
        advice="Its files differ from those registered: do not use it. Restore them from a backup, or archive it.",
    ),
    EventRule(
        name="engine_trouble",
        severity=Severity.CRITICAL,
        advice="An engine worker failed and restarts. Read logs/engine.log; restart the engine if this persists.",
    ),
)
