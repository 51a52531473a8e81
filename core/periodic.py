"""Work that is done every so often, by a clock that may be set back."""

from datetime import datetime, timedelta


class Periodic:
    """Says when work is due again.

    A machine that booted with a wrong time has its clock set back by days or years. What waited for an instant ahead
    would not be done until then, so an instant further ahead than the interval counts as due.
    """

    def __init__(self, every: timedelta, first_at: datetime) -> None:
        """Prepare.

        Args:
            every: The interval.
            first_at: When the work is due for the first time, at most an interval ahead.
        """
        self._every = every
        self._next_at = first_at

    @property
    def next_at(self) -> datetime:
        """When the work is due next, unless the clock is set back."""
        return self._next_at

    def is_due(self, now: datetime) -> bool:
        """Say whether the work is due; if it is, the next interval begins.

        >>> at = datetime(2026, 3, 1, 12)
        >>> pruning = Periodic(timedelta(hours=1), at)
        >>> [pruning.is_due(at + timedelta(minutes=minutes)) for minutes in (0, 59, 60, 90)]
        [True, False, True, False]
        >>> a_year_back = at - timedelta(days=365)
        >>> [pruning.is_due(a_year_back + timedelta(minutes=minutes)) for minutes in (0, 59, 60)]
        [True, False, True]
        """
        if now < self._next_at <= now + self._every:
            return False
        self._next_at = now + self._every
        return True
