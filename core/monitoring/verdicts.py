"""The words of monitoring: the kinds of drift, and the verdicts. Nothing heavy is imported here."""

from enum import StrEnum


class DriftVerdict(StrEnum):
    """The verdict of a check."""

    STABLE = "stable"
    INCONCLUSIVE = "inconclusive"
    WATCH = "watch"
    ALARM = "alarm"


class DriftType(StrEnum):
    """What has moved."""

    FEATURE = "feature"
    PREDICTION = "prediction"
    TARGET = "target"
    RESIDUAL = "residual"
    QUALITY = "quality"


class PerformanceVerdict(StrEnum):
    """The verdict on how well a version does."""

    HOLDS = "holds"
    OPEN = "open"  # too few outcomes to say
    FELL = "fell"


MOST_AWAITED = 0.5
"""The share of awaited outcomes beyond which a verdict that holds does not speak for all answers."""
