"""The watcher of drift. What judges is imported at the first version with a profile: other engines stay light."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from core.explain.deny_list import NONE_DENIED, DenyList
from core.monitoring.watch import LiveVersion, WatcherLook
from core.settings.monitoring import MonitoringSettings

if TYPE_CHECKING:
    from core.monitoring.prompt_watch import PromptWatch
    from core.monitoring.sequential.live_drift import LiveDrift


class DriftWatch:
    """Keeps the sequential verdict of every live version that has a profile, or whose prompts are compared."""

    name: ClassVar[str] = "drift"

    def __init__(
        self,
        live_file: Path,
        settings: Callable[[], MonitoringSettings],
        denied: Callable[[], DenyList] = lambda: NONE_DENIED,
    ) -> None:
        """Prepare.

        Args:
            live_file: The store of the counted minutes.
            settings: Returns the settings in force.
            denied: Returns the columns whose shares, values and slices must not appear.
        """
        self._live_file, self._settings, self._denied = live_file, settings, denied
        self._judging: LiveDrift | None = None
        self._prompts: PromptWatch | None = None

    def look(self, version: LiveVersion, now: datetime, state: bytes | None) -> WatcherLook:
        """Take in the minutes that are new, and judge.

        Args:
            version: The version.
            now: The time.
            state: Of the last look.
        """
        if version.n_prompt_documents:
            if self._prompts is None:
                from core.monitoring.prompt_watch import PromptWatch

                self._prompts = PromptWatch(self._settings)
            return self._prompts.look(version, now, state)
        if version.profile is None:
            return WatcherLook()
        if self._judging is None:
            from core.monitoring.sequential.live_drift import LiveDrift

            self._judging = LiveDrift(self._live_file, self._settings, self._denied)
        return self._judging.look(version, version.profile, now, state)
