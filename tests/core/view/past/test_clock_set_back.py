"""A clock that was set back: what is recorded then is what was, at once and after the clock has caught up."""

from contextlib import closing
from datetime import UTC, datetime

import pytest

from core.actor import Actor, Origin
from core.registry import Registry
from core.view.past.recorder import DocumentRecorder
from core.view.past.replay import RecordedPast
from tests.clocks import HandClock

T0 = datetime(2026, 3, 2, 3, 4, tzinfo=UTC)
MIRA = Actor("mira", "desk-4", Origin.CONSOLE)


@pytest.mark.parametrize("restarted", [False, True], ids=["under a recorder", "between two"])
def test_the_past_shows_true_states_and_not_those_of_a_clock_ahead(workspace, tmp_path, restarted):
    clock = HandClock(T0)
    registry = Registry(workspace, clock=clock)
    source = tmp_path / "model.txt"
    source.write_text("tree\n")
    recorder = DocumentRecorder(workspace, hours=24, clock=clock)
    recorder.look()
    clock.pass_by(60)
    registry.register("spread", source, metrics={"attainment": 0.9}, lineage={}, gates=(), actor=MIRA)
    recorder.look()

    clock.pass_by(-3600)
    if restarted:
        recorder.close()
        recorder = DocumentRecorder(workspace, hours=24, clock=clock)
    with closing(recorder):
        registry.set_tags("spread", "1.0.0", {"desk": "rates"}, actor=MIRA)
        recorder.look()
        for _ in range(2):
            assert [version.tags for version in RecordedPast(workspace).at(clock.now).versions] == [{"desk": "rates"}]
            clock.pass_by(7200)
            recorder.look()
