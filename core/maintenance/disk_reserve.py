"""A reserve of disk space: a file that a prune on a full disk gives back, since a deletion writes before it frees.

The record of a prune is the next generation of a state file, beside the present one. The reserve has room for two such
generations. The engine keeps it while there is plenty of room, and never takes the last of a disk for it.
"""

import logging
import os
import shutil
from collections.abc import Callable, Iterable
from typing import TypeVar

from core.errors import CoreError
from core.files import UNFINISHED, DiskFullError, FileAccessError, InDoubtError, remove_file, write_file
from core.state import Workspace
from core.telemetry.errors import TelemetryDamagedError, TelemetryError

T = TypeVar("T")

log = logging.getLogger(__name__)

RESERVE_NAME = "reserve"
LEAST_BYTES, MOST_BYTES = 1 << 20, 16 << 20
PLENTY = 8
"""How often the reserve must fit into the free space before it is made."""
_FULL = (DiskFullError, TelemetryError)


class DiskReserve:
    """The reserve of one workspace, `cache/reserve`."""

    def __init__(self, workspace: Workspace) -> None:
        """Prepare; nothing is written.

        Args:
            workspace: The workspace.
        """
        self._workspace = workspace
        self._file = workspace.cache_dir / RESERVE_NAME

    @property
    def n_bytes(self) -> int:
        """How large it should be: room for two generations of the largest state file, within limits."""
        largest = max((file.stat().st_size for file in self._workspace.state_dir.glob("*.json")), default=0)
        return min(max(2 * largest, LEAST_BYTES), MOST_BYTES)

    def keep(self) -> None:
        """Make it, or make it larger, if the disk has plenty of room; what fails is tried again by the next call."""
        self._sweep()
        try:
            wanted, present = self.n_bytes, self._file.stat().st_size if self._file.exists() else 0
            if present >= wanted or shutil.disk_usage(self._workspace.root).free < PLENTY * wanted:
                return
            # Bytes that no file system can compress or leave out, or there would be nothing to give back.
            write_file(self._file, os.urandom(wanted))
        except (OSError, FileAccessError, InDoubtError) as error:
            log.debug("the reserve of disk space was not made: %s", error)

    def helps(self, failures: Iterable[CoreError]) -> bool:
        """Give it back if one of some failures is for want of room; return whether there is more room now."""
        return any(map(_may_want_room, failures)) and self.give_back()

    def lend(self, delete: Callable[[], T]) -> T:
        """Delete something; on a full disk, once more with the room of the reserve.

        Args:
            delete: Deletes it, whole or not at all.
        Returns:
            What `delete` returns.
        Raises:
            CoreError: It failed, and more room would not help, or there is no reserve.
        """
        try:
            return delete()
        except _FULL as error:
            if not self.helps([error]):
                raise
            return delete()
        finally:
            self.keep()

    def give_back(self) -> bool:
        """Remove it, so that its room is free; return whether there was one, whole or unfinished."""
        n_swept = self._sweep()
        if not self._file.exists():
            return n_swept > 0
        try:
            remove_file(self._file)
        except FileAccessError as error:
            log.warning("the reserve of disk space could not be given back: %s", error)
            return n_swept > 0
        log.info("gave back the reserve of disk space, for a prune")
        return True

    def _sweep(self) -> int:
        """Remove what killed processes left of it; return how many files. Who is writing it now tries again later."""
        n_swept = 0
        for leftover in self._file.parent.glob(f".{RESERVE_NAME}.*{UNFINISHED}"):
            try:
                remove_file(leftover)
                n_swept += 1
            except FileAccessError as error:
                log.warning("an unfinished reserve of disk space could not be removed: %s", error)
        return n_swept


def _may_want_room(error: CoreError) -> bool:
    """Whether room may help: an error of SQLite does not say whether the disk was full, only that a file is damaged."""
    return isinstance(error, _FULL) and not isinstance(error, TelemetryDamagedError)
