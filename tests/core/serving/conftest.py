"""Models small enough to train in a test, a workspace in which they are live, and a real server on a free port."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.actor import Actor, Origin
from core.clock import utc_now
from core.domains.bonds.data import PanelSettings, generate
from core.domains.bonds.domain import MODEL_NAMES
from core.domains.catalogue import create, load_model
from core.models import Model
from core.quality.gate import GateResult, judge
from core.registry import ModelVersion, Registry
from core.rollout import Rollouts, RolloutWorker
from core.serving.access import Role, Tokens
from core.serving.limits import ServingLimits
from core.serving.scoring.warming import warm_scorer
from core.serving.table import LOADING
from core.settings.promotion import PromotionSettings
from core.state import Workspace
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS, until

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
# A server of the session may rest for minutes between two tests, and rightly hangs up on who says nothing for long.
KEEP_SECONDS = ServingLimits().idle_seconds / 5


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class RunningServer:
    """A server process, and how to talk to it."""

    process: subprocess.Popen[bytes]
    port: int
    token: str | None = None
    connection: http.client.HTTPConnection = field(init=False)
    _last_asked: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)

    def ask(
        self, path: str, body: Any = None, *, method: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        fields = {"content-type": "application/json"} if content is not None else {}
        if self.token is not None:
            fields["authorization"] = f"Bearer {self.token}"
        if time.monotonic() - self._last_asked > KEEP_SECONDS:
            self.connection.close()
        self._last_asked = time.monotonic()
        self.connection.request(
            method or ("GET" if content is None else "POST"), path, content, {**fields, **(headers or {})}
        )
        answer = self.connection.getresponse()
        found = Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        if answer.will_close:
            self.connection.close()
        return found

    def bare(self, content: bytes) -> Answer:
        """Send bytes as they are, on a connection of their own."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(content)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, fields, answer.read())

    def until(self, reached: Callable[[], bool], what: str) -> None:
        until(reached, what)


@pytest.fixture(name="ana", scope="session")
def _ana() -> Actor:
    return ANA


@pytest.fixture(name="running", scope="session")
def _running() -> Callable[..., Any]:
    """Run a server process in a `with` block."""
    return running


@contextmanager
def running(workspace: Workspace, *arguments: str, port: int | None = None) -> Iterator[RunningServer]:
    port = port or free_port()
    command = [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "serve", *arguments]
    # On a busy machine a server waits as long as its test does, for an answer and for a version to load.
    command += ["--listen", f"127.0.0.1:{port}", "--time-out", f"{PATIENCE_SECONDS:g}"]
    with (workspace.logs_dir / "serve.err").open("ab") as log:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
    server = RunningServer(process, port)

    def is_ready() -> bool:
        assert process.poll() is None, (workspace.logs_dir / "serve.err").read_text()
        try:
            answer = server.ask("/ready")
            return answer.status == 200 or LOADING not in answer.json.get("reasons", [LOADING])  # or nothing to serve
        except OSError:
            server.connection.close()
            return False

    try:
        server.until(is_ready, "being ready")
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)
        server.connection.close()


@pytest.fixture(scope="session")
def bonds() -> pd.DataFrame:
    return generate(PanelSettings(n_rows=300, seed=5)).bonds


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of each built-in model by its name, and a second, different spread model."""
    folder = tmp_path_factory.mktemp("artifacts")
    for name in MODEL_NAMES:
        model = create(name, algorithm="linear" if name not in ("anomaly", "liquidity_shock") else "auto")
        model.update(generate(PanelSettings(n_rows=300, seed=1)), seed=1)
        model.save(folder / name)
    other = create("spread", algorithm="lightgbm", settings={"first_trees": 12})
    other.update(generate(PanelSettings(n_rows=300, seed=2)), seed=2)
    other.save(folder / "spread_other")
    return folder


@pytest.fixture(scope="session")
def models(artifacts: Path) -> dict[str, Model]:
    return {folder.name: load_model(folder) for folder in artifacts.iterdir()}


@pytest.fixture(scope="session")
def rows_of(artifacts: Path, bonds: pd.DataFrame) -> Callable[..., list[dict[str, Any]]]:
    """Rows of a model as a client sends them."""

    def rows(model: str, n: int = 3) -> list[dict[str, Any]]:
        names = [field.name for field in warm_scorer(artifacts / model).signature.fields]
        table = bonds[bonds["maturity_years"].between(0.1, 60)][names].head(n)
        found = json.loads(table.to_json(orient="records", double_precision=15, date_format="iso"))
        return [
            {name: str(value)[:10] if name.endswith("_date") else value for name, value in row.items()} for row in found
        ]

    return rows


def put_live(workspace: Workspace, model: str, folder: Path) -> ModelVersion:
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    version = register(workspace, model, folder)
    for _ in range(2):
        registry.apply(registry.plan_promotion(model, version.version), actor=ANA)
    return version


GATES = (judge("coverage", 99.0, ">=", 90.0, unit="%"),)


def register(
    workspace: Workspace, model: str, folder: Path, *, actor: Actor = ANA, gates: tuple[GateResult, ...] = GATES
) -> ModelVersion:
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    return registry.register(model, folder, metrics={"attainment": 0.9}, lineage={"seed": 1}, gates=gates, actor=actor)


@pytest.fixture(name="put_live", scope="session")
def _put_live() -> Callable[..., ModelVersion]:
    return put_live


@pytest.fixture(name="register", scope="session")
def _register() -> Callable[..., ModelVersion]:
    return register


@pytest.fixture(name="make_workspace", scope="session")
def _make_workspace() -> Callable[[Path], Workspace]:
    return make_workspace


def make_workspace(root: Path) -> Workspace:
    return Workspace.create(root, settings_text="policy: {promotion: {min_accuracy: 0}}\n")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "workspace")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, artifacts: Path) -> Workspace:
    """A workspace with all four models live, and a second spread version in Staging."""
    workspace = make_workspace(tmp_path_factory.mktemp("served") / "workspace")
    for name in MODEL_NAMES:
        put_live(workspace, name, artifacts / name)
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    other = register(workspace, "spread", artifacts / "spread_other")
    registry.apply(registry.plan_promotion("spread", other.version), actor=ANA)
    registry.set_alias("spread", "challenger", other.version, actor=ANA)
    return workspace


@pytest.fixture(scope="session")
def server(served: Workspace) -> Iterator[RunningServer]:
    with running(served) as found:
        yield found


@pytest.fixture(scope="session")
def tokens(served: Workspace) -> dict[Role, str]:
    return {role: Tokens(served).create(role.value, role, actor=ANA)[1] for role in Role}


@pytest.fixture
def staged(workspace, artifacts, put_live, register, ana):
    """Put spread 1.0.0 live, and 1.1.0 into Staging."""
    put_live(workspace, "spread", artifacts / "spread")
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    candidate = register(workspace, "spread", artifacts / "spread_other")
    registry.apply(registry.plan_promotion("spread", candidate.version), actor=ana)


@pytest.fixture
def rolling(workspace, staged, ana):
    """Start a rollout of spread 1.1.0 against 1.0.0, its first step open."""

    def start(strategy, share=None, policy=None):
        rollouts = Rollouts(workspace)
        rollout = rollouts.start(rollouts.plan("spread", "1.1.0", strategy, policy, share=share), actor=ana)
        RolloutWorker(workspace).tick(utc_now())
        return rollouts.get(rollout.rollout_id)

    return start
