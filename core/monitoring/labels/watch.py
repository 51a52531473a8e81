"""The watcher of wanted outcomes: what those that came prove of a live version, and by when the rest decide."""

from datetime import datetime
from typing import ClassVar

import msgspec

from core.monitoring.labels.draws import LabelDraws
from core.monitoring.labels.judging import caught_up, judged, known_losses
from core.monitoring.watch import LiveVersion, Watcher, WatcherLook


class LabelsWatch(Watcher):
    """Follows the newest draw for each live version; its state keeps losses, since predictions expire."""

    name: ClassVar[str] = "labels"

    def look(self, version: LiveVersion, now: datetime, state: bytes | None) -> WatcherLook:
        """Add the outcomes that came, and judge; arguments as in the protocol."""
        draw = LabelDraws(version.workspace).newest(version.model, version.version)
        if draw is None:
            return WatcherLook(state=state)
        known = caught_up(known_losses(state, draw), draw, version.workspace.predictions_file)
        return WatcherLook(part=judged(draw, known, now), state=msgspec.json.encode(known, order="sorted"))
