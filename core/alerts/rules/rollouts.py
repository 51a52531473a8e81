"""Rules on rollouts, fired by their steps."""

from core.alerts.alert import Severity
from core.alerts.rule import EventRule, Rule

RULES: tuple[Rule, ...] = (
    EventRule(
        name="rollout_rolled_back",
        severity=Severity.WARNING,
        advice="It returned all traffic to the stable version. Read which guard failed and fix the candidate. This "
        "alert resolves once the candidate is live; else resolve it by hand.",
    ),
    EventRule(
        name="rollout_ended",
        severity=Severity.WARNING,
        advice="A move in the registry ended it before its verdict. Start another if its candidate should still "
        "be judged, and resolve this alert by hand.",
    ),
    EventRule(
        name="rollout_inconclusive",
        severity=Severity.WARNING,
        advice="Its deadline passed without enough evidence; it keeps its share. Resume, promote now, or abort it.",
    ),
    EventRule(
        name="rollout_uneven",
        severity=Severity.WARNING,
        advice="One version's requests or outcomes are missing, so losses are not compared. Find out where they are "
        "lost, or abort the rollout.",
    ),
    EventRule(
        name="rollout_stuck",
        severity=Severity.CRITICAL,
        advice="Nothing rolls its candidate back while this lasts. Remove the cause, or abort the rollout.",
    ),
)
