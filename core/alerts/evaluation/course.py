"""The values of an alert's expression over its threshold, around the time at which it fired."""

import functools
import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from core.alerts.alert import Alert, AlertState
from core.alerts.evaluation.source import BY_HAND, RecordedSource
from core.alerts.ready_made import BUILT_IN_TWINS, READY_MADE_FILE
from core.promql import Expression, SeriesSamples
from core.promql.plan import Binary, Node

if TYPE_CHECKING:
    from core.state import Workspace

BEFORE: Final = timedelta(minutes=30)
AFTER: Final = timedelta(minutes=10)
LONGEST: Final = timedelta(hours=24)
STEPS: Final = 120
MAX_SERIES: Final = 3
_COMPARISONS: Final = frozenset({">", "<", ">=", "<=", "==", "!="})

_UNNAMED: Final = frozenset({"__name__", "job", "instance"})
"""Labels that tell no series of a model from another, and that a legend has no room for."""

CoursePoint = tuple[float, float]  # unix seconds, value


class CourseSeries(msgspec.Struct, frozen=True, kw_only=True):
    """One series of the expression, or of what it is compared with."""

    name: str
    points: tuple[CoursePoint, ...]
    is_threshold: bool = False


class AlertCourse(msgspec.Struct, frozen=True, kw_only=True):
    """The values around a firing."""

    expr: str
    start: datetime
    end: datetime
    fired_at: datetime
    series: tuple[CourseSeries, ...]  # the threshold last; none if nothing was recorded


def expression_of(alert: Alert) -> str:
    """Return the expression that an alert stands for: its own, or that of the ready-made rule which says the same."""
    return alert.expr or _twins().get(alert.rule, "")


def course_of(workspace: "Workspace", alert: Alert, now: datetime) -> AlertCourse | None:
    """Evaluate what an alert looks at around the time at which it fired.

    Args:
        workspace: The workspace of the alert.
        alert: The alert.
        now: The present.

    Returns:
        The course; None if the alert has no expression.

    Raises:
        PromqlError: The expression cannot be read or evaluated, or reads too much.
        TelemetryError: The store cannot be read now.
    """
    text = expression_of(alert)
    if not text:
        return None
    start = alert.first_at - BEFORE
    over_at = alert.resolved_at if alert.state is AlertState.RESOLVED and alert.resolved_at else now
    end = max(min(now, over_at + AFTER, start + LONGEST), start + timedelta(minutes=1))
    step_ms = max(15_000, round((end - start).total_seconds() * 1000 / STEPS))
    recorded = RecordedSource(workspace)
    try:
        budget = BY_HAND.begin()
        sides = _sides(Expression.parse(text))
        over = [side.over(recorded, *_range(start, end, step_ms), budget) for side in sides]
    finally:
        recorded.close()
    series = [
        CourseSeries(name=_name_of(each, alert, is_threshold=place > 0), points=_points(each), is_threshold=place > 0)
        for place, found in enumerate(over)
        for each in _about(found, alert)[: 1 if place else MAX_SERIES]
    ]
    has_values = any(not each.is_threshold for each in series)
    return AlertCourse(
        expr=text, start=start, end=end, fired_at=alert.first_at, series=tuple(series) if has_values else ()
    )


def _range(start: datetime, end: datetime, step_ms: int) -> tuple[int, int, int]:
    return round(start.timestamp() * 1000), round(end.timestamp() * 1000), step_ms


def _sides(expression: Expression) -> list[Expression]:
    """Return what is compared, and with what; the whole expression where it is no comparison."""
    root = expression.root
    while isinstance(root, Binary) and root.op in ("and", "or", "unless"):
        root = root.left
    if isinstance(root, Binary) and root.op in _COMPARISONS:
        return [_part(expression, root.left), _part(expression, root.right)]
    return [_part(expression, root)]


def _part(expression: Expression, node: Node) -> Expression:
    return Expression(expression.text, node)


def _about(found: Iterable[SeriesSamples], alert: Alert) -> list[SeriesSamples]:
    """Return the series whose labels do not contradict those of the alert."""
    return [
        each
        for each in found
        if all(alert.labels.get(name, value) == value for name, value in each.labels if name != "__name__")
    ]


def _name_of(series: SeriesSamples, alert: Alert, *, is_threshold: bool) -> str:
    if is_threshold:
        return "threshold"
    labels: Mapping[str, str] = dict(series.labels)
    own = [f"{name}={value}" for name, value in labels.items() if name not in _UNNAMED and name not in alert.labels]
    return " ".join(filter(None, (labels.get("__name__", ""), ", ".join(own)))) or "value"


def _points(series: SeriesSamples) -> tuple[CoursePoint, ...]:
    pairs = zip(series.at_ms.tolist(), series.values.tolist(), strict=True)
    return tuple((at / 1000, value) for at, value in pairs if math.isfinite(value))


@functools.cache
def _twins() -> Mapping[str, str]:
    """Return the expressions of the ready-made rules, by the built-in rule that says the same."""
    from core.alerts.rule_files import load_rule_file

    return {
        BUILT_IN_TWINS[rule.name]: rule.expression.text
        for rule in load_rule_file(READY_MADE_FILE).rules
        if rule.name in BUILT_IN_TWINS
    }
