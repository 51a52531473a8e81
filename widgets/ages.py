"""Ages in coarse steps: a screen at rest must send nothing, so its ages rarely change."""

from __future__ import annotations

MISSED_TICKS = 3
"""The number of missed ticks that make a pane stale."""

_STEPS = (
    (60, 15, "s", 1),
    (5 * 60, 60, "m", 60),
    (3600, 5 * 60, "m", 60),
    (48 * 3600, 3600, "h", 3600),
)


def age_text(seconds: float) -> str:
    """Say how long ago something was, in steps that grow with the age.

    Args:
        seconds: The age; a negative age (a clock set back) counts as zero.

    Returns:
        "now" below 15 s, then quarters of a minute, minutes, five minutes, hours and days.

    >>> [age_text(seconds) for seconds in (4, 47, 200, 1000, 9000, 400_000)]
    ['now', '45s', '3m', '15m', '2h', '4d']
    """
    if seconds < 15:
        return "now"
    for limit, step, unit, size in _STEPS:
        if seconds < limit:
            return f"{int(seconds // step) * step // size}{unit}"
    return f"{int(seconds // 86_400)}d"


def stale_text(age_seconds: float, *, tick_seconds: float = 1.0) -> str | None:
    """Say that a pane shows old values.

    Args:
        age_seconds: How old the values are.
        tick_seconds: How often they should be renewed.

    Returns:
        None while no more than three ticks were missed.

    >>> stale_text(2.5), stale_text(70)
    (None, 'stale 1m')
    """
    if age_seconds <= MISSED_TICKS * tick_seconds:
        return None
    age = age_text(age_seconds)
    return "stale" if age == "now" else f"stale {age}"
