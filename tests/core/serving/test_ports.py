"""Probes and Prometheus on a port of their own, ports in the spellings of other programs, and ports that are taken."""

import http.client
import json
import os
import socket
import subprocess
import sys

import pytest

from console.cli.main import main
from core.settings import SettingsError, load_settings
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS, until


def ask(port, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET" if body is None else "POST", path, body and json.dumps(body))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def configure(workspace, text):
    workspace.settings_file.write_text(f"policy: {{promotion: {{min_accuracy: 0}}}}\n{text}\n")


@pytest.mark.parametrize(
    ("text", "listen", "metrics"),
    [
        ("server: {port: 8000}", "8000", None),
        ("server: {host: 0.0.0.0, port: 8000, metrics_port: 9000}", "0.0.0.0:8000", "9000"),
        ('serving: {host: "::1", port: 8000}', "[::1]:8000", None),
        ("metrics_port: 8000", "127.0.0.1:8501", "8000"),
        ("serving: {monitoring_port: 8000}", "127.0.0.1:8501", "8000"),
        ("monitoring: {port: 8000}", "127.0.0.1:8501", "8000"),
        ("monitoring: {host: 10.0.0.7, port: 8000}", "127.0.0.1:8501", "10.0.0.7:8000"),
        ('serving: {metrics_listen: "127.0.0.1:8000"}', "127.0.0.1:8501", "127.0.0.1:8000"),
        ("server: {workers: 3}", "127.0.0.1:8501", None),
    ],
)
def test_ports_are_read_as_other_programs_spell_them(tmp_path, text, listen, metrics):
    file = tmp_path / "bondx.yaml"
    file.write_text(text)
    found = load_settings(file).serving
    assert (found.listen, found.metrics_listen) == (listen, metrics)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("server: {port: 99999}", "line 1, column 10: serving.listen is '99999': use HOST:PORT"),
        ("server: {port: true}", "serving.listen is True: expected text"),
        ("metrics_port: 8000\nmonitoring: {port: 8001}", "line 2, column 14: monitoring.port and serving.metrics_"),
        ("server: {host: 10.0.0.7}", "line 1, column 10: server.host has no port beside it"),
        ("monitoring: {prot: 8000}", "line 1, column 14: monitoring has no key 'prot'"),
        ("server: 8000", "there is no key 'server'"),
        ("server: {prot: 8000}", "line 1, column 10: serving has no key 'prot'"),
        ("serving: {metrics_port: [8000]}", "serving.metrics_listen is [8000]"),
    ],
)
def test_a_port_that_cannot_be_is_refused_at_its_place(tmp_path, text, problem):
    file = tmp_path / "bondx.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError) as refusal:
        load_settings(file)
    assert problem in str(refusal.value)


@pytest.mark.journey
@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["one process", "workers"])
def test_a_port_of_their_own_answers_probes_and_metrics_alone(
    workspace, artifacts, put_live, running, rows_of, workers
):
    put_live(workspace, "spread", artifacts / "spread")
    port = free_port()
    configure(workspace, f"monitoring: {{port: {port}}}")
    body = {"row": rows_of("spread", 1)[0]}
    with running(workspace, *workers) as server:
        assert ask(port, "/health")[0] == ask(port, "/ready")[0] == ask(port, "/v2/health/ready")[0] == 200
        status, metrics = ask(port, "/metrics")
        assert (status, 'bondx_model_ready{model="spread"} 1.0' in metrics) == (200, True)
        for path, content in (("/api/v1/predict/spread", body), ("/api/v1/status", None), ("/v1/models", None)):
            status, answer = ask(port, path, content)
            assert (status, "ask on the port of serving.listen" in answer) == (404, True)
        assert ask(server.port, "/api/v1/predict/spread", body)[0] == ask(server.port, "/metrics")[0] == 200


def test_the_engine_beside_the_api_has_them_too(workspace):
    port, metrics_port = free_port(), free_port()
    configure(workspace, f"server: {{port: {port}}}\nmetrics_port: {metrics_port}")
    command = [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "run", "--headless"]
    engine = subprocess.Popen(
        [*command, "--no-session", "--api"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )

    def health():
        assert engine.poll() is None
        try:
            return ask(metrics_port, "/health")[0] == 200
        except OSError:
            return False

    try:
        until(health, "the health of the server")
        assert "bondx_engine_up" in ask(metrics_port, "/metrics")[1]
        assert ask(metrics_port, "/api/v1/status")[0] == 404
        assert ask(port, "/api/v1/status")[0] == 200
        engine.terminate()
        said = engine.communicate(timeout=PATIENCE_SECONDS)[1].decode()
        assert f"http://127.0.0.1:{port}, http://127.0.0.1:{metrics_port} for /metrics" in said
    finally:
        engine.kill()
        engine.wait()


@pytest.mark.parametrize("verb", [("serve",), ("serve", "--workers", "2"), ("run", "--headless", "--api")])
def test_a_taken_port_is_one_error_that_names_the_port_and_the_setting(workspace, capsys, verb):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for text, setting in (
            (f"server: {{port: {port}}}", "serving.listen ("),
            (f"serving: {{listen: '0', metrics_listen: '{port}'}}", "serving.metrics_listen: choose another one there"),
        ):
            configure(workspace, text)
            assert main(["--workspace", str(workspace.root), *verb]) == 2
            said = capsys.readouterr().err
            assert f"Cannot listen on 127.0.0.1:{port}: Address already in use. The address is from {setting}" in said
            assert "bondx.yaml:2)" in said or setting != "serving.listen ("
        flag = ("--listen",) if verb[0] == "serve" else ()
        assert main(["--workspace", str(workspace.root), *verb, *flag, f"127.0.0.1:{port}"]) == 2
        assert f"The address is from {verb[-1] if not flag else '--listen'}: choose" in capsys.readouterr().err


def test_one_port_on_two_hosts_is_refused(workspace, capsys):
    port = free_port()
    configure(workspace, f"serving: {{listen: '127.0.0.1:{port}', metrics_listen: '[::1]:{port}'}}")
    assert main(["--workspace", str(workspace.root), "serve"]) == 2
    assert f"{port} is the port of serving.listen, too" in capsys.readouterr().err
