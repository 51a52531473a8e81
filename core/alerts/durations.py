"""Durations as Prometheus and Alertmanager write them: 30s, 5m, 1h30m, 7d."""

import re
from datetime import timedelta
from typing import Final

from core.errors import UsageError

_UNITS: Final = {
    "y": timedelta(days=365),
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_DURATION: Final = re.compile("".join(rf"(?:(\d{{1,12}}){unit}(?![a-z]))?" for unit in _UNITS))
MOST: Final = timedelta(days=365 * 100)


def read_duration(text: object) -> timedelta:
    """Read a duration.

    Args:
        text: The duration: whole numbers with the units y, w, d, h, m, s and ms, from the greatest to the least.

    Raises:
        UsageError: It is no such duration.

    >>> read_duration("1h30m").total_seconds()
    5400.0
    """
    given = "0s" if text in (0, "0") and text is not False else text
    found = _DURATION.fullmatch(given) if isinstance(given, str) else None
    if found is None or not any(found.groups()):
        raise UsageError(f"{text!r} is no duration; write one as 30s, 5m, 1h30m or 7d.")
    parts = zip(found.groups(), _UNITS.values(), strict=True)
    try:
        total = sum((int(number) * unit for number, unit in parts if number), timedelta())
    except OverflowError:
        total = MOST + timedelta(days=1)
    if total > MOST:
        raise UsageError(f"{text!r} is longer than a hundred years.")
    return total


def duration_text(duration: timedelta) -> str:
    """Write a duration.

    >>> duration_text(timedelta(hours=26, seconds=5))
    '1d2h5s'
    """
    left, parts = round(duration / timedelta(milliseconds=1)), []
    for unit, length in _UNITS.items():
        if unit in ("y", "w"):
            continue
        number, left = divmod(left, round(length / timedelta(milliseconds=1)))
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
