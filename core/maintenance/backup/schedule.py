"""When the next backup of the settings is due, and whether the last one is too old; no clock and no disk of its own."""

from datetime import datetime, timedelta

RETRY = timedelta(minutes=10)
_OVERDUE_AFTER = 2


def due_at(every: timedelta, last_at: datetime | None, failed_at: datetime | None, now: datetime) -> datetime:
    """Return when the next backup is due: at once if there was none yet, later after a failure.

    Args:
        every: The time between two backups.
        last_at: The instant of the last finished one.
        failed_at: When an attempt failed after it.
        now: The time.
    """
    due = now if last_at is None else last_at + every
    return due if failed_at is None else max(due, failed_at + min(RETRY, every))


def is_overdue(every: timedelta, last_at: datetime | None, waiting_since: datetime, now: datetime) -> bool:
    """Say whether the last finished backup is older than twice the time between two.

    Args:
        every: The time between two backups.
        last_at: The instant of the last finished one.
        waiting_since: Since when the first one is waited for, if there was none.
        now: The time.
    """
    return now - (last_at or waiting_since) > _OVERDUE_AFTER * every
