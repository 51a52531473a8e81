"""A real Prometheus scrapes a real server by the configuration of docs/monitoring.md, and finds its figures."""

import json
import math
import re
import shutil
import signal
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.serving.access import Role
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS, until

PAGE = Path(__file__).parents[3] / "docs" / "monitoring.md"
N_REQUESTS, N_ROWS = 4, 3
WHY_SKIPPED = "Prometheus is not installed here: apt-get install --no-install-recommends prometheus"

pytestmark = pytest.mark.skipif(not (shutil.which("prometheus") and shutil.which("promtool")), reason=WHY_SKIPPED)


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus that runs, and its HTTP API."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def get(self, path: str, **parameters: str) -> Any:
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            return json.load(answer)["data"]

    def values(self, expression: str) -> list[float]:
        """Return what an expression evaluates to now, a value a series; nothing while it is still starting."""
        try:
            return [float(series["value"][1]) for series in self.get("query", query=expression)["result"]]
        except OSError:
            return []

    def until(self, expression: str, is_so: Callable[[list[float]], bool]) -> None:
        """Ask again and again until the answer is the one looked for."""

        def holds() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return is_so(self.values(expression))

        until(holds, expression, told=lambda: (self.values(expression), self.log.read_text()))


@pytest.fixture
def one_of_its_own(served, running) -> Iterator[Any]:
    """A server that nobody else asks, so that every count is known."""
    with running(served) as server:
        yield server


@pytest.fixture
def prometheus(one_of_its_own, tokens, tmp_path: Path) -> Iterator[Prometheus]:
    (tmp_path / "prometheus.token").write_text(tokens[Role.VIEWER] + "\n")
    (tmp_path / "prometheus.yml").write_text(documented_configuration(one_of_its_own.port))
    checked = subprocess.run(["promtool", "check", "config", "prometheus.yml"], cwd=tmp_path, capture_output=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    port = free_port()
    log = tmp_path / "prometheus.log"
    options = ("--config.file=prometheus.yml", "--storage.tsdb.path=series", f"--web.listen-address=127.0.0.1:{port}")
    with log.open("wb") as stream:
        process = subprocess.Popen(["prometheus", *options], cwd=tmp_path, stdout=stream, stderr=subprocess.STDOUT)
    try:
        yield Prometheus(process, port, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()


def documented_configuration(port: int) -> str:
    """Return the page's configuration, with this server in the place of its address and with a shorter wait."""
    (block,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", PAGE.read_text(), re.DOTALL)
    assert "127.0.0.1:8501" in block
    assert "interval: 15s" in block
    own = block.replace("127.0.0.1:8501", f"127.0.0.1:{port}")
    return own.replace("interval: 15s", "interval: 1s")  # a scrape may take as long


def test_prometheus_scrapes_the_server_and_finds_the_answered_requests(prometheus, one_of_its_own, rows_of):
    prometheus.until('up{job="bondx"}', [1.0].__eq__)
    for _ in range(N_REQUESTS):
        asked = {"instances": rows_of("downgrade", N_ROWS)}
        assert one_of_its_own.ask("/v1/models/downgrade:predict", asked).status == 200
    assert one_of_its_own.ask("/v1/models/downgrade:predict", {"instances": "none"}).status == 400

    answered = '{model="downgrade",version="1.0.0",job="bondx"}'
    prometheus.until(f"bondx_predict_rows_total{answered}", [N_REQUESTS * N_ROWS].__eq__)
    prometheus.until(f"bondx_predict_seconds_count{answered}", [N_REQUESTS].__eq__)
    prometheus.until('bondx_predict_refused_total{dialect="tf_serving",status="400"}', [1.0].__eq__)
    prometheus.until("bondx_ready", [1.0].__eq__)
    prometheus.until("bondx_engine_up", [0.0].__eq__)  # nothing trains in this workspace
    prometheus.until(
        f"histogram_quantile(0.99, bondx_predict_seconds_bucket{answered})",
        lambda found: len(found) == 1 and math.isfinite(found[0]) and found[0] > 0,
    )

    def targets():
        return [(target["health"], target["lastError"]) for target in prometheus.get("targets")["activeTargets"]]

    until(lambda: targets() == [("up", "")], "one target that answers", told=targets)
    kinds = {name: {each["type"] for each in found} for name, found in prometheus.get("metadata").items()}
    assert kinds["bondx_predict_seconds"] == {"histogram"}
    assert kinds["bondx_ready"] == {"gauge"}


def test_promtool_finds_nothing_wrong_with_the_metrics(server):
    text = server.ask("/metrics").body
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert checked.returncode in (0, 3), checked.stderr  # 3: matters of taste
