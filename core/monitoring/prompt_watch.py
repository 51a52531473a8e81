"""The watcher of prompts: it reads what servers have recorded of them, and keeps the verdict of `prompt_drift`."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from core.monitoring.monitoring_store import MonitoringStore
from core.monitoring.prompt_drift import PromptDrift, day_of, prompt_state
from core.monitoring.sequential.budget import FalseAlarmBudget
from core.monitoring.watch import LiveVersion, WatcherLook
from core.settings.monitoring import MonitoringSettings
from core.telemetry.predictions import PredictionReader

MOST_PAGES = 10
"""Pages of one look: a million prompts; of more, the looks after it read the rest."""


class PromptWatch:
    """Keeps the verdict on the prompts of every live version that writes texts."""

    def __init__(self, settings: Callable[[], MonitoringSettings]) -> None:
        """Prepare.

        Args:
            settings: Returns the settings in force.
        """
        self._settings = settings
        self._readers: dict[Path, PredictionReader] = {}

    def look(self, version: LiveVersion, now: datetime, state: bytes | None) -> WatcherLook:
        """Take in the prompts that are new, and judge.

        Args:
            version: The version; it has documents to compare prompts with.
            now: The time.
            state: Of the last look.
        """
        file = version.workspace.predictions_file
        reader = self._readers.setdefault(file, PredictionReader(file))
        drift = PromptDrift(version.n_prompt_documents, self._false_alarm_days(version), prompt_state(state))
        for _ in range(MOST_PAGES):
            page = reader.prompts(version.model, version.version, drift.state.cursor)
            drift.take(page.prompts, day_of(now))
            drift.state.cursor = page.cursor
            if page.is_last:
                drift.close_days(day_of(now))
                break
        part = drift.part(version.live_since or version.created_at)
        return WatcherLook(part=part, state=msgspec.msgpack.encode(drift.state), cursor=drift.state.cursor.prediction)

    def _false_alarm_days(self, version: LiveVersion) -> float:
        """Split the budget over the watched models, and the part of this one over its live versions."""
        watched = MonitoringStore(version.workspace).readable()
        known = watched.get(version.model)
        n_versions = 1 if known is None else len({version.version, *(each.version for each in known.versions)})
        budget = FalseAlarmBudget.of(self._settings(), watched.keys() | {version.model})
        return budget.false_alarm_days(version.model, n_versions)
