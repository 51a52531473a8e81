"""A fixed rate of predictions through a real server, for `bench_predictions_at_scale.py`."""

import http.client
import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench_serving import MODEL, free_port, prepare, put_live, running, wait_until_ready
from timing import quantiles

ROWS = 100
"""Rows of a request: a client that sends single rows would need a core of its own."""


def serve_at_rate(folder: Path, seconds: float, rate: int, n_models: int = 50) -> dict[str, Any]:
    """Ask a server for predictions of many models at a fixed rate, and report what it recorded, and when."""
    workspace, row = prepare(folder, "lightgbm")
    names = [f"model_{number:02d}" for number in range(n_models)]
    for name in names:
        put_live(workspace, name, folder / "trained")
    port, body = free_port(), json.dumps({"rows": [row] * ROWS}).encode()
    serve = [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "serve", "--listen"]
    with running([*serve, f"127.0.0.1:{port}"], port):
        wait_until_ready(port, "/ready")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for name in (MODEL, *names):
            _ask(connection, name, body)
        before, begin, n = _stored(port), time.perf_counter(), 0
        waiting, took, next_look = [], [], 1.0
        while (elapsed := time.perf_counter() - begin) < seconds:
            if n * ROWS < rate * elapsed:
                asked = time.perf_counter()
                _ask(connection, names[n % n_models], body)
                took.append((time.perf_counter() - asked) * 1000)
                n += 1
            else:
                time.sleep(0.001)
            if elapsed >= next_look:
                next_look += 1.0
                waiting.append(_metric(port, "bondx_telemetry_waiting"))
        with suppress(TimeoutError):
            while _stored(port) - before < n * ROWS:
                time.sleep(0.05)
                if time.perf_counter() - begin > seconds + 30:
                    raise TimeoutError
        recorded_after = time.perf_counter() - begin - seconds
        return {
            "predictions": n * ROWS,
            "a second": round(n * ROWS / seconds),
            "recorded": _stored(port) - before,
            "dropped": _metric(port, "bondx_telemetry_dropped_total"),
            "last recorded after s": round(recorded_after, 2),
            "waiting, each second": quantiles(waiting) | {"max": max(waiting)},
            "answer ms": quantiles(took),
        }


def _ask(connection: http.client.HTTPConnection, model: str, body: bytes) -> None:
    connection.request("POST", f"/api/v1/predict/{model}", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{model}: {answer.status} {content[:300]!r}")


def _stored(port: int) -> int:
    return int(_metric(port, "bondx_telemetry_stored_total"))


def _metric(port: int, name: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name} "))
