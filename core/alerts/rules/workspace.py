"""Rules on the files of a workspace and on its engine."""

from core.alerts.alert import Severity
from core.alerts.rule import EventRule, Rule

RULES: tuple[Rule, ...] = (
    EventRule(
        name="hash_mismatch",
        severity=Severity.CRITICAL,
        advice="Its files are not those registered: do not use it. Roll back, then restore or archive it.",
    ),
    EventRule(
        name="engine_trouble",
        severity=Severity.CRITICAL,
        advice="A part of the engine failed and begins again; read logs/engine.log, and start it anew if it stays.",
    ),
)
