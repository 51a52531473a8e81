"""Time as an argument: one place that reads the wall clock, and one spelling of an instant."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current instant as an aware UTC datetime."""
    return datetime.now(UTC)


def to_iso(at: datetime) -> str:
    """Spell an instant the one way our files do: RFC 3339, UTC, microseconds, `Z`.

    Raises:
        ValueError: The datetime is naive, so its instant is unknown.

    >>> to_iso(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2026-01-02T03:04:05.000000Z'
    """
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_iso(text: str) -> datetime:
    """Read an instant written by `to_iso`, or any RFC 3339 text with an offset.

    >>> from_iso('2026-01-02T03:04:05.000000Z').hour
    3
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return at.astimezone(UTC)
