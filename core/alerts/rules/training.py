"""Rules on training sessions: conditions on each epoch, and events during one."""

from core.alerts.alert import Severity
from core.alerts.rule import AlertSubject, Condition, EventRule, Rule, Wrong, hours, share

GRACE_EPOCHS = 5
"""Epochs before accuracy is judged: a first training starts from nothing. With the default settings, the score of a
healthy session passes its limit in the third epoch (measured)."""

RULES: tuple[Rule, ...] = (
    Condition(
        name="accuracy_low",
        severity=Severity.WARNING,
        what="accuracy (mean attainment) is",
        unit=share,
        wrong=Wrong.BELOW,
        subject=AlertSubject.EPOCH,
        # the score of a model of language says how far it is from a 5-gram, which says nothing until it has learned
        read=lambda record: (
            record.score if record.learned and record.text is None and record.epoch > GRACE_EPOCHS else None
        ),
        threshold=lambda settings: settings.accuracy_min,
        advice="Compare the models by epoch; if a model got worse, stop the session and keep the last good version.",
    ),
    Condition(
        name="quality_low",
        severity=Severity.WARNING,
        what="data quality is",
        unit=share,
        wrong=Wrong.BELOW,
        subject=AlertSubject.EPOCH,
        read=lambda record: record.quality_score,
        threshold=lambda settings: settings.quality_min,
        for_seconds=lambda settings: settings.quality_for_seconds,
        clear_seconds=lambda settings: settings.quality_keep_firing_seconds,
        advice="Look at the failed gates of the last epoch and at the rows they name before trusting its models.",
    ),
    Condition(
        name="training_stalled",
        severity=Severity.CRITICAL,
        what="no epoch completed for",
        unit=hours,
        wrong=Wrong.ABOVE,
        subject=AlertSubject.SESSION,
        read=lambda hours_without_progress: hours_without_progress,
        threshold=lambda settings: settings.stalled_hours,
        advice="Read the session's log, then stop and resume the session: it continues from its checkpoint.",
    ),
    EventRule(
        name="gate_failed",
        severity=Severity.WARNING,
        advice="Look at the gate's value, threshold and offending rows; the data are suspect until it passes.",
    ),
    EventRule(
        name="epoch_failed",
        severity=Severity.WARNING,
        advice="Read the reason. The epoch is retried; if it keeps failing, stop the session.",
    ),
)
