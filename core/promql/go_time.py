"""Times and durations in Go's templates: their methods, and the layouts of `Time.Format`."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from core.promql.errors import PromqlError
from core.promql.go_values import GoMethod, GoNumber, time_text, zone_name

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_NANOSECONDS: Final = 2**63 - 1
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_CHUNK: Final = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|002|0[1-6]|15|1|2006|2|__2|_2(?!006)|3|4|5|PM|pm"
    r"|[-Z]07(?:0000|:00:00|00|:00)?|[.,](?:0+|9+)(?!\d)"
)


class GoMonth(GoNumber):
    """A month of a year."""

    type_name: ClassVar[str] = "time.Month"

    @property
    def text(self) -> str:
        """Its English name."""
        return _MONTHS[self - 1] if 1 <= self <= 12 else f"%!Month({int(self)})"


class GoWeekday(GoNumber):
    """A day of a week, Sunday is 0."""

    type_name: ClassVar[str] = "time.Weekday"

    @property
    def text(self) -> str:
        """Its English name."""
        return _DAYS[self]


class GoDuration(GoNumber):
    """A time between two, in nanoseconds."""

    type_name: ClassVar[str] = "time.Duration"

    @property
    def text(self) -> str:
        """As `Duration.String`.

        >>> GoDuration(3_600_000_000_000).text, GoDuration(1_500_000).text, GoDuration(90_500_000_000).text
        ('1h0m0s', '1.5ms', '1m30.5s')
        """
        sign, left = "-" if self < 0 else "", abs(int(self))
        if not left:
            return "0s"
        for unit, name in ((1, "ns"), (10**3, "µs"), (10**6, "ms")):
            if left < unit * 1000:
                return f"{sign}{_decimal(left, unit)}{name}"
        minutes, rest = divmod(left, 60 * 10**9)
        written = f"{_decimal(rest, 10**9)}s"
        if minutes:
            written = f"{minutes % 60}m{written}"
        if minutes >= 60:
            written = f"{minutes // 60}h{written}"
        return sign + written

    def template_field(self, name: str) -> GoMethod:
        """Return a method; see `HasFields`."""
        return {
            "Hours": GoMethod(lambda: self / 3_600_000_000_000),
            "Minutes": GoMethod(lambda: self / 60_000_000_000),
            "Seconds": GoMethod(lambda: self / 1_000_000_000),
            "Milliseconds": GoMethod(lambda: _quotient(self, 10**6)),
            "Microseconds": GoMethod(lambda: _quotient(self, 10**3)),
            "Nanoseconds": GoMethod(lambda: int(self)),
            "String": GoMethod(lambda: self.text),
            "Abs": GoMethod(lambda: GoDuration(abs(self))),
            "Round": GoMethod(lambda unit: _bounded(_rounded(self, unit)), ("int",)),
            "Truncate": GoMethod(lambda unit: GoDuration(_quotient(self, unit) * unit if unit > 0 else self), ("int",)),
        }[name]

    def template_fields(self) -> tuple[str, ...]:
        """Return the names of the methods."""
        return ("Hours", "Minutes", "Seconds", "Milliseconds", "String", "Round", "Truncate")


def _decimal(number: int, unit: int) -> str:
    whole, rest = divmod(number, unit)
    return f"{whole}.{rest:0{len(str(unit)) - 1}d}".rstrip("0").rstrip(".") if rest else str(whole)


def _quotient(number: int, by: int) -> int:
    """Divide as Go does: towards 0."""
    return number // by if number >= 0 else -(-number // by)


def _rounded(number: int, unit: int) -> int:
    if unit <= 0:
        return number
    nearest = (abs(number) * 2 + unit) // (2 * unit) * unit  # halves away from 0
    return nearest if number >= 0 else -nearest


def _bounded(nanoseconds: int) -> GoDuration:
    """Return a duration; one that is too long is the longest, as in Go."""
    return GoDuration(max(-_MOST_NANOSECONDS - 1, min(_MOST_NANOSECONDS, nanoseconds)))


def time_field(value: datetime, name: str) -> GoMethod:
    """Return a method of a time.

    Raises:
        KeyError: Go's Time has none of this name, or templates cannot call it.
    """
    return _METHODS[name](value)


def time_fields() -> list[str]:
    """Return the names of the methods."""
    return list(_METHODS)


def since(value: datetime, now: datetime) -> GoDuration:
    """Return how long ago a time is."""
    return _between(now, value)


def in_zone(value: datetime, name: str) -> datetime:
    """Return a time in a zone.

    Raises:
        PromqlError: There is no such zone.
    """
    try:
        return value.astimezone(None if name == "Local" else ZoneInfo(name or "UTC"))
    except OverflowError:  # the time of an alert that has not ended, in a zone west of UTC
        raise PromqlError(f"{time_text(value)} is no time in the zone {name!r}") from None
    except (KeyError, OSError, ValueError):
        raise PromqlError(f"there is no time zone {name!r}; write one as Europe/Zurich.") from None


def formatted(value: datetime, layout: str) -> str:
    """Write a time in a layout of Go, which shows how 2006-01-02 15:04:05 would be written.

    >>> formatted(datetime(2026, 11, 6, 7, 36, tzinfo=UTC), "Mon _2 Jan 3:04PM 2006 Z07:00")
    'Fri  6 Nov 7:36AM 2026 Z'
    """
    return _CHUNK.sub(lambda found: _chunk(value, found.group()), layout)


def _chunk(value: datetime, chunk: str) -> str:
    if chunk[0] in "-Z" and len(chunk) > 1:
        return _offset(value, chunk)
    if chunk[0] in ".,":
        nanoseconds = f"{value.microsecond * 1000:09d}"[: len(chunk) - 1].ljust(len(chunk) - 1, "0")
        if chunk[1] == "9":
            nanoseconds = nanoseconds.rstrip("0")
        return chunk[0] + nanoseconds if nanoseconds else ""
    hour12 = value.hour % 12 or 12
    day_of_year = value.timetuple().tm_yday
    weekday = _DAYS[value.isoweekday() % 7]
    return {
        "January": _MONTHS[value.month - 1], "Jan": _MONTHS[value.month - 1][:3], "1": str(value.month),
        "01": f"{value.month:02}", "Monday": weekday, "Mon": weekday[:3], "2": str(value.day),
        "02": f"{value.day:02}", "_2": f"{value.day:2}", "002": f"{day_of_year:03}", "__2": f"{day_of_year:3}",
        "15": f"{value.hour:02}", "3": str(hour12), "03": f"{hour12:02}", "4": str(value.minute),
        "04": f"{value.minute:02}", "5": str(value.second), "05": f"{value.second:02}",
        "2006": f"{value.year:04}", "06": f"{value.year % 100:02}", "PM": "PM" if value.hour >= 12 else "AM",
        "pm": "pm" if value.hour >= 12 else "am", "MST": zone_name(value),
    }[chunk]  # fmt: skip


def _offset(value: datetime, chunk: str) -> str:
    seconds = int((value.utcoffset() or timedelta()).total_seconds())
    if chunk[0] == "Z" and not seconds:
        return "Z"
    sign, left = "-" if seconds < 0 else "+", abs(seconds)
    parts = [f"{left // 3600:02}", f"{left // 60 % 60:02}", f"{left % 60:02}"]
    n_parts = {"07": 1, "0700": 2, "07:00": 2, "070000": 3, "07:00:00": 3}[chunk[1:]]
    return sign + (":" if ":" in chunk else "").join(parts[:n_parts])


def _nanoseconds(value: datetime) -> int:
    return (value - _EPOCH) // timedelta(microseconds=1) * 1000


def _between(later: datetime, earlier: datetime) -> GoDuration:
    return _bounded(_nanoseconds(later) - _nanoseconds(earlier))


def _shifted(value: datetime, years: int, months: int, days: int) -> datetime:
    """Add to a date; a day that the month has not runs over into the next, as in Go."""
    year, month = divmod(value.year * 12 + value.month - 1 + years * 12 + months, 12)
    return value.replace(year=year, month=month + 1, day=1) + timedelta(days=value.day - 1 + days)


def _truncated(value: datetime, unit: int) -> datetime:
    if unit <= 0:
        return value
    since_year_1 = (value - datetime(1, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    return value - timedelta(microseconds=since_year_1 % unit // 1000)


_METHODS: Final[Mapping[str, Callable[[datetime], GoMethod]]] = {
    "Format": lambda value: GoMethod(lambda layout: formatted(value, layout), ("string",)),
    "String": lambda value: GoMethod(lambda: time_text(value)),
    "Unix": lambda value: GoMethod(lambda: _nanoseconds(value) // 10**9),
    "UnixMilli": lambda value: GoMethod(lambda: _nanoseconds(value) // 10**6),
    "UnixMicro": lambda value: GoMethod(lambda: _nanoseconds(value) // 10**3),
    "UnixNano": lambda value: GoMethod(lambda: _nanoseconds(value)),
    "UTC": lambda value: GoMethod(lambda: value.astimezone(UTC)),
    "Local": lambda value: GoMethod(value.astimezone),
    "Location": lambda value: GoMethod(lambda: str(value.tzinfo)),
    "Year": lambda value: GoMethod(lambda: value.year),
    "Month": lambda value: GoMethod(lambda: GoMonth(value.month)),
    "Day": lambda value: GoMethod(lambda: value.day),
    "Hour": lambda value: GoMethod(lambda: value.hour),
    "Minute": lambda value: GoMethod(lambda: value.minute),
    "Second": lambda value: GoMethod(lambda: value.second),
    "Nanosecond": lambda value: GoMethod(lambda: value.microsecond * 1000),
    "Weekday": lambda value: GoMethod(lambda: GoWeekday(value.isoweekday() % 7)),
    "YearDay": lambda value: GoMethod(lambda: value.timetuple().tm_yday),
    "IsZero": lambda value: GoMethod(lambda: value == datetime(1, 1, 1, tzinfo=UTC)),
    "Before": lambda value: GoMethod(lambda other: value < other, ("time.Time",)),
    "After": lambda value: GoMethod(lambda other: value > other, ("time.Time",)),
    "Equal": lambda value: GoMethod(lambda other: value == other, ("time.Time",)),
    "Compare": lambda value: GoMethod(lambda other: (value > other) - (value < other), ("time.Time",)),
    "Sub": lambda value: GoMethod(lambda other: _between(value, other), ("time.Time",)),
    "Add": lambda value: GoMethod(lambda spent: value + timedelta(microseconds=spent // 1000), ("int",)),
    "AddDate": lambda value: GoMethod(lambda *parts: _shifted(value, *parts), ("int", "int", "int")),
    "Truncate": lambda value: GoMethod(lambda unit: _truncated(value, unit), ("int",)),
    "Round": lambda value: GoMethod(
        lambda unit: _truncated(value + timedelta(microseconds=unit // 2000), unit), ("int",)
    ),
}


def go_syntax(value: datetime) -> str:
    """Write a time as Go source, as `%#v` does."""
    zone = "time.UTC" if not value.utcoffset() else "time.Local"
    parts: list[Any] = [value.day, value.hour, value.minute, value.second, value.microsecond * 1000, zone]
    return f"time.Date({value.year}, time.{_MONTHS[value.month - 1]}, {', '.join(map(str, parts))})"


def raw_parts(value: datetime) -> list[int]:
    """Return the unexported fields of Go's Time, which the verbs of whole numbers write."""
    whole = (value - datetime(1, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    return [value.microsecond * 1000, whole, 0]
