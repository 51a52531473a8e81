"""Which steps a route tells anyway: a receiver hears of one thing once, whoever thought of it."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from core.alerts.alert import Alert
from core.alerts.routing.groups import AlertGroup
from core.alerts.routing.placement import Placements

MINUTE: Final = timedelta(minutes=1)
"""The minutes of steps are whole: what a route tells within one is the step."""
ToldAnyway = Callable[[Alert, str, datetime], "datetime | None"]
"""Says when something else tells a receiver of an alert in place of a step that fell due; None: nothing does."""


def told_by_nothing(_alert: Alert, _receiver: str, _due_at: datetime) -> datetime | None:
    """Without routes, every step is told."""
    return None


class ToldByRoutes:
    """Looks at the groups after the routes have told what is due."""

    def __init__(self, placements: Placements, read: Callable[[], Mapping[str, AlertGroup]], now: datetime) -> None:
        """Prepare.

        Args:
            placements: Where the alerts belong.
            read: Reads the groups by their id; asked at most once.
            now: The time.
        """
        self._placements, self._read, self._now = placements, read, now

    @cached_property
    def _groups(self) -> Mapping[str, AlertGroup]:
        return self._read()

    def __call__(self, alert: Alert, receiver: str, due_at: datetime) -> datetime | None:
        """Return when a route told of an alert in the minute of a step, or will; None if none does.

        A route that waits longer, such as for its `group_interval`, or that tells nothing at this hour, holds back no
        step.
        """
        config = self._placements.config
        if config is None:
            return None
        soon = self._now + MINUTE
        for placed in self._placements.of(alert).groups:
            group = self._groups.get(placed.group_id)
            if group is None or placed.node.receiver != receiver:
                continue
            if group.told.get(alert.fingerprint) == alert.n_fired:
                if group.told_at is not None and self._is_of_step(group.told_at, due_at):
                    return group.told_at
            elif self._now < group.next_at <= soon and not config.is_muted_by_time(placed.node, self._now):
                return group.next_at
        return None

    def _is_of_step(self, told_at: datetime, due_at: datetime) -> bool:
        """Whether a message is that of a step; one of a step that fell due before its alert came, or was heard, too."""
        return due_at <= told_at and (told_at <= due_at + MINUTE or self._now - MINUTE <= told_at)
