"""The finding of an A/B split: which side is better, or that it does not matter."""

from enum import StrEnum

import msgspec

from core.rollout.readings import GuardReading, GuardVerdict


class Winner(StrEnum):
    """The better side of a split."""

    CANDIDATE = "candidate"
    STABLE = "stable"
    NEITHER = "neither"  # the difference, if there is one, is within the margin
    UNDECIDED = "undecided"


class ExperimentVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The finding of an experiment, with its interval."""

    winner: Winner
    reason: str
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    level: float = 0.95


def decide(reading: GuardReading, margin: float) -> ExperimentVerdict:
    """Say which side is better, by an interval that stays valid at every look.

    Args:
        reading: The reading of the deciding metric; lower values are better.
        margin: The ratio, candidate to stable, from which a difference matters, unless the reading has a difference.
    """
    low, high, stable = reading.low, reading.high, reading.stable_value
    equal, least, most = 1.0, 1 / margin, margin
    if not reading.has_ratio:
        matters = (margin - 1) * abs(stable or 0.0) if reading.margin_difference is None else reading.margin_difference
        equal, least, most = 0.0, -matters, matters
    if reading.verdict is GuardVerdict.NO_DATA or low is None:
        return ExperimentVerdict(winner=Winner.UNDECIDED, reason=reading.reason, level=reading.level)
    span = f"{reading.guard} {_spelled(reading)}"
    if high is not None and high < equal:
        winner, reason = Winner.CANDIDATE, f"the candidate is better: {span}"
    elif low > equal:
        winner, reason = Winner.STABLE, f"the stable version is better: {span}"
    elif high is not None and low > least and high < most:
        winner, reason = Winner.NEITHER, f"no difference that matters: {span}"
        if reading.cannot_exclude:
            reason += f"; not excluded: {reading.cannot_exclude}"
    else:
        winner, reason = Winner.UNDECIDED, f"undecided: {span}"
    return ExperimentVerdict(
        winner=winner, reason=reason, effect=reading.effect, low=low, high=high, level=reading.level
    )


def _spelled(reading: GuardReading) -> str:
    sign = "" if reading.has_ratio else "+"
    effect, low, high = (
        "unbounded" if value is None else f"{value:{sign}.3g}" for value in (reading.effect, reading.low, reading.high)
    )
    what = "ratio" if reading.has_ratio else "difference"
    return f"{what} {effect}, {reading.level:.0%} interval {low} to {high}"
