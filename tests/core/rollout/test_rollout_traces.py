"""A step of a rollout and its promotion are spans at a real collector, without what people wrote."""

import pytest

from core.rollout import RolloutPhase, RolloutWorker
from core.settings import Settings
from core.settings.current import CurrentSettings
from core.telemetry.tracing import Traces
from tests.span_collector import span_collector, told

pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")


@pytest.fixture
def collector():
    with span_collector() as collector:
        yield collector


@pytest.fixture
def traces(workspace, collector):
    workspace.settings_file.write_text(f"telemetry: {{otlp: {{endpoint: '{collector.endpoint}', traces: {{}}}}}}\n")
    return Traces(CurrentSettings(workspace.root, Settings()))


@pytest.fixture
def worker(workspace, registry, source, clock, traces):
    return RolloutWorker(workspace, source=source, registry=registry, clock=clock, traces=traces)


def test_each_decision_is_a_span_and_the_promotion_a_part_of_the_last(
    start, traffic, worker, clock, collector, traces, stable, candidate
) -> None:
    rollout = start(reason="client Meridian asked")
    worker.tick(clock.now)
    ended = traffic.flow(rollout.rollout_id, ticks=60)
    assert ended.observed.phase is RolloutPhase.PROMOTED
    traces.close()
    steps = collector.spans("rollout.step")
    decisions = [told(span)["bondx.decision"] for span in steps]
    assert decisions == ["rollout.begin", "rollout.advance", "rollout.promote"]
    last = told(steps[-1])
    assert (last["bondx.rollout"], last["bondx.model"]) == (rollout.rollout_id, "spread")
    assert (last["bondx.stable"], last["bondx.candidate"]) == (stable, candidate)
    assert last["bondx.phase"] == str(RolloutPhase.PROMOTED)
    assert last["bondx.requests"] > 0
    (promotion,) = collector.spans("rollout.promote")
    assert (promotion.trace_id, promotion.parent_span_id) == (steps[-1].trace_id, steps[-1].span_id)
    assert not any(b"Meridian" in body for body in collector.bodies)
