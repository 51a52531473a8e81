"""The engine's own /health, /ready and /metrics, asked over HTTP."""

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from console.cli.main import main
from core.actor import Actor
from core.clock import utc_now
from core.engine.workers.metrics_port import MetricsPort
from core.errors import ExitCode
from core.files import write_file
from core.maintenance.system_health import WorkerActivity
from core.metrics.catalogue import CATALOGUE
from core.metrics.endpoint import MOST_REQUESTS
from core.metrics.metric import Group
from core.settings import SettingsError, TrainingSettings, load_settings
from core.telemetry import TelemetryWriter
from core.training.criteria import criteria
from core.training.scores import EpochScore, EpochScores
from core.training.sessions import Sessions
from tests.monitored import monitored
from tests.processes import free_port
from tests.stressed import stressed
from tests.waiting import PATIENCE_SECONDS, until
from tools.demo import make_demo

OF_SERVERS = (Group.PREDICTIONS, Group.VERSIONS, Group.OUTCOMES)


def ask(address, path, method="GET", **headers):
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("content-type"), answer.read()
    finally:
        connection.close()


def families_of(text):
    return {family.name: family for family in text_string_to_metric_families(text.decode())}


@contextmanager
def opened(context, **changes) -> Iterator[MetricsPort]:
    port = MetricsPort(replace(context, **changes))
    port.step()
    try:
        yield port
    finally:
        port.end(after_failure=False)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    workspace = make_demo(tmp_path_factory.mktemp("demo") / "desk", now=utc_now())
    monitored(workspace, "spread")
    stressed(workspace, "spread@1.2.0")
    at_work = next(each for each in Sessions(workspace).all() if not each.observed.phase.is_at_rest)
    scores = EpochScores([EpochScore(0.8, 1.0), EpochScore(0.9, 1.0)])
    more = {"criteria": criteria(scores, TrainingSettings()), "epoch_seconds": 40.0}
    Sessions(workspace).observe(at_work.session_id, "epoch.complete", actor=Actor.engine(), **more)
    return workspace


def test_metrics_of_training_and_of_the_machine_are_answered_in_the_names_of_the_catalogue(context, demo):
    with TelemetryWriter(demo.telemetry_file) as telemetry:
        telemetry.add("resource.cpu_percent", utc_now(), 10.0)
    with opened(context, workspace=demo, metrics_listen="127.0.0.1:0") as port:
        status, kind, body = ask(port.address, "/metrics")
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = families_of(body)
    for name in (
        "bondx_session_epoch", "bondx_session_epoch_limit", "bondx_session_attainment_ratio",
        "bondx_session_quality_ratio", "bondx_session_criterion_value", "bondx_session_end_epoch",
        "bondx_machine_cpu_seconds", "bondx_machine_memory_used_bytes", "bondx_machine_disk_free_bytes",
        "bondx_machine_network_sent_bytes", "bondx_alert_limit", "bondx_telemetry_lag_seconds",
        "process_resident_memory_bytes",
    ):  # fmt: skip
        assert found[name].samples, name
    for spec in CATALOGUE:
        may_be_absent = spec.group in OF_SERVERS or spec.name == "bondx_machine_disk_full_days"
        assert spec.name in found or may_be_absent, spec.name
        assert spec.name not in found or found[spec.name].type == spec.kind


def test_probes_learn_whether_the_workers_work(context):
    with opened(context, metrics_listen="127.0.0.1:0") as port:
        context.workers.note("monitor", WorkerActivity.WAITING)
        for path in ("/health", "/ready", "/-/healthy", "/"):
            status, kind, body = ask(port.address, path)
            assert (status, kind) == (200, "application/json")
            assert json.loads(body) == {"status": "up", "live": True, "ready": True}
        context.workers.failed("monitor", ValueError("x"))
        assert ask(port.address, "/health")[0] == 200, "a restart of the engine would not help"
        status, _, body = ask(port.address, "/ready")
        assert status == 503
        assert json.loads(body)["failing_workers"] == ["monitor"]


def test_a_head_request_has_the_length_alone_and_an_unknown_path_names_the_known_ones(context):
    with opened(context, metrics_listen="127.0.0.1:0") as port:
        assert ask(port.address, "/health", "HEAD")[::2] == (200, b"")
        status, _, body = ask(port.address, "/api/v1/alerts")
        assert status == 404
        assert b"/health, /ready and /metrics" in body
        assert ask(port.address, "/metrics", "POST")[0] == 501


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"X-Forwarded-For": "10.0.0.1"}, {"Origin": "http://evil.example"}],
    ids=["a rebound name", "a proxy", "a web page"],
)
def test_only_programs_on_this_machine_are_answered(context, headers):
    with opened(context, metrics_listen="127.0.0.1:0") as port:
        for path in ("/metrics", "/health"):
            assert ask(port.address, path, **headers)[0] == 403


def test_connections_that_say_nothing_keep_nobody_out_for_ever(context, monkeypatch):
    monkeypatch.setattr("core.metrics.endpoint._Handler.timeout", 0.2)
    with opened(context, metrics_listen="127.0.0.1:0") as port:
        host, _, number = port.address.rpartition(":")
        silent = [socket.create_connection((host, int(number))) for _ in range(MOST_REQUESTS + 2)]

        def answered():
            try:
                return ask(port.address, "/health")[0] == 200
            except (OSError, http.client.HTTPException):
                return False

        until(answered, "an answer beside silent connections")
        for connection in silent:
            connection.close()


def test_the_setting_opens_moves_and_closes_the_port_without_a_restart(context, workspace):
    with opened(context) as port:
        assert port.address is None
        first, other = f"127.0.0.1:{free_port()}", free_port()
        write_file(workspace.settings_file, f"telemetry: {{metrics: {{listen: '{first}'}}}}\n".encode())
        port.step()
        assert port.address == first
        assert ask(first, "/health")[0] == 200
        write_file(workspace.settings_file, f"telemetry: {{metrics: {{listen: '{other}'}}}}\n".encode())
        port.step()
        assert ask(f"127.0.0.1:{other}", "/health")[0] == 200
        with pytest.raises(ConnectionRefusedError):
            ask(first, "/health")
        write_file(workspace.settings_file, b"{}\n")
        port.step()
        assert port.address is None


def test_a_port_that_is_taken_is_said_once_and_opened_when_it_is_free(context, caplog):
    number = free_port()
    with socket.create_server(("127.0.0.1", number)):
        port = MetricsPort(replace(context, metrics_listen=f"127.0.0.1:{number}"))
        port.step()
        port.step()
        assert caplog.text.count(f"cannot listen on 127.0.0.1:{number}") == 1
        assert port.address is None
    port.step()
    assert ask(port.address, "/health")[0] == 200
    port.end(after_failure=False)


def test_an_address_that_other_machines_reach_is_refused_with_its_line(workspace):
    write_file(workspace.settings_file, b"telemetry:\n  metrics:\n    listen: 0.0.0.0:8000\n")
    with pytest.raises(SettingsError, match="can be reached from other machines"):
        load_settings(workspace.settings_file)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("0.0.0.0:8000", "can be reached from other machines"),
        ("nine", "is not an address to listen on"),
    ],
)
def test_an_address_of_the_command_that_cannot_be_used_starts_nothing(workspace, capsys, address, says):
    arguments = ["--workspace", str(workspace.root), "run", "--headless", "--no-session", "--metrics", address]
    assert main(arguments) == ExitCode.USAGE
    assert says in capsys.readouterr().err


def test_a_headless_run_answers_on_the_port_of_its_flag(workspace):
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "run", "--headless"]
    process = subprocess.Popen([*command, "--no-session", "--metrics", address], stderr=subprocess.PIPE)
    try:

        def metrics():
            assert process.poll() is None
            try:
                found = families_of(ask(address, "/metrics")[2])
            except OSError:
                return None
            names = {sample.labels["worker"] for sample in found["bondx_engine_worker_age_seconds"].samples}
            has_all = names >= {"metrics", "monitor", "notifier", "series", "trainer"}  # some begin later than others
            is_up = found["bondx_engine_up"].samples[0].value == 1  # a beat may be late
            known = ("bondx_engine_worker_up", "bondx_engine_cpu_ratio")
            return has_all and is_up and all(found[name].samples for name in known)

        until(metrics, "the workers and the samples of the engine")
        assert ask(address, "/health")[0] == 200
    finally:
        process.send_signal(signal.SIGTERM)
        _, output = process.communicate(timeout=PATIENCE_SECONDS)
    assert f"/health and /metrics of the engine on {address}" in output.decode()
    with pytest.raises(ConnectionRefusedError):
        ask(address, "/health")


def test_however_many_silent_connections_a_probe_is_answered(context):
    with opened(context, metrics_listen="127.0.0.1:0") as port:
        host, _, number = port.address.rpartition(":")
        silent = []
        try:
            for _ in range(5 * MOST_REQUESTS):
                silent.append(socket.create_connection((host, int(number)), timeout=PATIENCE_SECONDS))
                with suppress(OSError):  # its place may be another's already
                    silent[-1].sendall(b"GET /health HTTP/1.1\r\n")  # and never the rest
            for _ in range(3):
                assert ask(port.address, "/health")[0] == 200
        finally:
            for connection in silent:
                connection.close()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        pytest.param(b"BREW /health HTTP/1.1\r\n\r\n", 501, id="a method"),
        pytest.param(b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414, id="a long path"),
        pytest.param(b"GET / HTTP/1.1\r\na: " + b"a" * 70_000 + b"\r\n\r\n", 431, id="a long header"),
        pytest.param(b"<script> <b> <c> <d>\r\n\r\n", 400, id="no request"),
    ],
)
def test_what_is_no_request_is_refused_in_json(context, request_line, status):
    with opened(context, metrics_listen="127.0.0.1:0") as port:
        host, _, number = port.address.rpartition(":")
        with socket.create_connection((host, int(number)), timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(request_line)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert (answer.status, answer.getheader("content-type")) == (status, "application/json")
            assert "script" not in json.loads(answer.read())["error"]
