"""The settings as they are now, for processes that live long: read again when a file of them has changed."""

import logging
import threading
from pathlib import Path

from core.plain_files import signatures_of
from core.settings.errors import SettingsError
from core.settings.in_force import settings_files, settings_in_force
from core.settings.settings import Settings

log = logging.getLogger(__name__)


class CurrentSettings:
    """The settings of one workspace. While its files are broken, the last good settings stay in force.

    Safe for several threads: who asks while another thread reads waits for what it finds.
    """

    def __init__(self, root: Path, first: Settings) -> None:
        """Begin with settings that were read.

        Args:
            root: The folder of the workspace.
            first: The settings with which this process began.
        """
        self._root = root
        self._settings = first
        self._read_from: object = ()
        self._lock = threading.Lock()

    def read(self) -> Settings:
        """Return the settings in force; it costs a `stat()` of each file while nothing changes."""
        with self._lock:
            signatures = signatures_of(settings_files(self._root))
            if signatures != self._read_from:
                self._read_from = signatures
                try:
                    self._settings = settings_in_force(self._root)
                except SettingsError as error:
                    log.warning("the settings cannot be read, so the earlier settings stay in force: %s", error)
            return self._settings
