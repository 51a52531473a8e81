"""`bondx run --api` answers over HTTP beside the engine, and ends with it."""

import http.client
import json
import os
import signal
import subprocess
import sys

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
