"""The `monitoring` block as the files have it now: a change takes effect at the next look, without a restart."""

import logging

from core.engine.context import EngineContext
from core.errors import CoreError
from core.settings import MonitoringSettings, settings_in_force
from core.settings.in_force import settings_files

log = logging.getLogger(__name__)


class MonitoringRulesInForce:
    """Reads the block again once a file has changed; a file that cannot be read changes nothing."""

    def __init__(self, context: EngineContext) -> None:
        """Begin with the settings of the engine.

        Args:
            context: The engine.
        """
        self._root = context.workspace.root
        self._known = context.settings.monitoring
        self._seen = self._look()

    def __call__(self) -> MonitoringSettings:
        """Return the block."""
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            try:
                self._known = settings_in_force(self._root).monitoring
            except CoreError as error:
                log.warning("the rules of monitoring stay as they were: %s", error)
        return self._known

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Return what tells each settings file from an earlier one."""
        found: list[tuple[int, int, int] | None] = []
        for file in settings_files(self._root):
            try:
                status = file.stat()
            except OSError:
                found.append(None)
            else:
                found.append((status.st_ino, status.st_mtime_ns, status.st_size))
        return tuple(found)
