"""The words of monitoring: the kinds of drift, and the verdict on each. Nothing heavy is imported here."""

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
