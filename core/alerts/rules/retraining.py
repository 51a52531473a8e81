"""Rules on retrainings, fired by their steps."""

from core.alerts.alert import Severity
from core.alerts.rule import EventRule, Rule

RULES: tuple[Rule, ...] = (
    EventRule(
        name="retraining_failed",
        severity=Severity.WARNING,
        advice="The live version stayed, or is live again. Read the step that ended it (bondx retrain show MODEL), "
        "correct its cause, and train anew (bondx retrain now MODEL). This alert resolves once a retraining succeeds.",
    ),
    EventRule(
        name="challenger_better",
        severity=Severity.INFO,
        advice="A version that answered beside the live one is shown to be better. Read the comparison (bondx retrain "
        "leaderboard MODEL), then promote the version, or start a canary of it. This alert resolves once the live "
        "version changes.",
    ),
    EventRule(
        name="retraining_waiting",
        severity=Severity.INFO,
        advice="A new version waits before it meets traffic. Read why (bondx retrain show MODEL), then approve it "
        "(bondx retrain approve MODEL) or cancel it (bondx retrain cancel MODEL).",
    ),
)
