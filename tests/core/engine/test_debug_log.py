"""One epoch followed through the debug log: draw, gates, learning, judging, checkpoint and record, with durations."""

import json
import re

import pytest

from core.engine import Engine
from core.settings import ModelSettings, TrainingSettings
from core.settings.explanation import ExplanationSettings

SETTINGS = TrainingSettings(
    explanation=ExplanationSettings(rows=0),
    dataset_size=150,
    max_epochs=1,
    models={"liquidity_shock": ModelSettings(algorithm="linear")},
)


@pytest.mark.journey
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
    text = (workspace.logs_dir / "training.log").read_text()  # a thread puts the child's lines among the engine's own
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
    records = [json.loads(line) for line in text.splitlines()]
    times = [next((each["ts"] for each in records if re.search(step, each["message"])), None) for step in steps]
    assert None not in times, dict(zip(steps, times, strict=True))
    assert times == sorted(times)
    assert f'"logger":"core.training.session_work","process":{child}' in text
