"""Time intervals as Alertmanager writes them: times of day, weekdays, days of the month, months and years."""

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from core.errors import UsageError

Range = tuple[int, int]
LOCAL: Final = "Local"
"""The time zone of the machine on which the engine runs."""
_WEEKDAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS: Final = tuple(name.lower() for name in calendar.month_name[1:])
_TIME: Final = re.compile(r"(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeInterval:
    """Instants at which every given part holds; a part that is not given always holds."""

    times: tuple[Range, ...] = ()  # minutes of the day, the end not included
    weekdays: tuple[Range, ...] = ()  # 0 is Sunday
    days_of_month: tuple[Range, ...] = ()  # negative: from the end of the month
    months: tuple[Range, ...] = ()
    years: tuple[Range, ...] = ()
    location: str = "UTC"

    def contains(self, at: datetime) -> bool:
        """Whether an instant lies within.

        Args:
            at: An aware time.
        """
        local = at.astimezone(None if self.location == LOCAL else ZoneInfo(self.location))
        minute = 60 * local.hour + local.minute
        length = calendar.monthrange(local.year, local.month)[1]
        return (
            (not self.times or any(start <= minute < end for start, end in self.times))
            and _has(self.weekdays, local.isoweekday() % 7)
            and self._has_day(local.day, length)
            and _has(self.months, local.month)
            and _has(self.years, local.year)
        )

    def _has_day(self, day: int, length: int) -> bool:
        days = [_clamped(each, length) for each in self.days_of_month]
        return not days or any(first <= day <= last for first, last in days)


def _has(ranges: Sequence[Range], value: int) -> bool:
    return not ranges or any(first <= value <= last for first, last in ranges)


def _clamped(days: Range, length: int) -> Range:
    """Count days from the end of the month from its beginning, within the month."""
    first, last = (day if day > 0 else length + day + 1 for day in days)
    return max(1, first), min(length, last)


def read_times(start: object, end: object) -> Range:
    """Read a range of times of day; 24:00 is the end of the day.

    Raises:
        UsageError: A time cannot be read, or the end is not after the start.
    """
    found = (_minutes(start), _minutes(end))
    if found[0] >= found[1]:
        raise UsageError(f"end_time {end} must be after start_time {start}; write two ranges to span midnight.")
    return found


def _minutes(text: object) -> int:
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    hour, minute = (int(found[1]), int(found[2])) if found else (99, 99)
    if minute > 59 or 60 * hour + minute > 24 * 60:
        raise UsageError(f"{text!r} is no time of day; write one as 09:00.")
    return 60 * hour + minute


def read_weekdays(text: object) -> Range:
    """Read `saturday` or `monday:friday`.

    Raises:
        UsageError: It is no weekday, or the range runs backwards.
    """
    return _ordered(text, [_named(part, _WEEKDAYS, 0, "weekday") for part in _parts(text)])


def read_months(text: object) -> Range:
    """Read `may`, `5` or `may:august`.

    Raises:
        UsageError: It is no month, or the range runs backwards.
    """
    found = [_number(p, 1, 12) if p.isdecimal() else _named(p, _MONTHS, 1, "month") for p in _parts(text)]
    return _ordered(text, found)


def read_days_of_month(text: object) -> Range:
    """Read `1:5` or `-3:-1`; negative days count from the end of the month.

    Raises:
        UsageError: It is no day from 1 to 31 or from -31 to -1, or the range runs backwards.
    """
    found = [_number(part, -31, 31) for part in _parts(text)]
    if 0 in found:
        raise UsageError(f"{text!r}: there is no day 0; days run from 1 to 31, or from -31 to -1.")
    first, last = found[0], found[-1]
    if first < 0 < last:
        raise UsageError(f"{text!r}: a range that begins at the end of the month must end there: write -3:-1.")
    if (first < 0) == (last < 0):
        return _ordered(text, found)
    return first, last


def read_years(text: object) -> Range:
    """Read `2026` or `2026:2028`.

    Raises:
        UsageError: It is no year, or the range runs backwards.
    """
    return _ordered(text, [_number(part, 1, 9999) for part in _parts(text)])


def _parts(text: object) -> list[str]:
    parts = str(text).lower().split(":")
    if len(parts) > 2 or not all(parts):
        raise UsageError(f"{text!r} is no range; write one as first:last.")
    return [part.strip() for part in parts]


def _ordered(text: object, found: Sequence[int]) -> Range:
    if found[0] > found[-1]:
        raise UsageError(f"{text!r} runs backwards; write the first before the last.")
    return found[0], found[-1]


def _number(text: str, least: int, most: int) -> int:
    if not re.fullmatch(r"-?\d{1,5}", text) or not least <= int(text) <= most:
        raise UsageError(f"{text!r} is no number from {least} to {most}.")
    return int(text)


def _named(text: str, names: Sequence[str], first: int, what: str) -> int:
    if text not in names:
        raise UsageError(f"{text!r} is no {what}; they are {', '.join(names)}.")
    return names.index(text) + first
