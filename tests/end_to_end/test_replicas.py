"""Two replicas on hosts of their own lose their control plane and get it back: each in a network namespace."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from core.actor import Actor, Origin
from core.domains.catalogue import load_model
from core.registry import Registry
from core.serving.access import Role, Tokens
from core.settings import Settings
from core.settings.promotion import PromotionSettings
from core.state import Workspace
from core.training.own_data import TrainRequest, train_on_file
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS, until

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and iproute2"),
]
ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
ROWS = [{"area": 50.0, "age": "old"}, {"area": 80.0, "age": "new"}]
ASK = """
import json, sys, urllib.request
path, body = sys.argv[1], sys.argv[2].encode() or None
request = urllib.request.Request("http://127.0.0.1:8501" + path, body, {"content-type": "application/json"})
try:
    with urllib.request.urlopen(request, timeout=60) as answer:
        print(json.dumps([answer.status, json.load(answer)]))
except urllib.error.HTTPError as error:
    print(json.dumps([error.code, json.load(error)]))
except urllib.error.URLError as error:
    print(json.dumps([0, str(error)]))
"""


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"ip {' '.join(words)}: {done.stderr.strip()}")


@dataclass
class Host:
    """A replica in a network namespace, whose one cable leads to the control plane."""

    name: str
    workspace: Workspace
    process: subprocess.Popen[bytes]

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        content = "" if body is None else json.dumps(body)
        command = ["ip", "netns", "exec", self.name, sys.executable, "-c", ASK, path, content]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        status, answer = json.loads(done.stdout)
        return status, answer

    def predicted(self) -> list[float]:
        status, answer = self.ask("/v1/models/rent:predict", {"instances": ROWS})
        assert status == 200, answer
        return list(answer["predictions"])

    def cable(self, state: str) -> None:
        ip("link", "set", self.name, state)


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Workspace:
    """A workspace with rent 1.0.0 live, and 1.1.0 in Development that answers otherwise."""
    folder = tmp_path_factory.mktemp("desk")
    workspace = Workspace.create(folder / "workspace", settings_text="policy: {promotion: {min_accuracy: 0}}\n")
    for slope in (9, 5):
        lines = (f"{20 + n % 80},{'old' if n % 3 else 'new'},{300 + slope * (n % 80)}" for n in range(200))
        (folder / "rents.csv").write_text("area,age,rent\n" + "\n".join(lines) + "\n")
        train_on_file(workspace, TrainRequest("rent", folder / "rents.csv", target="rent"), Settings(), actor=ANA)
    promote(workspace, "1.0.0")
    return workspace


def promote(workspace: Workspace, version: str) -> None:
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    while registry.get("rent", version).stage != "Production":
        registry.apply(registry.plan_promotion("rent", version), actor=ANA)


def answers_of(workspace: Workspace, version: str) -> list[float]:
    import pandas as pd

    rows = pd.DataFrame(ROWS).astype({"age": "category"})
    return list(load_model(Registry(workspace).load_path("rent", version)).predict(rows))


def serving(workspace: Workspace, *words: str, within: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    command = [*within, sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "serve", *words]
    with (workspace.logs_dir / "serve.err").open("ab") as log:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)


@pytest.fixture
def hosts(desk, tmp_path) -> Iterator[tuple[list[Host], Any]]:
    """Two replicas, and what starts the control plane again."""
    _, token = Tokens(desk).create("replicas", Role.OPERATOR, actor=ANA)
    port = free_port()
    with ExitStack() as made:

        def started(process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
            made.callback(process.wait, PATIENCE_SECONDS)
            made.callback(process.terminate)
            return process

        started(serving(desk, "--listen", f"0.0.0.0:{port}"))
        found = []
        for n in (1, 2):
            name, inside = f"bx{os.getpid() % 10_000}r{n}", f"10.{177 + n}.{os.getpid() % 250}"
            ip("netns", "add", name)
            made.callback(subprocess.run, ["ip", "netns", "del", name])
            ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("addr", "add", f"{inside}.1/24", "dev", name)
            ip("link", "set", name, "up")
            for words in (("addr", "add", f"{inside}.2/24", "dev", "eth0"), ("link", "set", "eth0", "up")):
                ip("netns", "exec", name, "ip", *words)
            ip("netns", "exec", name, "ip", "link", "set", "lo", "up")
            secret = tmp_path / f"{name}.token"
            secret.write_text(token)
            secret.chmod(0o600)
            follow = {
                "url": f"http://{inside}.1:{port}",
                "token_file": str(secret),
                "public_key": str(desk.keys_dir / "model-signing.pub"),
                "every_seconds": 0.2,
                "serve_on_hours": 1 if n == 1 else 0.0005,
            }
            text = json.dumps({"serving": {"follow": follow}})
            workspace = Workspace.create(tmp_path / name, settings_text=f"{text}\n")
            workers = ("--workers", "2") if n == 1 else ()
            process = started(serving(workspace, *workers, within=("ip", "netns", "exec", name)))
            found.append(Host(name, workspace, process))
        yield found


def test_two_replicas_lose_the_control_plane_serve_on_as_long_as_each_may_and_follow_again(desk, hosts):
    first, second = hosts
    old, new = answers_of(desk, "1.0.0"), answers_of(desk, "1.1.0")
    assert old != new
    for host in hosts:
        until(lambda host=host: host.ask("/ready")[0] == 200, f"{host.name} is ready")
        assert host.predicted() == pytest.approx(old, rel=1e-12)

    for host in hosts:
        host.cable("down")
    promote(desk, "1.1.0")
    until(lambda: second.ask("/ready")[0] == 503, "the second serves nothing any more")
    assert second.ask("/v1/models/rent:predict", {"instances": ROWS})[0] in (404, 503)
    assert first.predicted() == pytest.approx(old, rel=1e-12)

    # A server that is started again without its control plane serves what it has.
    first.process.terminate()
    first.process.wait(PATIENCE_SECONDS)
    again = serving(first.workspace, within=("ip", "netns", "exec", first.name))
    try:
        until(lambda: first.ask("/ready")[0] == 200, "the first is ready again")
        assert first.predicted() == pytest.approx(old, rel=1e-12)
        for host in hosts:
            host.cable("up")
        for host in hosts:
            until(lambda host=host: host.ask("/ready")[0] == 200, f"{host.name} is ready again")
            until(lambda host=host: host.predicted() == pytest.approx(new, rel=1e-12), f"{host.name} follows again")
    finally:
        again.terminate()
        again.wait(PATIENCE_SECONDS)
