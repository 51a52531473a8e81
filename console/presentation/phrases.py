"""Numbers, ages and durations for operators: short, in coarse steps, with no more digits than are known.

Steps are coarse on purpose: text that does not change is not sent, so a screen at rest stays silent.
"""

import math
from datetime import datetime

NOTHING = "–"
BUG = "A bug in bondx stopped this; see logs/console.log."
_BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_DURATION_STEPS = ((10, 1), (60, 5), (600, 60), (3600, 300), (86_400, 1800))


def age(since: datetime | None, now: datetime) -> str:
    """Say how long ago something happened, in whole minutes, hours or days.

    >>> from datetime import UTC, timedelta
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> [age(noon - timedelta(seconds=s), noon) for s in (3, 61, 7300, 180_000)]
    ['now', '1m', '2h', '2d']
    """
    if since is None:
        return NOTHING
    seconds = (now - since).total_seconds()
    if seconds < 60:
        return "now"
    if seconds < 3600:
        return f"{int(seconds // 60)}m"
    if seconds < 86_400:
        return f"{int(seconds // 3600)}h"
    return f"{int(seconds // 86_400)}d"


def ago(since: datetime | None, now: datetime) -> str:
    """Say how long ago something happened, as part of a sentence.

    >>> from datetime import UTC, timedelta
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> [ago(noon - timedelta(seconds=s), noon) for s in (3, 61)]
    ['just now', '1m ago']
    """
    told = age(since, now)
    return "just now" if told == "now" else f"{told} ago"


def end_reason(reason: str) -> str:
    """Say why a session ended: of a limit, that it was reached.

    >>> end_reason("epoch limit"), end_reason("converged")
    ('epoch limit reached', 'converged')
    """
    return f"{reason} reached" if reason.endswith(" limit") else reason


def clock_time(at: datetime, now: datetime) -> str:
    """Say when something happened in UTC: the time of day, or the month and the day if it is more than a day ago.

    >>> from datetime import UTC, timedelta
    >>> noon = datetime(2026, 1, 3, 12, tzinfo=UTC)
    >>> clock_time(noon - timedelta(hours=4), noon), clock_time(noon - timedelta(days=2), noon)
    ('08:00', '01-01')
    """
    return f"{at:%H:%M}" if (now - at).total_seconds() < 86_400 else f"{at:%m-%d}"


def duration(seconds: float | None, *, at_most: bool = False) -> str:
    """Spell a duration with at most two units, rounded more coarsely the longer it is.

    Args:
        seconds: The duration; None if unknown.
        at_most: Round up: the text is an upper limit.

    >>> [duration(s) for s in (0.4, 47, 130, 5400, 100_000, None)]
    ['0s', '45s', '2m', '1h 30m', '1d 4h', '–']
    >>> [duration(s, at_most=True) for s in (0.4, 47, 130, 5400)]
    ['1s', '50s', '3m', '1h 30m']
    """
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    step = next((step for below, step in _DURATION_STEPS if seconds < below), 3600)
    whole = (math.ceil if at_most else round)(max(seconds, 0.0) / step) * step
    if whole < 60:
        return f"{whole}s"
    minutes, hours, days = whole // 60 % 60, whole // 3600 % 24, whole // 86_400
    if days:
        return f"{days}d {hours}h" if hours else f"{days}d"
    if hours:
        return f"{hours}h {minutes:02d}m" if minutes else f"{hours}h"
    return f"{minutes}m"


def counted(n: int, noun: str) -> str:
    """Count things by a noun whose plural is regular.

    >>> counted(1, "model"), counted(1200, "version")
    ('1 model', '1,200 versions')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def share(value: float | None, digits: int = 1) -> str:
    """Spell a share of 1 as a percentage.

    >>> share(0.9374), share(None)
    ('93.7%', '–')
    """
    return NOTHING if value is None or not math.isfinite(value) else f"{value * 100:.{digits}f}%"


def percent(value: float | None) -> str:
    """Spell a percentage in whole points.

    >>> percent(12.6)
    '13%'
    """
    return NOTHING if value is None or not math.isfinite(value) else f"{value:.0f}%"


def number(value: float | None, unit: str = "") -> str:
    """Spell a measurement with four significant digits and its unit.

    >>> number(0.123456), number(99.95, "%"), number(13.2, "bps"), number(150000)
    ('0.1235', '99.95%', '13.2 bps', '150,000')
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return f"{text}{unit if unit == '%' else f' {unit}' if unit else ''}"


def size(n_bytes: float | None) -> str:
    """Spell an amount of bytes in binary units.

    >>> size(52_428_800), size(900), size(None)
    ('50 MiB', '900 B', '–')
    """
    if n_bytes is None or not math.isfinite(n_bytes):
        return NOTHING
    amount = float(n_bytes)
    for unit in _BYTE_UNITS[:-1]:
        if abs(amount) < 1024:
            return f"{amount:.3g} {unit}" if abs(amount) < 1000 else f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.3g} {_BYTE_UNITS[-1]}"


def rate(bytes_per_second: float | None) -> str:
    """Spell a transfer rate in binary units.

    >>> rate(2048.0)
    '2 KiB/s'
    """
    return NOTHING if bytes_per_second is None else f"{size(bytes_per_second)}/s"


def clock(now: datetime) -> str:
    """Show the time of day in UTC, in minutes.

    >>> from datetime import UTC
    >>> clock(datetime(2026, 1, 1, 7, 5, 59, tzinfo=UTC))
    '07:05 UTC'
    """
    return now.strftime("%H:%M UTC")


def instant(at: datetime | None) -> str:
    """Spell an instant to the minute, in UTC."""
    return NOTHING if at is None else at.strftime("%Y-%m-%d %H:%M UTC")
