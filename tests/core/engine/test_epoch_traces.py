"""An engine sends a span of each epoch, and counts it in its series."""

import pytest

from core.engine import Engine
from core.settings import ModelSettings, TrainingSettings
from core.settings.explanation import ExplanationSettings
from core.state import Workspace
from core.training.session import SessionPhase
from tests import waiting
from tests.span_collector import span_collector, told

pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
SHORT = TrainingSettings(
    explanation=ExplanationSettings(rows=0),
    dataset_size=150,
    max_epochs=2,
    patience=10,
    models={"liquidity_shock": ModelSettings(algorithm="linear")},
)


@pytest.fixture
def collector():
    with span_collector() as collector:
        yield collector


@pytest.fixture
def workspace(tmp_path, collector):
    text = f"telemetry: {{otlp: {{endpoint: '{collector.endpoint}', traces: {{}}}}}}\n"
    return Workspace.create(tmp_path / "bondx", settings_text=text)


@pytest.mark.journey
def test_epochs_are_spans_with_their_computing_and_their_recording(workspace, sessions, person, until, collector):
    engine = Engine(workspace, mode="headless", actor=person)
    engine.start()
    try:
        session_id = sessions.start(SHORT, name="", actor=person).session_id
        until(sessions, session_id, lambda observed: observed.phase is SessionPhase.FINISHED)
        # An engine that stops waits two seconds for its last spans.
        waiting.until(lambda: len(collector.spans("training.record")) == 2, "the spans of both epochs")
    finally:
        engine.stop(0)
    epochs = collector.spans("training.epoch")
    assert [told(span) for span in epochs] == [
        {"bondx.session": session_id, "bondx.epoch": number, "bondx.learned": True} for number in (1, 2)
    ]
    for name in ("training.compute", "training.record"):
        parts = collector.spans(name)
        assert [(part.trace_id, part.parent_span_id) for part in parts] == [(e.trace_id, e.span_id) for e in epochs]
    computing = told(collector.spans("training.compute")[0])
    assert computing
    assert all(name.startswith("bondx.stage.") and seconds >= 0 for name, seconds in computing.items())
