"""Until when the user of this console has seen each workspace: a file of the user's own, beside the preferences."""

import logging
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from console.runtime.preferences import MAX_BYTES, preferences_file
from core.clock import Clock
from core.errors import CoreError
from core.files import write_file
from core.json_documents import decode_json
from core.periodic import Periodic
from core.plain_files import open_plain

if TYPE_CHECKING:
    from core.state import Workspace
    from core.view.shift import ShiftSummary

EVERY: Final = timedelta(minutes=1)
"""How often a console that stays open notes that its user sees what happens: a hang-up loses at most this."""
MOST: Final = 200
"""The most workspaces that are remembered, those that were seen last."""
AWAY: Final = timedelta(minutes=1)
"""Who was away for less has missed nothing that the screens do not show."""
log = logging.getLogger("bondx.console")


def visits_file() -> Path:
    """Return the file of the user who runs this process."""
    return preferences_file(os.environ).with_name("visits.json")


def read_visits(file: Path) -> dict[str, datetime]:
    """Read until when each workspace was seen; a file that is missing, or holds anything else, counts as none."""
    try:
        with open_plain(file) as stream:
            content = stream.read(MAX_BYTES + 1)
        return decode_json(content, dict[str, datetime])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("%s is ignored: %s", file, error)
        return {}


class Visits:
    """The visits of the user to one workspace. Asked and told by threads beside the screens: it reads and writes."""

    def __init__(self, root: Path, clock: Clock, file: Path | None = None) -> None:
        """Prepare; nothing is read yet.

        Args:
            root: The workspace.
            clock: The time.
            file: The file; by default the user's.
        """
        self._name = str(root)
        self._clock = clock
        self._file = file
        self._noting = Periodic(EVERY, first_at=clock())

    def last(self) -> datetime | None:
        """Return until when the user saw the workspace the last time; None before the first visit."""
        return read_visits(self._file or visits_file()).get(self._name)

    def note(self, *, leaves: bool = False) -> None:
        """Note that the user sees the workspace now; it is written once a minute, and when the user leaves."""
        now = self._clock()
        if not self._noting.is_due(now) and not leaves:
            return
        file = self._file or visits_file()
        # Read again: another console of the user may have noted another workspace meanwhile.
        visits = read_visits(file) | {self._name: now}
        kept = dict(sorted(visits.items(), key=lambda visit: visit[1])[-MOST:])
        try:
            write_file(file, msgspec.json.format(msgspec.json.encode(kept)), durable=False)
        except CoreError as error:
            log.debug("the visit is not noted: %s", error)

    def look_back(self, workspace: "Workspace") -> "tuple[datetime | None, ShiftSummary | None]":
        """Note this visit, and return when the user left the last time and what happened since; None for nothing.

        Raises:
            CoreError: The record of the workspace cannot be read.
        """
        from core.view.shift import shift_summary

        left_at, now = self.last(), self._clock()
        self.note()
        if left_at is None or now - left_at < AWAY:
            return left_at, None
        summary = shift_summary(workspace, left_at, now)
        return left_at, None if summary.is_quiet else summary
