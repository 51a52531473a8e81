"""Spans reach a real collector on loopback in batches; a dead, slow or missing one costs counted spans alone."""

import logging
import subprocess
import sys

import pytest

from core.settings import Settings
from core.settings.current import CurrentSettings
from core.settings.otlp import OtlpSettings, TraceSettings
from core.telemetry.tracing import NO_TRACES, SpanCounts, Traces, TraceSpan, caller_span, new_span_id, new_trace_id
from core.telemetry.tracing.exporter import MOST_SENT, MOST_WAITING, SpanExporter
from tests.span_collector import span_collector, told
from tests.waiting import until

pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def collector():
    with span_collector() as collector:
        yield collector


def a_span(name="work"):
    return TraceSpan(name, new_trace_id(), new_span_id(), b"", 1_000, 2_000, {"n": 1})


def exporter(endpoint, **settings):
    wanted = OtlpSettings(endpoint=endpoint, traces=TraceSettings(), **settings)
    return SpanExporter(wanted, {"service.name": "bondx-engine"}, SpanCounts(), {"OTLP_TOKEN": "s3cret-value"})


def counted(exporter):
    return exporter._counts.n_sent, exporter._counts.n_lost


def traces_of(workspace, text):
    workspace.settings_file.write_text(f"telemetry:\n  otlp: {text}\n")
    return Traces(CurrentSettings(workspace.root, Settings()), {"service.name": "bondx-engine"})


def test_spans_are_told_with_their_parts_their_attributes_and_the_resource(workspace, collector):
    traces = traces_of(workspace, f"{{endpoint: '{collector.endpoint}', traces: {{}}}}")
    with traces.span("whole", {"text": "a", "n": 2, "x": 0.5, "yes": True}) as whole:
        whole.tell({"late": "b"})
        with pytest.raises(ValueError), traces.span("part", {}, part_of=whole):  # noqa: PT011 - any
            raise ValueError("coupon 4.25 of XS0123456789")
    until(lambda: len(collector.spans()) == 2)
    (outer,), (inner,) = collector.spans("whole"), collector.spans("part")
    assert told(outer) == {"text": "a", "n": 2, "x": 0.5, "yes": True, "late": "b"}
    assert (inner.trace_id, inner.parent_span_id) == (outer.trace_id, outer.span_id)
    assert (len(outer.trace_id), len(outer.span_id), outer.parent_span_id) == (16, 8, b"")
    assert 0 < outer.start_time_unix_nano <= inner.start_time_unix_nano <= inner.end_time_unix_nano
    assert (outer.status.code, inner.status.code, told(inner)) == (0, 2, {"error.type": "ValueError"})
    assert not any(b"XS0123456789" in body for body in collector.bodies)
    (resource,) = collector.requests[0].resource_spans[0].resource.attributes
    assert resource.value.string_value == "bondx-engine"
    until(lambda: (traces.counts.n_sent, traces.counts.n_lost) == (2, 0), "the collector's answer")
    traces.close()


def test_the_headers_come_from_the_environment_and_secrets_are_in_no_span(collector):
    sent = exporter(collector.endpoint, headers={"Authorization": "Bearer ${OTLP_TOKEN}"})
    sent.offer(a_span())
    until(lambda: counted(sent) == (1, 0))
    ((path, headers),) = collector.headers
    assert (path, headers["Authorization"]) == ("/v1/traces", "Bearer s3cret-value")
    assert b"s3cret-value" not in collector.bodies[0]
    sent.close(60)


def test_a_collector_that_hangs_holds_nobody_up_and_what_waits_is_bounded(collector):
    collector.may_answer.clear()
    sent = exporter(collector.endpoint)
    n = 3 * MOST_WAITING
    for _ in range(n):  # returns, though nobody answers
        sent.offer(a_span())
    assert len(sent._waiting) <= MOST_WAITING
    assert counted(sent)[1] >= n - MOST_WAITING - 2 * MOST_SENT
    collector.may_answer.set()
    until(lambda: sum(counted(sent)) == n)
    assert counted(sent)[0] == len(collector.spans())
    assert max(len(request.resource_spans[0].scope_spans[0].spans) for request in collector.requests) == MOST_SENT
    sent.close(60)


def test_a_refusing_collector_costs_counted_spans_and_one_line_and_one_when_it_takes_again(collector, caplog):
    caplog.set_level(logging.INFO)
    collector.status = 503
    sent = exporter(collector.endpoint)
    for n in (1, 2):
        sent.offer(a_span())
        until(lambda n=n: counted(sent) == (0, n))
    collector.status = 200
    sent.offer(a_span())
    until(lambda: any("again" in line for line in caplog.messages))
    assert counted(sent) == (1, 2)
    assert [line for line in caplog.messages if "telemetry.otlp" in line] == [
        "spans do not reach the collector of telemetry.otlp: it answered 503",
        "spans reach the collector of telemetry.otlp again",
    ]
    sent.close(60)


def test_a_dead_collector_and_a_missing_extra_are_one_line_each(collector, caplog, monkeypatch):
    dead = exporter("http://127.0.0.1:1")
    dead.offer(a_span())
    until(lambda: counted(dead) == (0, 1) and "ConnectError" in caplog.text)
    dead.close(60)
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.collector.trace.v1.trace_service_pb2", None)
    bare = exporter(collector.endpoint)
    bare.offer(a_span())
    line = "the package opentelemetry-proto is missing; install bondx-console[otel]"
    until(lambda: counted(bare) == (0, 1) and line in caplog.text)
    bare.close(60)


def test_closing_sends_what_waits_and_later_spans_are_lost(collector):
    sent = exporter(collector.endpoint)
    for _ in range(10):
        sent.offer(a_span())
    sent.close(60)
    sent.offer(a_span())
    assert counted(sent) == (10, 1)


def test_an_end_does_not_wait_for_a_collector_that_hangs(collector):
    collector.may_answer.clear()
    sent = exporter(collector.endpoint)
    sent.offer(a_span())
    sent.close(0.01)
    assert sent._thread.is_alive()
    assert sent._thread.daemon


def test_the_settings_begin_change_and_end_traces_without_a_restart(workspace, collector):
    traces = traces_of(workspace, f"{{endpoint: '{collector.endpoint}'}}")
    assert traces.exporter() is None
    with traces.span("unseen", {}):
        pass
    for text in (", traces: {}", ", traces: {request_share: 0.5}"):
        workspace.settings_file.write_text(f"telemetry:\n  otlp: {{endpoint: '{collector.endpoint}'{text}}}\n")
        first = traces.exporter()
        assert first is traces.exporter()
        with traces.span(f"with{text}", {}):
            pass
        until(lambda text=text: collector.spans(f"with{text}"))
    workspace.settings_file.write_text("telemetry:\n  otlp: null\n")
    assert traces.exporter() is None
    assert not collector.spans("unseen")
    traces.close()


def test_who_has_no_traces_sends_nothing():
    with NO_TRACES.span("a", {}) as span, NO_TRACES.span("b", {}, part_of=span) as part:
        part.tell({"n": 1})
    assert NO_TRACES.exporter() is None


@pytest.mark.parametrize(
    ("header", "is_sampled"),
    [
        pytest.param(f"00-{TRACE}-{SPAN}-01", True, id="sampled"),
        pytest.param(f"00-{TRACE}-{SPAN}-00", False, id="not sampled"),
        pytest.param(f"00-{TRACE}-{SPAN}-03", True, id="with a random id"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01-more", True, id="of a later version"),
    ],
)
def test_the_span_of_a_caller_is_read(header, is_sampled):
    found = caller_span(header.encode())
    assert (found.trace_id.hex(), found.span_id.hex(), found.is_sampled) == (TRACE, SPAN, is_sampled)


@pytest.mark.parametrize(
    "header",
    [
        "", "00", f"00-{TRACE}-{SPAN}", f"ff-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01\n", f" 00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-zz", "x" * 100_000,
    ],
)  # fmt: skip
def test_a_damaged_header_is_as_none(header):
    assert caller_span(header.encode()) is None


def test_a_process_without_traces_loads_neither_exporter_of_http_nor_protobuf():
    code = (
        "import sys, core.telemetry.tracing; "
        "print(*(m for m in sys.modules if m.split('.')[0] in ('opentelemetry', 'httpx', 'google')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
