"""Rules on the machine, evaluated on each sample, once a second; the forecast of its disk once a minute."""

from core.alerts.alert import Severity
from core.alerts.rule import AlertSubject, Condition, EventRule, Rule, Wrong, percent
from core.settings import AlertSettings


def _dwell(settings: AlertSettings) -> float:
    return settings.resource_for_seconds


RULES: tuple[Rule, ...] = (
    Condition(
        name="cpu_high",
        severity=Severity.WARNING,
        what="CPU use of other programs at",
        unit=percent,
        wrong=Wrong.ABOVE,
        subject=AlertSubject.MACHINE,
        read=lambda sample: sample.foreign_cpu_percent,
        threshold=lambda settings: settings.cpu_percent_max,
        for_seconds=_dwell,
        clear_seconds=_dwell,
        advice="Another program competes with the engine and the trainer for the CPU: find it with top and stop it.",
    ),
    Condition(
        name="memory_high",
        severity=Severity.WARNING,
        what="memory at",
        unit=percent,
        wrong=Wrong.ABOVE,
        subject=AlertSubject.MACHINE,
        read=lambda sample: sample.memory_percent,
        threshold=lambda settings: settings.memory_percent_max,
        for_seconds=_dwell,
        clear_seconds=_dwell,
        advice="Check under Resources which process holds it; pause a session or lower dataset_size before the "
        "system kills a process.",
    ),
    Condition(
        name="disk_high",
        severity=Severity.CRITICAL,
        what="the workspace's disk at",
        unit=percent,
        wrong=Wrong.ABOVE,
        subject=AlertSubject.MACHINE,
        read=lambda sample: sample.disk_percent,
        threshold=lambda settings: settings.disk_percent_max,
        clear_seconds=_dwell,
        advice="Free some space now: move old datasets/ and reports/ away. A full disk refuses every change.",
    ),
    EventRule(
        name="disk_filling",
        severity=Severity.WARNING,
        advice="Find the store that grows with bondx doctor --space; then prune it, or set a limit under retention: "
        "or telemetry:.",
    ),
    EventRule(
        name="retention_applied",
        severity=Severity.INFO,
        advice="The engine followed a rule of retention: in bondx.yaml. The audit log names all that was deleted.",
    ),
)
