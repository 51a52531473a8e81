"""The built-in rules as one table: what is watched, when it is wrong, and what an operator does about it."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from core.alerts.alert import Severity
from core.errors import NotFoundError
from core.settings import AlertSettings


class Wrong(Enum):
    """On which side of its limit a value is wrong; at the limit it is right."""

    ABOVE = ("above", operator.gt)
    BELOW = ("below", operator.lt)

    def __init__(self, word: str, holds: Callable[[float, float], bool]) -> None:
        self.word = word
        self.holds = holds


def _at_once(_: AlertSettings) -> float:
    return 0.0


def _resource_dwell(settings: AlertSettings) -> float:
    return settings.resource_for_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One reason to call an operator."""

    name: str
    severity: Severity
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition(Rule):
    """A value that is watched: fires while it is on the wrong side of its limit, resolves by itself."""

    what: str  # as a sentence begins: "CPU"
    unit: Callable[[float], str]  # how a value is spelled
    wrong: Wrong
    threshold: Callable[[AlertSettings], float]
    for_seconds: Callable[[AlertSettings], float] = _at_once  # wrong for this long before it fires
    clear_seconds: Callable[[AlertSettings], float] = _at_once  # right for this long before it resolves

    def is_breached(self, value: float, threshold: float) -> bool:
        """Say whether a value is on the wrong side of its limit."""
        return self.wrong.holds(value, threshold)

    def summary(self, labels: Mapping[str, str], value: float, threshold: float) -> str:
        """Say what is wrong, with the value beside its limit.

        >>> find_rule("cpu_high").summary({}, 93.0, 80.0)
        'CPU at 93 %, above 80 %'
        """
        of = f"{', '.join(labels.values())}: " if labels else ""
        return f"{of}{self.what} {self.unit(value)}, {self.wrong.word} {self.unit(threshold)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Rule):
    """Something that happened: fires when told, stays until it is told that all is well, or an operator resolves it."""


def _percent(value: float) -> str:
    return f"{value:.0f} %" if abs(value - round(value)) < 0.05 or value < 10 else f"{value:.1f} %"


def _share(value: float) -> str:
    return f"{value:.1%}".replace("%", " %")


def _hours(value: float) -> str:
    return f"{value:.1f} h"


RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        Condition(
            name="accuracy_low",
            severity=Severity.WARNING,
            what="accuracy (mean attainment) is",
            unit=_share,
            wrong=Wrong.BELOW,
            threshold=lambda settings: settings.accuracy_min,
            advice="Compare the models by epoch; if one fell, stop the session and keep the last good version.",
        ),
        Condition(
            name="quality_low",
            severity=Severity.WARNING,
            what="data quality is",
            unit=_share,
            wrong=Wrong.BELOW,
            threshold=lambda settings: settings.quality_min,
            advice="Look at the failed gates of the last epoch and at the rows they name before trusting its models.",
        ),
        Condition(
            name="cpu_high",
            severity=Severity.WARNING,
            what="CPU at",
            unit=_percent,
            wrong=Wrong.ABOVE,
            threshold=lambda settings: settings.cpu_percent_max,
            for_seconds=_resource_dwell,
            clear_seconds=_resource_dwell,
            advice="See under Resources whether the trainer or another program is busy; pausing a session frees it.",
        ),
        Condition(
            name="memory_high",
            severity=Severity.WARNING,
            what="memory at",
            unit=_percent,
            wrong=Wrong.ABOVE,
            threshold=lambda settings: settings.memory_percent_max,
            for_seconds=_resource_dwell,
            clear_seconds=_resource_dwell,
            advice="See under Resources who holds it; pause a session or lower dataset_size before one is killed.",
        ),
        Condition(
            name="disk_high",
            severity=Severity.CRITICAL,
            what="the workspace's disk at",
            unit=_percent,
            wrong=Wrong.ABOVE,
            threshold=lambda settings: settings.disk_percent_max,
            clear_seconds=_resource_dwell,
            advice="Free space now: move old datasets/ and reports/ away. On a full disk no change can be made.",
        ),
        Condition(
            name="training_stalled",
            severity=Severity.CRITICAL,
            what="no epoch completed for",
            unit=_hours,
            wrong=Wrong.ABOVE,
            threshold=lambda settings: settings.stalled_hours,
            advice="Read the session's log; stop and start the session: it resumes from its checkpoint.",
        ),
        Event(
            name="gate_failed",
            severity=Severity.WARNING,
            advice="Look at the gate's value, threshold and offending rows; the data are suspect until it passes.",
        ),
        Event(
            name="epoch_failed",
            severity=Severity.WARNING,
            advice="Read the reason; the epoch is tried again. If it keeps failing, stop the session.",
        ),
        Event(
            name="engine_trouble",
            severity=Severity.CRITICAL,
            advice="A part of the engine failed and begins again; read logs/engine.log, and start it anew if it stays.",
        ),
        Event(
            name="rollout_rolled_back",
            severity=Severity.WARNING,
            advice="All traffic is back at the stable version. Read the guard that said so, mend the candidate, and "
            "resolve this by hand.",
        ),
        Event(
            name="rollout_inconclusive",
            severity=Severity.WARNING,
            advice="Its deadline passed without proof, and it keeps its share: resume it, promote it now, or abort it.",
        ),
        Event(
            name="hash_mismatch",
            severity=Severity.CRITICAL,
            advice="Its files are not those registered: do not use it. Roll back, then restore or archive it.",
        ),
    )
}
"""Every built-in rule by name."""


def find_rule(name: str) -> Rule:
    """Return the rule of a name.

    Raises:
        NotFoundError: There is none; the message lists those there are.
    """
    if (rule := RULES.get(name)) is None:
        raise NotFoundError(f"There is no alert rule {name!r}. The rules are {', '.join(RULES)}.")
    return rule
