"""The only place that reads the wall clock, and the only spelling of an instant."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

from core.errors import UsageError

Clock = Callable[[], datetime]

_FIRST_YEAR, _LAST_YEAR = 1970, 9998  # a day before and after them is still in the calendar
OUTSIDE = f"is outside the years {_FIRST_YEAR} to {_LAST_YEAR}"


def utc_now() -> datetime:
    """Return the current instant as an aware UTC datetime."""
    return datetime.now(UTC)


def to_iso(at: datetime) -> str:
    """Format an instant as all our files do: RFC 3339, UTC, microseconds, `Z`.

    Raises:
        ValueError: The datetime is naive, so its instant is unknown.

    >>> to_iso(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2026-01-02T03:04:05.000000Z'
    """
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone")
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def in_words(at: datetime) -> str:
    """Spell an instant in a sentence, to the minute.

    >>> in_words(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2026-01-02 03:04 UTC'
    """
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def from_iso(text: str) -> datetime:
    """Read an instant written by `to_iso`, or any RFC 3339 text with an offset.

    >>> from_iso('2026-01-02T03:04:05.000000Z').hour
    3
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return at.astimezone(UTC)


def as_utc(at: datetime) -> datetime:
    """Convert an instant to UTC; a datetime without an offset is in UTC, and one beyond the calendar is its edge.

    >>> from datetime import timezone
    >>> as_utc(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))).year
    1
    """
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        return (datetime.min if at.year == datetime.min.year else datetime.max).replace(tzinfo=UTC)


def is_possible(at: datetime) -> bool:
    """Whether a computer may have run at an instant; a little before and after it, there still is a calendar.

    >>> is_possible(datetime(2026, 3, 1, tzinfo=UTC)), is_possible(datetime(1, 1, 1, tzinfo=UTC))
    (True, False)
    """
    return _FIRST_YEAR <= as_utc(at).year <= _LAST_YEAR


_DURATION = re.compile(r"(?:(\d{1,4})w)?(?:(\d{1,5})d)?(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,8})s)?")


def read_duration(text: str) -> timedelta:
    """Read a duration that a person typed, as Prometheus writes it.

    Args:
        text: `30m`, `2h`, `1d`, or several units, the largest first: `1h30m`.

    Raises:
        UsageError: The text is no duration above 0.

    >>> read_duration("1h30m").total_seconds()
    5400.0
    """
    found = _DURATION.fullmatch(text.strip())
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0,) * 5
    duration = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not duration:
        raise UsageError(f"{text!r} is not a duration: write 30m, 2h, 1d or 1h30m.")
    return duration


def read_coming_instant(text: str, now: datetime) -> datetime:
    """Read an instant ahead that a person typed, as `read_instant`; a time of day is its next occurrence.

    Raises:
        UsageError: The text is no time, or not after now.
    """
    at = read_instant(text, now)
    if at <= now and "T" not in text and " " not in text.strip():
        at += timedelta(days=1)
    if at <= now:
        raise UsageError(f"{text!r} is not after now ({now:%Y-%m-%d %H:%M} UTC).")
    return at


def read_instant(text: str, now: datetime) -> datetime:
    """Read an instant that a person typed: a time of day, or a date with one, in UTC unless an offset is given.

    Args:
        text: `02:50` or `02:50:07` is the latest such time before now; `2026-03-01T02:50` is that instant.
        now: The present.

    Raises:
        UsageError: The text has neither form, or is no time at which a computer ran.

    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> [to_iso(read_instant(text, noon)) for text in ("02:50", "13:00:01", "2026-02-01T10:00+01:00")]
    ['2026-03-01T02:50:00.000000Z', '2026-02-28T13:00:01.000000Z', '2026-02-01T09:00:00.000000Z']
    """
    try:
        of_day = time.fromisoformat(text)
    except ValueError:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise UsageError(f"{text!r} is not a time: write 02:50, 02:50:07 or 2026-03-01T02:50 (UTC).") from None
        if not is_possible(at):
            raise UsageError(f"{text!r} {OUTSIDE}.") from None
        return as_utc(at)
    at = datetime.combine(now.astimezone(UTC), of_day, of_day.tzinfo or UTC)
    return at if at <= now else at - timedelta(days=1)
