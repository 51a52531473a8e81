"""OpenTelemetry: a real collector on loopback decodes what the exporter sends; a dead one costs a line."""

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import msgspec
import pytest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from core.clock import utc_now
from core.metrics.otlp.exporter import OtlpExporter
from core.metrics.recording import MetricRecording
from core.settings import Settings
from core.settings.current import CurrentSettings
from core.settings.otlp import OtlpSettings
from tests.waiting import until

service = pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")
ENDPOINTS_REFUSED = [
    "collector:4318",
    "http://user:pass@collector",
    "http://collector?x=1",
    "http://collector\n",
    "ftp://c",
]


class Collector:
    """Takes requests; it may refuse them, or keep callers waiting."""

    def __init__(self) -> None:
        self.requests, self.headers, self.status = [], [], 200
        self.may_answer = threading.Event()
        self.may_answer.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.may_answer.wait()
                collector.headers.append((self.path, dict(self.headers)))
                collector.requests.append(service.ExportMetricsServiceRequest.FromString(body))
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.may_answer.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def families():
    gauge = GaugeMetricFamily("bondx_drift_psi", "How far.", labels=("model",))
    gauge.add_metric(("spread",), 0.25)
    counter = CounterMetricFamily("bondx_predict_rows", "Rows.", labels=("model",))
    counter.add_metric(("spread",), 7)
    histogram = HistogramMetricFamily("bondx_predict_seconds", "Time.", labels=("model",))
    histogram.add_metric(("spread",), [("0.1", 3.0), ("0.5", 5.0), ("+Inf", 6.0)], 1.5)
    return [gauge, counter, histogram]


def exporter(endpoint, **settings):
    of = {"service.name": "bondx-engine", "service.instance.id": "host"}
    environ = {"OTLP_TOKEN": "s3cret-value"}
    return OtlpExporter(OtlpSettings(endpoint=endpoint, **settings), of, 1_000.0, environ)


def test_a_collector_gets_gauges_sums_and_histograms_with_the_headers_of_the_environment(collector):
    sent = exporter(collector.endpoint, headers={"Authorization": "Bearer ${OTLP_TOKEN}"})
    sent.offer(families(), 2_000.0)
    until(lambda: collector.requests)
    sent.close()
    ((path, headers),) = collector.headers
    assert (path, headers["Authorization"]) == ("/v1/metrics", "Bearer s3cret-value")
    (of_process,) = collector.requests[0].resource_metrics
    told = {each.key: each.value.string_value for each in of_process.resource.attributes}
    assert told == {"service.name": "bondx-engine", "service.instance.id": "host"}
    gauge, total, histogram = of_process.scope_metrics[0].metrics
    assert (gauge.name, gauge.gauge.data_points[0].as_double) == ("bondx_drift_psi", 0.25)
    assert gauge.gauge.data_points[0].attributes[0].value.string_value == "spread"
    assert (total.sum.is_monotonic, total.sum.data_points[0].as_double) == (True, 7.0)
    assert total.sum.data_points[0].start_time_unix_nano == 1_000 * 10**9
    assert total.sum.data_points[0].time_unix_nano == 2_000 * 10**9
    (point,) = histogram.histogram.data_points
    assert (list(point.explicit_bounds), list(point.bucket_counts)) == ([0.1, 0.5], [3, 2, 1])
    assert (point.count, point.sum) == (6, 1.5)


def test_a_collector_that_hangs_holds_nobody_up_and_gets_the_newest(collector):
    collector.may_answer.clear()
    sent = exporter(collector.endpoint)
    for at in range(50):
        sent.offer(families(), float(2_000 + at))
    collector.may_answer.set()
    until(lambda: collector.requests and newest(collector) == 2_049)
    sent.close()
    assert len(collector.requests) < 50


def newest(collector):
    gauge = collector.requests[-1].resource_metrics[0].scope_metrics[0].metrics[0]
    return gauge.gauge.data_points[0].time_unix_nano // 10**9


def test_a_refusing_collector_is_one_line_without_secrets_and_one_when_it_takes_again(collector, caplog):
    caplog.set_level(logging.INFO)
    collector.status = 503
    sent = exporter(collector.endpoint, headers={"Authorization": "Bearer ${OTLP_TOKEN}"})
    for n in range(1, 4):
        sent.offer(families(), 2_000.0)
        until(lambda n=n: len(collector.requests) >= n)
    until(lambda: caplog.messages)
    collector.status = 200
    sent.offer(families(), 2_000.0)
    until(lambda: any("again" in line for line in caplog.messages))
    sent.close()
    lines = [line for line in caplog.messages if "telemetry.otlp" in line]
    assert lines == [
        "metrics do not reach the collector of telemetry.otlp: it answered 503",
        "metrics reach the collector of telemetry.otlp again",
    ]
    assert "s3cret-value" not in caplog.text


def test_a_dead_collector_and_a_missing_variable_are_one_line_each(collector, caplog):
    dead = exporter("http://127.0.0.1:1")
    dead.offer(families(), 2_000.0)
    until(lambda: "ConnectError" in caplog.text)
    dead.close()
    unset = exporter(collector.endpoint, headers={"Authorization": "Bearer ${NO_SUCH}"})
    unset.offer(families(), 2_000.0)
    until(lambda: "the variable NO_SUCH of its headers is not set" in caplog.text)
    unset.close()
    assert collector.requests == []


def test_the_recording_of_a_process_exports_what_it_records(workspace, collector):
    workspace.settings_file.write_text(f"telemetry:\n  otlp: {{endpoint: '{collector.endpoint}'}}\n")
    settings = CurrentSettings(workspace.root, Settings())
    recording = MetricRecording(workspace, settings, utc_now, job="bondx-server", instance="host:8501")
    recording.record_if_due(families)
    until(lambda: collector.requests)
    recording.end()
    attributes = collector.requests[0].resource_metrics[0].resource.attributes
    assert [each.value.string_value for each in attributes] == ["bondx-server", "host:8501"]


@pytest.mark.parametrize("endpoint", ENDPOINTS_REFUSED)
def test_an_address_that_is_none_or_holds_a_password_is_refused(endpoint):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"endpoint": endpoint}, OtlpSettings)


def test_a_header_without_a_variable_is_refused_as_its_value_would_lie_in_the_settings():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"endpoint": "http://collector:4318", "headers": {"Authorization": "Bearer x"}}, OtlpSettings)


def test_what_cannot_be_encoded_is_a_line_and_the_thread_lives_on(collector, caplog):
    sent = exporter(collector.endpoint)
    endless = HistogramMetricFamily("bondx_predict_seconds", "Time.", buckets=[("+Inf", float("inf"))], sum_value=1.0)
    sent.offer([endless], 2_000.0)
    until(lambda: "OverflowError" in caplog.text)
    sent.offer(families(), 2_001.0)
    until(lambda: collector.requests)
    sent.close()


def test_a_process_without_a_collector_loads_neither_exporter_nor_protobuf():
    code = (
        "import sys, core.metrics.recording; print(*(m for m in sys.modules if 'opentelemetry' in m or 'otlp.' in m))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
