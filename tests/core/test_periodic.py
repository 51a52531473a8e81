"""What is done every so often is done after the clock was set back, too: else a store grows for years."""

from contextlib import closing
from datetime import timedelta

import pytest

from core.settings.feature_log import FeatureLogSettings
from core.telemetry import TelemetryWriter
from core.telemetry.features.writer import FeatureWriter
from core.telemetry.live import LiveWriter
from core.telemetry.predictions.writer import PredictionWriter
from tests.clocks import HandClock
from tests.waiting import until

WRITERS = {
    "_maintenance": TelemetryWriter,
    "_upkeep": PredictionWriter,
    "_upkeep_times": lambda file, **how: LiveWriter(file, lambda *counts: b"", **how),
    "_pruning": lambda file, **how: FeatureWriter(file, FeatureLogSettings(), **how),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_store_is_tended_after_the_clock_was_set_back(tmp_path, name):
    clock = HandClock()
    with closing(WRITERS[name](tmp_path / "store.db", clock=clock, commit_seconds=0.01)) as writer:
        periodic = getattr(writer, name)
        clock.now -= timedelta(days=365)
        until(lambda: periodic.next_at < clock.now + timedelta(hours=1), "the upkeep")
