"""`bondx run --api` answers over HTTP beside the engine, and ends with it."""

import http.client
import json
import os
import signal
import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS, until


def test_the_engine_and_the_api_share_a_process(workspace):
    port = free_port()
    command = [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "run", "--headless"]
    engine = subprocess.Popen(
        [*command, "--epochs", "1", "--api", f"127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )

    def status():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", "/api/v1/status")
            return json.loads(connection.getresponse().read())
        except OSError:
            return {"engine": None, "sessions": []}
        finally:
            connection.close()

    def begun():
        assert engine.poll() is None
        found = status()
        return found if found["sessions"] else None

    try:
        found = until(begun, "a session")
        assert found["engine"]["pid"] == engine.pid
        engine.send_signal(signal.SIGTERM)
        assert engine.wait(PATIENCE_SECONDS) == 0
    finally:
        engine.kill()
        engine.wait()


@pytest.mark.journey
def test_a_prometheus_finds_the_training_of_the_engine_that_it_asks(workspace):
    port = free_port()
    command = [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "run", "--headless"]
    engine = subprocess.Popen(
        [*command, "--api", f"127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )

    def samples():
        assert engine.poll() is None
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        except OSError:
            return {}
        finally:
            connection.close()
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return {
            (
                sample.name,
                sample.labels.get("session"),
                sample.labels.get("role"),
                next((sample.labels[name] for name in ("model", "criterion", "reason") if name in sample.labels), None),
            ): sample.value
            for sample in samples
        }

    def trained():
        found = samples()
        epoch = found.get(("bondx_session_epoch", "s-0001", None, None), 0)
        is_up = found.get(("bondx_engine_up", None, None, None)) == 1  # a beat may be late
        return found if is_up and epoch >= 2 and ("bondx_engine_cpu_ratio", None, "engine", None) in found else None

    try:
        found = until(trained, "two epochs on /metrics")
    finally:
        engine.terminate()
        engine.wait(PATIENCE_SECONDS)

    def of_session(name, which=None):
        return found[f"bondx_session_{name}", "s-0001", None, which]

    assert found["bondx_engine_up", None, None, None] == 1
    assert of_session("epoch_limit") == 100
    assert 0 < of_session("epoch_seconds") <= of_session("trained_seconds_total")
    assert 0 < of_session("attainment_ratio", "spread") <= 1
    assert 0 < of_session("quality_ratio") <= 1
    for name in ("improvement", "patience", "quality", "plateau"):
        assert of_session("criterion_met", name) in (0, 1)
    assert of_session("end_epoch", "converged") > of_session("epoch")
    assert found["bondx_engine_resident_memory_bytes", None, "engine", None] > 0
