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
        name="version_quarantined",
        severity=Severity.CRITICAL,
        advice="No process loads it until it is released: ask its author why it fails, or archive it.",
    ),
    EventRule(
        name="live_version_unserved",
        severity=Severity.CRITICAL,
        advice="The live version cannot be loaded; an earlier one answers, if one is loaded. Roll back, or repair it.",
    ),
    EventRule(
        name="policy_unusable",
        severity=Severity.CRITICAL,
        advice="A running engine goes on with the last good policy; promotions and new rollouts by people are refused. "
        "Correct it; bondx config validate checks it.",
    ),
    EventRule(
        name="engine_trouble",
        severity=Severity.CRITICAL,
        advice="An engine worker failed and restarts. Read the logs (bondx logs); restart the engine if this persists.",
    ),
    EventRule(
        name="routing_unusable",
        severity=Severity.CRITICAL,
        advice="Correct the file; bondx alerts routes lists its faults, and shows what is in force until then.",
    ),
    EventRule(
        name="rules_unusable",
        severity=Severity.CRITICAL,
        advice="The last good rules of this file stay in force while the engine runs, and so do the rules that do not "
        "fail. Correct the file; bondx alerts check lists its faults, and bondx alerts rules those of each rule.",
    ),
    EventRule(
        name="broken_glass",
        severity=Severity.CRITICAL,
        advice="Ask them what they do, and read it in the audit log. bondx access revoke ends it before its time.",
    ),
    EventRule(
        name="backup_failed",
        severity=Severity.CRITICAL,
        advice="Remove the cause that it names; the engine tries again every ten minutes, bondx backup does at once. "
        "Earlier backups are not touched.",
    ),
    EventRule(
        name="backup_overdue",
        severity=Severity.WARNING,
        advice="All changes since then are in no backup. Look at the alert backup_failed, or run bondx backup.",
    ),
    EventRule(
        name="silence_ending",
        severity=Severity.INFO,
        advice="Everybody hears of what it hides once it ends. If the work is not done, make another silence "
        "(bondx alerts silence add).",
    ),
    EventRule(
        name="webhook_failed",
        severity=Severity.WARNING,
        advice="A program is not told what happens. Repair its receiver and try it with bondx webhooks "
        "test; bondx webhooks deliveries shows every event.",
    ),
    EventRule(
        name="notification_failed",
        severity=Severity.CRITICAL,
        advice="Alerts do not arrive there. Repair the channel and try it with bondx alerts receivers test; "
        "bondx alerts notifications shows every attempt.",
    ),
)
