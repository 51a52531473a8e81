"""A real server sends spans of a share of its requests, as parts of the traces of its callers."""

import pytest

from core.files import write_file
from core.serving.traces import traces_in_force
from core.settings import Settings
from core.settings.current import CurrentSettings
from core.telemetry.tracing import Traces
from tests.span_collector import span_collector, told
from tests.waiting import until

pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
PATH = "/api/v1/predict/spread"
LOW, HIGH = "4bf92f3577b34da6" + "0" * 15 + "1", "4bf92f3577b34da6" + "f" * 16  # below and above any share
CALLER = "00f067aa0ba902b7"
LOST = b'bondx_trace_spans_total{result="lost"}'


@pytest.fixture(scope="module")
def collector():
    with span_collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def workspace(make_workspace, put_live, artifacts, tmp_path_factory, collector):
    workspace = make_workspace(tmp_path_factory.mktemp("traces") / "workspace")
    write_file(workspace.settings_file, settings_of(collector, 0.5))
    put_live(workspace, "spread", artifacts / "spread")
    return workspace


@pytest.fixture(scope="module")
def server(running, workspace):
    with running(workspace) as server:
        yield server


def settings_of(collector, share):
    text = (
        "policy: {promotion: {min_accuracy: 0}}\n"
        f"telemetry: {{otlp: {{endpoint: '{collector.endpoint}', traces: {{request_share: {share}}}}}}}\n"
    )
    return text.encode()


def ask(server, rows, trace, *, flags="01", body=None):
    headers = {"traceparent": f"00-{trace}-{CALLER}-{flags}", "x-request-id": "cusip-912828"}
    return server.ask(PATH, body or {"rows": rows}, headers=headers)


def of_trace(collector, trace):
    return [span for span in collector.spans("predict") if span.trace_id.hex() == trace]


def distinct(n):
    return LOW[:8] + f"{n:08x}" + LOW[16:]


def test_a_request_becomes_a_part_of_the_trace_of_its_caller(server, collector, rows_of):
    (row,) = rows_of("spread", 1)
    assert ask(server, [row], distinct(1)).status == 200
    (span,) = until(lambda: of_trace(collector, distinct(1)))
    assert (span.parent_span_id.hex(), span.kind, span.flags) == (CALLER, 2, 0x301)
    assert told(span) == {
        "bondx.dialect": "rows", "bondx.model": "spread", "bondx.version": "1.0.0", "bondx.rows": 1
    }  # fmt: skip
    assert 0 < span.start_time_unix_nano < span.end_time_unix_nano
    resource = collector.requests[0].resource_spans[0].resource.attributes
    assert {each.key: each.value.string_value for each in resource}["service.name"] == "bondx-server"


def test_a_large_request_on_the_slow_path_has_a_span_too(server, collector, rows_of):
    (row,) = rows_of("spread", 1)
    assert ask(server, [row] * 500, distinct(2)).status == 200
    (span,) = until(lambda: of_trace(collector, distinct(2)))
    assert told(span)["bondx.rows"] == 500


def test_a_refused_request_has_the_type_of_the_error_and_nothing_of_the_row(server, collector):
    refused = ask(server, [], distinct(3), body=b'{"rows": [{"coupon": "XS01"}]}')
    assert refused.status in (400, 422)
    (span,) = until(lambda: of_trace(collector, distinct(3)))
    assert span.status.code == 2
    assert told(span)["http.response.status_code"] == refused.status
    assert told(span)["error.type"].endswith("Error")
    assert not any(b"XS01" in body or b"cusip" in body for body in collector.bodies)


def test_the_share_and_the_decision_of_the_caller_choose(server, collector, rows_of):
    rows = rows_of("spread", 1)
    assert ask(server, rows, HIGH).status == 200
    assert ask(server, rows, distinct(4), flags="00").status == 200
    assert ask(server, rows, distinct(5)).status == 200
    until(lambda: of_trace(collector, distinct(5)))
    assert not of_trace(collector, HIGH)
    assert not of_trace(collector, distinct(4))
    for _ in range(200):
        server.ask(PATH, {"rows": rows})
    ask(server, rows, distinct(6))
    until(lambda: of_trace(collector, distinct(6)))
    begun = [span for span in collector.spans("predict") if not span.parent_span_id]
    assert 50 < len(begun) < 150  # of 200, half: beyond seven standard deviations


def test_the_server_counts_its_spans_and_loses_those_of_a_refusing_collector(server, collector, rows_of):
    collector.status = 503

    def lost():
        ask(server, rows_of("spread", 1), distinct(7))
        line = next(each for each in server.ask("/metrics").body.splitlines() if each.startswith(LOST))
        return float(line.split()[-1]) > 0

    until(lost)
    collector.status = 200


def test_a_change_of_the_share_takes_effect_without_a_restart(server, workspace, collector, rows_of):
    write_file(workspace.settings_file, settings_of(collector, 1))

    def is_chosen():
        ask(server, rows_of("spread", 1), HIGH)
        return of_trace(collector, HIGH)

    until(is_chosen)


@pytest.mark.parametrize(
    ("otlp", "is_on"),
    [
        ("null", False),
        ("{endpoint: 'http://127.0.0.1:1'}", False),
        ("{endpoint: 'http://127.0.0.1:1', traces: {}}", False),
        ("{endpoint: 'http://127.0.0.1:1', traces: {request_share: 0}}", False),
        ("{endpoint: 'http://127.0.0.1:1', traces: {request_share: 0.01}}", True),
    ],
)
def test_a_predictor_makes_spans_only_where_the_settings_ask_for_a_share(make_workspace, tmp_path, otlp, is_on):
    workspace = make_workspace(tmp_path / "workspace")
    traces = Traces(CurrentSettings(workspace.root, Settings()))
    on = "telemetry: {otlp: {endpoint: 'http://127.0.0.1:1', traces: {request_share: 1}}}\n"
    write_file(workspace.settings_file, on.encode())
    first = traces_in_force(None, traces)
    assert first is not None
    assert traces_in_force(first, traces) is first
    write_file(workspace.settings_file, f"telemetry: {{otlp: {otlp}}}\n".encode())
    assert (traces_in_force(first, traces) is not None) == is_on
    traces.close()
