"""`bondx run --api` answers over HTTP beside the engine, and ends with it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time


def test_the_engine_and_the_api_share_a_process(workspace):
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "run", "--headless"]
    engine = subprocess.Popen(
        [*command, "--epochs", "1", "--api", f"127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )

    def status():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/api/v1/status")
            return json.loads(connection.getresponse().read())
        except OSError:
            return {"engine": None, "sessions": []}
        finally:
            connection.close()

    try:
        deadline = time.monotonic() + 120
        while not (found := status())["sessions"]:
            assert engine.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert found["engine"]["pid"] == engine.pid
        engine.send_signal(signal.SIGTERM)
        assert engine.wait(120) == 0
    finally:
        engine.kill()
        engine.wait()
