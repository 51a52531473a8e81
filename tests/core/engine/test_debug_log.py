"""One epoch followed through the debug log: draw, gates, learning, judging, checkpoint and record, with durations."""

import re

import pytest

from core.engine import Engine
from core.settings import ModelSettings, TrainingSettings

SETTINGS = TrainingSettings(
    dataset_size=150, max_epochs=1, models={"liquidity_shock": ModelSettings(algorithm="linear")}
)


@pytest.mark.parametrize("level", ["debug", "info"])
def test_an_epoch_is_followed_from_its_draw_to_its_record(workspace, sessions, person, until, monkeypatch, level):
    workspace.settings_file.write_text(f"logging: {{level: {level}, format: json}}\n")
    monkeypatch.delenv("LOG_LEVEL", raising=False)
    engine = Engine(workspace, mode="headless", actor=person)
    engine.start()
    try:
        session_id = sessions.start(SETTINGS, name="", actor=person).session_id
        until(sessions, session_id, lambda observed: observed.phase.is_at_rest)
        child = engine.child_pid
    finally:
        engine.stop()
    text = (workspace.logs_dir / "training.log").read_text()
    if level == "info":
        assert '"DEBUG"' not in text
        return
    steps = (
        rf"{session_id}: the child {child} is asked: RunEpoch",
        r"epoch 1: 150 rows drawn in [0-9.]+ s",
        r"epoch 1: \d+ gates judged in [0-9.]+ s",
        r"epoch 1: gate \S+: pass, ",
        r"epoch 1: learned from \d+ rows in [0-9.]+ s",
        r"epoch 1: \d+ metrics judged in [0-9.]+ s",
        r"epoch 1: checkpoint \S+ in [0-9.]+ s",
        rf"{session_id}: epoch 1 computed in [0-9.]+ s and recorded in [0-9.]+ s",
    )
    places = [found.start() if (found := re.search(step, text)) else step for step in steps]
    assert all(isinstance(place, int) for place in places), places
    assert places == sorted(places)
    assert f'"logger":"core.training.session_work","process":{child}' in text
