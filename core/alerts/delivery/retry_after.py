"""How long a receiver asks to be left alone."""

import email.utils
from datetime import UTC, datetime
from typing import Final

from core.clock import as_utc, utc_now

MOST_SECONDS: Final = 3_600.0


def retry_after_seconds(text: str | None, *, now: datetime | None = None) -> float | None:
    """Read a Retry-After header, seconds or a date; at most an hour is believed.

    >>> retry_after_seconds("120"), retry_after_seconds("soon"), retry_after_seconds(None)
    (120.0, None, None)
    """
    if text is None:
        return None
    try:
        seconds = float(text) if text.strip().isdigit() else _seconds_until(text, now or utc_now())
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, seconds), MOST_SECONDS)


def _seconds_until(date: str, now: datetime) -> float:
    return (as_utc(email.utils.parsedate_to_datetime(date)) - now.astimezone(UTC)).total_seconds()
