"""The lines that notifications put into every attached console."""

import logging
from collections.abc import Hashable
from typing import TYPE_CHECKING

from core.errors import CoreError
from core.state import Workspace

if TYPE_CHECKING:
    from core.alerts.delivery.records import Announcement

log = logging.getLogger(__name__)


class AnnouncedLines:
    """Finds lines that came since the console was opened; asked by the poller's thread."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._seen: set[str] | None = None
        self._mark: Hashable = None

    def fresh(self) -> "list[Announcement]":
        """Return the lines that were not returned before; costs one stat call while there is none."""
        from core.alerts.delivery.channels.console_line import DATABASE, announcements_of

        try:
            mark = self._workspace.database(DATABASE).signature()
            if mark == self._mark:
                return []
            lines = announcements_of(self._workspace).all()
        except (CoreError, OSError) as error:  # the parts of the snapshot say what cannot be read
            log.debug("no lines of notifications: %s", error)
            return []
        self._mark = mark
        seen = self._seen
        self._seen = {line.announcement_id for line in lines}
        return [] if seen is None else [line for line in lines if line.announcement_id not in seen]
