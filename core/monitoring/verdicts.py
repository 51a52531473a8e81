"""The words of monitoring: the kinds of drift, and the verdicts. Nothing heavy is imported here."""

from enum import StrEnum
from typing import Final


class DriftVerdict(StrEnum):
    """The verdict of a check."""

    STABLE = "stable"
    INCONCLUSIVE = "inconclusive"
    WATCH = "watch"
    ALARM = "alarm"


WITHOUT_FIGURES: Final = {
    DriftVerdict.STABLE: "not moved by more than is harmless",
    DriftVerdict.INCONCLUSIVE: "too few rows to judge",
    DriftVerdict.WATCH: "moved, perhaps harmless",
    DriftVerdict.ALARM: "moved by more than is harmless",
}
"""What is said of a column that must not appear: from figures of chosen rows its trained values could be found."""


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
