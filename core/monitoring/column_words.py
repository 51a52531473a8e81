"""One column in words, the same on every face: its name, since when it moved, how far, and which one comes first."""

from collections.abc import Iterable
from datetime import datetime

from core.monitoring.documents import DriftPart, MonitoredColumn
from core.monitoring.verdicts import DriftType, DriftVerdict

MOVED = (DriftVerdict.ALARM, DriftVerdict.WATCH)
CARRIES_THE_MODEL = 0.1
"""The share of a model's importance from which a moved feature is named before the answers that follow from it."""


def named(column: MonitoredColumn) -> str:
    """Name a column; all but features are named by their kind.

    >>> size = {"name": "size", "verdict": DriftVerdict.ALARM, "reason": ""}
    >>> [named(MonitoredColumn(type=kind, **size)) for kind in DriftType]
    ['size', 'predictions', 'outcomes', 'errors', 'size (cells)']
    """
    if column.type is DriftType.FEATURE:
        return column.name
    if column.type is DriftType.QUALITY:
        return f"{column.name} (cells)"
    return {DriftType.PREDICTION: "predictions", DriftType.TARGET: "outcomes"}.get(column.type, "errors")


def since_text(column: MonitoredColumn, *, interval: bool = False) -> str:
    """Say since when a column has moved; empty if it has not.

    Args:
        column: The column.
        interval: Whether the interval of the date is said, too.
    """
    if column.changed_at is None:
        return ""
    if column.changed_before_live:
        return "since before it went live"
    between = ""
    if interval and column.changed_from is not None and column.changed_until is not None:
        between = f" ({clock(column.changed_from)} to {clock(column.changed_until)})"
    with_version = f", when {column.changed_with} was live" if column.changed_with else ""
    return f"since {instant(column.changed_at)}{between}{with_version}"


def column_facts(column: MonitoredColumn) -> list[str]:
    """Return, beside its reason, how sure a move is, since when, where, and how much of the model it carries."""
    measures = (("PSI", column.psi), ("KS", column.ks), ("moved by", column.wasserstein))
    size = [f"{name} {value:.3g}" for name, value in measures if value is not None and name not in column.reason]
    facts = [
        ", ".join(size),
        f"evidence {column.evidence:.0%} of what decides" if column.evidence else "",
        since_text(column, interval=True),
        f"most where {column.slice}" if column.slice else "",
        f"{column.importance:.0%} of the model's importance" if column.importance is not None else "",
    ]
    return [fact for fact in facts if fact]


def moved_columns(drift: DriftPart | None, *verdicts: DriftVerdict) -> list[MonitoredColumn]:
    """Return the columns with one of the verdicts, the cause before its consequences."""
    return cause_first(column for column in drift.columns if column.verdict in verdicts) if drift is not None else []


def cause_first(columns: Iterable[MonitoredColumn]) -> list[MonitoredColumn]:
    """Order moved columns by how much of the model they carry, a feature that carries the model before the answers.

    The answers and the errors are all of a model. But they follow from what it is asked: where a feature that carries a
    tenth of the model or more has moved, it is named first.
    """
    return sorted(columns, key=lambda column: (not _carries(column), -share_of_model(column)))


def share_of_model(column: MonitoredColumn) -> float:
    """Return how much of the model a column is: its answers and its errors are all of it."""
    if column.importance is not None:
        return column.importance
    return 0.0 if column.type in (DriftType.FEATURE, DriftType.QUALITY) else 1.0


def instant(at: datetime) -> str:
    """Spell an instant."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def clock(at: datetime) -> str:
    """Spell a time of day."""
    return f"{at:%H:%M} UTC"


def _carries(column: MonitoredColumn) -> bool:
    return column.type is DriftType.FEATURE and (column.importance or 0.0) >= CARRIES_THE_MODEL
