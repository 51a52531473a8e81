"""Keeping a sample of answered rows, where `serving.log_features` asks for it."""

import logging
import math
from collections.abc import Sequence
from typing import Any

from core.clock import Clock
from core.errors import CoreError
from core.serving.live.tap import AnsweredRequest, LiveTap
from core.settings.feature_log import FeatureLogSettings
from core.state import Workspace
from core.telemetry.features import FeatureBatch, FeatureWriter
from core.telemetry.predictions import request_number

log = logging.getLogger(__name__)

_NUMBERS = 1 << 64


class FeatureLog:
    """Samples answered rows; an unusable store blocks nothing. For the one thread that counts."""

    def __init__(self, workspace: Workspace, settings: FeatureLogSettings, clock: Clock) -> None:
        """Open the store.

        Args:
            workspace: The workspace with the store.
            settings: What is kept.
            clock: The time.
        """
        self._settings = settings
        self._least = settings.share * _NUMBERS
        self._is_told = False
        self._writer: FeatureWriter | None = None
        try:
            self._writer = FeatureWriter(workspace.features_file, settings, clock=clock)
        except (CoreError, OSError) as error:
            log.error("features are not logged: %s", error)

    def add(self, tap: LiveTap, answered: Sequence[AnsweredRequest]) -> None:
        """Keep the sampled rows of some requests."""
        if self._writer is None:
            return
        chosen = [(each, row, name) for each in answered for row, name in self._chosen(each)]
        if not chosen:
            return
        batch = FeatureBatch(
            tap.model,
            tap.version,
            tuple(each.at for each, _, _ in chosen),
            tuple(name for _, _, name in chosen),
            self._columns(tap, chosen),
            [each.values[row] for each, row, _ in chosen],
        )
        if not self._writer.add(batch) and not self._is_told:
            self._is_told = True
            log.warning("sampled features are dropped: more are answered than can be stored")

    def close(self) -> None:
        """Store what waits."""
        if self._writer is not None:
            self._writer.close()

    def _chosen(self, each: AnsweredRequest) -> list[tuple[int, str]]:
        """Choose rows by the id of their prediction: every process chooses the same, and so does a repetition."""
        names = [each.request_id, *(f"{each.request_id}/{row}" for row in range(1, len(each.values)))]
        return [(row, name) for row, name in enumerate(names) if request_number(name) % _NUMBERS < self._least]

    def _columns(self, tap: LiveTap, chosen: list[tuple[AnsweredRequest, int, str]]) -> dict[str, list[Any]]:
        if tap.signature.is_open:
            names = dict.fromkeys(name for each, row, _ in chosen for name in each.rows.texts[row])
            return {
                name: [each.rows.texts[row].get(name) for each, row, _ in chosen]
                for name in names
                if not self._settings.masks(name)
            }
        found: dict[str, list[Any]] = {}
        for at, name in enumerate(tap.numbers):
            if not self._settings.masks(name):
                cells = (each.rows.numbers.item(row, at) for each, row, _ in chosen)
                found[name] = [cell if math.isfinite(cell) else None for cell in cells]
        for at, name in enumerate(tap.texts):
            if not self._settings.masks(name):
                found[name] = [each.rows.texts[row][at] for each, row, _ in chosen]
        return found
