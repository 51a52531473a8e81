"""Schedules in cron's five fields, in a time zone: exact over changes of the clock, leap days and downtime."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from cronsim import CronSim

N_FIELDS = 5
_EXPLAINED = 'expected five fields, minute hour day month weekday, such as "0 2 * * 0"'


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone.

    Raises:
        ValueError: There is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # none of this name, a folder, or a path
        raise ValueError(f"there is no time zone {name!r}: write one as Europe/Zurich") from None


@dataclass(frozen=True)
class CronSchedule:
    """The instants at which something is due.

    A time that a change of the clock skips is due at the end of the gap, and a time that it repeats is due the first
    time only, as in Debian's cron. An expression that matches every hour follows the hours that pass.

    Attributes:
        expression: Five fields: minute, hour, day of the month, month, day of the week.
        time_zone: The zone of its hours.
    """

    expression: str
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        self._from(datetime(2024, 1, 1, tzinfo=UTC))

    @cached_property
    def _zone(self) -> ZoneInfo:
        return zone_of(self.time_zone)

    def _from(self, at: datetime) -> "CronSim":
        from cronsim import CronSim, CronSimError  # only where a schedule is set

        if len(self.expression.split()) != N_FIELDS:
            raise ValueError(f"the schedule {self.expression!r} cannot be read: {_EXPLAINED}")
        try:
            return CronSim(self.expression, at.astimezone(self._zone))
        except CronSimError as error:
            problem = str(error).replace("Bad ", "bad ")
            raise ValueError(f"the schedule {self.expression!r} cannot be read ({problem}): {_EXPLAINED}") from None

    def next_after(self, at: datetime) -> datetime | None:
        """Return the first due instant after another, in UTC; None if there is none.

        Args:
            at: An aware time.

        >>> CronSchedule("0 2 * * 0", "Europe/Zurich").next_after(datetime(2026, 3, 28, tzinfo=UTC)).isoformat()
        '2026-03-29T01:00:00+00:00'
        """
        for local in self._from(at):
            # Within the hour that a clock repeats, the library begins at its first round, which has passed.
            if (found := local.astimezone(UTC)) > at:
                return found
        return None

    def is_due(self, handled_until: datetime, now: datetime) -> datetime | None:
        """Return the first due instant that was not handled yet; None if none has come.

        Args:
            handled_until: Until when all due instants have been handled. A clock that was set back since repeats none.
            now: The present.
        """
        found = self.next_after(handled_until)
        return found if found is not None and found <= now else None
