"""A real server process with a small live model, and peers that behave in a chosen way."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from core.actor import Actor, Origin
from core.client import Client
from core.registry import Registry
from core.serving import Role, Tokens
from core.settings import Settings
from core.settings.promotion import PromotionSettings
from core.state import Workspace
from core.training.own_data import TrainRequest, train_on_file
from tests.clocks import HandSeconds
from tests.core.client.timeouts import PATIENT
from tests.processes import free_port
from tests.waiting import until

ANA = Actor("ana", "localhost", Origin.COMMAND_LINE)


Peer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def seconds() -> HandSeconds:
    """Time that passes only during a sleep."""
    return HandSeconds()


@pytest.fixture
def client_of(seconds: HandSeconds) -> Iterator[Callable[..., Client]]:
    """Make a client of a peer that is a function, with time that nobody waits for."""
    made: list[Client] = []

    def client(peer: Peer, **more: Any) -> Client:
        found = Client(
            "http://peer.test",
            transport=httpx.MockTransport(peer),
            clock=seconds,
            sleep=seconds.sleep,
            random_share=lambda: 1.0,
            **more,
        )
        made.append(found)
        return found

    yield client
    for one in made:
        one.close()


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

        def is_ready(client: Client) -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            return client.health("rent").ready

        with Client(url, timeouts=PATIENT) as client:
            until(lambda: is_ready(client), "a server that is ready")
        yield SimpleNamespace(url=url, token=token, version=number, workspace=workspace)
    finally:
        process.terminate()
        process.wait()
