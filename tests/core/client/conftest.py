"""A real server process with a small live model, and peers that behave in a chosen way."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

from core.actor import Actor, Origin
from core.client import Client
from core.registry import Registry
from core.serving import Role, Tokens
from core.settings import Settings
from core.settings.promotion import PromotionSettings
from core.state import Workspace
from core.training.own_data import TrainRequest, train_on_file

ANA = Actor("ana", "localhost", Origin.COMMAND_LINE)
LIMIT_SECONDS = 60.0


class Fakes:
    """Time that passes only when somebody waits for it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


Peer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def client_of(fakes: Fakes) -> Iterator[Callable[..., Client]]:
    """Make a client of a peer that is a function, with time that nobody waits for."""
    made: list[Client] = []

    def client(peer: Peer, **more: Any) -> Client:
        found = Client(
            "http://peer.test",
            transport=httpx.MockTransport(peer),
            clock=fakes.clock,
            sleep=fakes.sleep,
            random_share=lambda: 1.0,
            **more,
        )
        made.append(found)
        return found

    yield client
    for one in made:
        one.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A `bondx serve` of its own process: model `rent`, live."""
    folder = tmp_path_factory.mktemp("served")
    data = folder / "rents.csv"
    lines = (
        f"{20 + n % 80},{n % 7},{'old' if n % 3 else 'new'},{300 + 9 * (n % 80) + 10 * (n % 7)}" for n in range(200)
    )
    data.write_text("area,floor,age,rent\n" + "\n".join(lines) + "\n")
    workspace = Workspace.create(folder / "workspace", settings_text="{}\n")
    trained = train_on_file(workspace, TrainRequest("rent", data, target="rent"), Settings(), actor=ANA)
    number = trained.version.version
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    for _ in range(2):
        registry.apply(registry.plan_promotion("rent", number), actor=ANA, reason="for the tests")
    _, token = Tokens(workspace).create("tests", Role.VIEWER, actor=ANA)
    port = free_port()
    command = [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "serve"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--listen", f"127.0.0.1:{port}"], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        with Client(url) as client:
            deadline = time.monotonic() + LIMIT_SECONDS
            while not client.health("rent").ready:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, "the server did not come up in time"
                time.sleep(0.05)
        yield SimpleNamespace(url=url, token=token, version=number, workspace=workspace)
    finally:
        process.terminate()
        process.wait()
