"""The two kinds of alert rules: an event that is reported, and a condition on a value with a limit."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from core.alerts.alert import Severity
from core.settings import AlertSettings


class AlertSubject(Enum):
    """The subject that a condition is evaluated on. `Condition.read` takes the value from each new instance."""

    MACHINE = auto()  # each sample of the machine (`core.monitoring.ResourceSample`), once a second
    EPOCH = auto()  # the record of each epoch (`core.training.records.EpochRecord`)
    SESSION = auto()  # the hours since a running session last completed an epoch


class Wrong(Enum):
    """The side of its limit on which a value is wrong; a value at the limit is right."""

    ABOVE = ("above", operator.gt)
    BELOW = ("below", operator.lt)

    def __init__(self, word: str, holds: Callable[[float, float], bool]) -> None:
        self.word = word
        self.holds = holds


def _at_once(_: AlertSettings) -> float:
    return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One reason to call an operator."""

    name: str
    severity: Severity
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition(Rule):
    """A watched value: fires while it is on the wrong side of its limit, and resolves automatically."""

    subject: AlertSubject
    read: Callable[[Any], float | None]  # takes the value from the subject; None changes nothing
    what: str  # start of the summary: "CPU at"
    unit: Callable[[float], str]  # formats a value
    wrong: Wrong
    threshold: Callable[[AlertSettings], float]
    for_seconds: Callable[[AlertSettings], float] = _at_once  # wrong for this long before it fires
    clear_seconds: Callable[[AlertSettings], float] = _at_once  # right for this long before it resolves

    def is_breached(self, value: float, threshold: float) -> bool:
        """Say whether a value is on the wrong side of its limit."""
        return self.wrong.holds(value, threshold)

    def summary(self, labels: Mapping[str, str], value: float, threshold: float) -> str:
        """Describe the problem, with the value and its limit.

        >>> from core.alerts.rules import find_rule
        >>> find_rule("cpu_high").summary({}, 93.0, 80.0)
        'CPU use of other programs at 93%, above 80%'
        """
        of = f"{', '.join(labels.values())}: " if labels else ""
        return f"{of}{self.what} {self.unit(value)}, {self.wrong.word} {self.unit(threshold)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRule(Rule):
    """An event: fires when reported, and stays open until it is cleared or an operator resolves it."""


def percent(value: float) -> str:
    """Format a percentage, with a decimal only where it matters.

    >>> percent(93.0), percent(85.3)
    ('93%', '85.3%')
    """
    return f"{value:.0f}%" if abs(value - round(value)) < 0.05 or value < 10 else f"{value:.1f}%"


def share(value: float) -> str:
    """Format a share (0 to 1) as a percentage.

    >>> share(0.899)
    '89.9%'
    """
    return f"{value:.1%}"


def hours(value: float) -> str:
    """Format a number of hours.

    >>> hours(2.5)
    '2.5 h'
    """
    return f"{value:.1f} h"
