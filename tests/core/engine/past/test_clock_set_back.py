"""A clock that was set back: what is recorded then is what was, at once and after the clock has caught up."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from core.actor import Actor, Origin
from core.registry import Registry
from core.view.past.recorder import Recorder
from core.view.past.replay import Past

T0 = datetime(2026, 3, 2, 3, 4, tzinfo=UTC)
MIRA = Actor("mira", "desk-4", Origin.CONSOLE)


@pytest.mark.parametrize("restarted", [False, True], ids=["under a recorder", "between two"])
def test_the_past_says_what_was_and_not_what_a_clock_ahead_had_seen(workspace, tmp_path, restarted):
    now = T0

    def clock():
        return now

    registry = Registry(workspace, clock=clock)
    source = tmp_path / "model.txt"
    source.write_text("tree\n")
    recorder = Recorder(workspace, hours=24, clock=clock)
    recorder.look()
    now += timedelta(minutes=1)
    registry.register("spread", source, metrics={"attainment": 0.9}, lineage={}, gates=(), actor=MIRA)
    recorder.look()

    now -= timedelta(hours=1)
    if restarted:
        recorder.close()
        recorder = Recorder(workspace, hours=24, clock=clock)
    with closing(recorder):
        registry.set_tags("spread", "1.0.0", {"desk": "rates"}, actor=MIRA)
        recorder.look()
        for _ in range(2):
            assert [version.tags for version in Past(workspace).at(now).versions] == [{"desk": "rates"}]
            now += timedelta(hours=2)
            recorder.look()
