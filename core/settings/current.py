"""The settings as they are now, for processes that live long: read again when a file of them has changed."""

import logging
from pathlib import Path

from core.settings.errors import SettingsError
from core.settings.in_force import settings_files, settings_in_force
from core.settings.settings import Settings

log = logging.getLogger(__name__)

_Mark = tuple[tuple[str, int, int, int], ...]


class CurrentSettings:
    """The settings of one workspace. While its files are broken, the last good settings stay in force."""

    def __init__(self, root: Path, first: Settings) -> None:
        """Begin with settings that were read.

        Args:
            root: The folder of the workspace.
            first: The settings with which this process began.
        """
        self._root = root
        self._settings = first
        self._mark: _Mark = ()

    def read(self) -> Settings:
        """Return the settings in force; it costs a `stat()` of each file while nothing changes."""
        mark = _mark_of(self._root)
        if mark != self._mark:
            self._mark = mark
            try:
                self._settings = settings_in_force(self._root)
            except SettingsError as error:
                log.warning("the settings cannot be read, so the earlier settings stay in force: %s", error)
        return self._settings


def _mark_of(root: Path) -> _Mark:
    marks = []
    for file in settings_files(root):
        try:
            found = file.stat()
        except OSError:
            marks.append((str(file), 0, 0, 0))
        else:
            marks.append((str(file), found.st_ino, found.st_mtime_ns, found.st_size))
    return tuple(marks)
