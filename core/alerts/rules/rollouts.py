"""Rules on rollouts, fired by their steps."""

from core.alerts.alert import Severity
from core.alerts.rule import EventRule, Rule

RULES: tuple[Rule, ...] = (
    EventRule(
        name="rollout_rolled_back",
        severity=Severity.WARNING,
        advice="All traffic is back at the stable version. Read the guard that said so, mend the candidate, and "
        "resolve this by hand.",
    ),
    EventRule(
        name="rollout_inconclusive",
        severity=Severity.WARNING,
        advice="Its deadline passed without proof, and it keeps its share: resume it, promote it now, or abort it.",
    ),
)
