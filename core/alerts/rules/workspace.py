"""Rules on what a workspace holds and on the engine that works on it."""

from core.alerts.alert import Severity
from core.alerts.rule import Event, Rule

RULES: tuple[Rule, ...] = (
    Event(
        name="hash_mismatch",
        severity=Severity.CRITICAL,
        advice="Its files are not those registered: do not use it. Roll back, then restore or archive it.",
    ),
    Event(
        name="engine_trouble",
        severity=Severity.CRITICAL,
        advice="A part of the engine failed and begins again; read logs/engine.log, and start it anew if it stays.",
    ),
)
