"""A desk at work: a workspace, a real server and a real engine in processes of their own, and callers.

Every model is stable at 1.0.0 and has a candidate in Staging, trained on files of 150 to 300 rows.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from core.actor import Actor, Origin
from core.domains.table.models import TableModel
from core.quality.gate import judge
from core.registry import ModelVersion, Registry
from core.rollout import Rollout, Rollouts
from core.serving import Role, Tokens
from core.settings import Settings
from core.state import Workspace
from core.tables import TaskRequest, describe, read_table
from core.training.own_data import TrainRequest, train_on_file
from tests.end_to_end import callers, desk_models, market
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS, until

HERE = Path(__file__).parent
ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
SETTINGS = """
explanation: {rows: 0}
policy:
  promotion: {min_accuracy: 0.5, max_attainment_drop: 0.1}
  canary:
    initial_share: 0.2
    steps: [0.35]
    max_share: 0.5
    dwell_seconds: 2
    min_samples: 100
    alpha: 0.001
    tolerated_error_share: 0.02
    latency_limit_ms: 60000
    tolerated_slow_share: 0.1
    require_loss: true
    loss_margin: 1.5
  overrides:
    slow: {canary: {latency_limit_ms: 2000}}
    good: {canary: {dwell_seconds: 15}}
"""
"""Whoever looks at the good candidate comes before it is live: a step lasts longer than a look."""


PLUG_INS = (desk_models.ForgetfulModel, desk_models.FarAwayModel)


@dataclass
class Desk:
    """The workspace, its processes, and who calls."""

    workspace: Workspace
    environment: dict[str, str]
    port: int
    token: str
    server: subprocess.Popen[bytes] | None = None
    engine: subprocess.Popen[bytes] | None = None
    callers: dict[str, Any] = field(default_factory=dict)
    actor: Actor = ANA

    @staticmethod
    def until(reached: Callable[[], Any], what: str) -> Any:
        """Look again and again until something is so, and return it."""
        return until(reached, what)

    @property
    def rollouts(self) -> Rollouts:
        return Rollouts(self.workspace)

    def start_server(self) -> None:
        self.server = self._start("serve", "-m", "console.cli.main", "--workspace", str(self.workspace.root),
                                  "serve", "--listen", f"127.0.0.1:{self.port}")  # fmt: skip
        until(self._is_ready, "a server that is ready")
        for caller in self.callers.values():
            caller.server_is_up()

    def kill_server(self) -> None:
        assert self.server is not None
        for caller in self.callers.values():
            caller.server_is_going()
        self.server.kill()
        self.server.communicate()

    def start_engine(self) -> None:
        self.engine = self._start("engine", str(HERE / "engine_process.py"), str(self.workspace.root))
        assert self.engine.stdout is not None
        assert self.engine.stdout.readline() == b"working\n", self._log("engine").read_text()

    def kill_engine(self) -> None:
        assert self.engine is not None
        self.engine.kill()
        self.engine.communicate()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Use the control API, as an operator would."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.token}"}
        connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        assert answer.status < 300, content
        return json.loads(content)

    def start_rollout(self, model: str, reason: str) -> Rollout:
        """Start a canary of the model's candidate over HTTP, by the rules of the policy."""
        wish = {"model": model, "candidate": "1.1.0", "stable": "1.0.0", "reason": reason}
        return self.rollouts.get(self.ask("POST", "/rollouts", wish)["rollout_id"])

    def ended(self, rollout_id: str) -> Rollout:
        """Wait until a rollout has ended."""
        until(
            lambda: not self.rollouts.get(rollout_id).is_active,
            f"the end of {rollout_id}",
            progress=lambda: self.stage(rollout_id),
        )
        return self.rollouts.get(rollout_id)

    def stage(self, rollout_id: str) -> object:
        """Return what changes as a rollout gets on; the answers that it reads come without an end."""
        observed = self.rollouts.get(rollout_id).observed
        return observed.phase, observed.step, observed.events

    def begin_calling(self, model: str) -> Any:
        caller = self.callers[model] = callers.Caller(self.port, self.token, model, market.flats(2_000, seed=7))
        caller.start()
        return caller

    def close(self) -> None:
        for caller in self.callers.values():
            caller.stop()
        with ExitStack() as ends:  # of both, also if one of them does not end by itself
            for process in filter(None, (self.server, self.engine)):
                ends.enter_context(process)
                ends.callback(process.kill)
                ends.callback(process.wait, PATIENCE_SECONDS)
                process.send_signal(signal.SIGTERM)

    def _start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with self._log(name).open("ab") as log:
            command = [sys.executable, *arguments]
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=self.environment)

    def _log(self, name: str) -> Path:
        return self.workspace.logs_dir / f"{name}.process.log"

    def _is_ready(self) -> bool:
        assert self.server is not None
        assert self.server.poll() is None, self._log("serve").read_text()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def install_plug_ins(folder: Path) -> Path:
    """Lay the desk's package out as pip would, so that its entry points are found."""
    folder.mkdir()
    shutil.copy(HERE / "desk_models.py", folder)
    metadata = folder / "desk_models-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: desk-models\nVersion: 1.0\n")
    lines = [f"{kind.name} = {desk_models.PACKAGE}:{kind.__name__}" for kind in PLUG_INS]
    (metadata / "entry_points.txt").write_text("\n".join(["[bondx.models]", *lines]) + "\n")
    return folder


def train(workspace: Workspace, model: str, file: Path) -> ModelVersion:
    """Train as `bondx-mlops train` does."""
    return train_on_file(workspace, TrainRequest(model, file, target="rent"), Settings(), actor=ANA).version


def train_plug_in(workspace: Workspace, model: str, kind: type[TableModel], file: Path) -> ModelVersion:
    """Train a model of the desk's package, and register it with how well it does on its file."""
    table = read_table(file)
    learnt = kind.described(describe(table, TaskRequest(target="rent")))
    learnt.fit(table.frame, seed=1)
    folder = file.with_suffix(".model")
    learnt.save(folder)
    gates = (judge("coverage", 99.0, ">=", 90.0, unit="%"),)
    r2 = TableModel.evaluate(learnt, table.frame)["r2"] if kind is desk_models.ForgetfulModel else 0.98
    return Registry(workspace).register(model, folder, metrics={"r2": r2}, lineage={}, gates=gates, actor=ANA)


def promote(workspace: Workspace, version: ModelVersion, *, n_steps: int) -> None:
    registry = Registry(workspace)
    for _ in range(n_steps):
        registry.apply(registry.plan_promotion(version.model, version.version), actor=ANA, reason="for the tests")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    workspace = Workspace.create(folder / "workspace", settings_text=SETTINGS)
    plug_ins = install_plug_ins(folder / "site")
    stable = market.write_csv(folder / "stable.csv", market.flats(150, seed=1))
    for model in ("good", "failing", "slow", "poor"):
        promote(workspace, train(workspace, model, stable), n_steps=2)
    file = market.write_csv(folder / "good.csv", market.flats(300, seed=2))
    candidates = [train(workspace, "good", file)]
    # Trained on the rents of another town: excellent on its own file, and far off here.
    file = market.write_csv(folder / "poor.csv", market.flats(150, seed=3, dearer=1.3))
    candidates.append(train(workspace, "poor", file))
    file = market.write_csv(folder / "failing.csv", market.flats(150, seed=4, districts=("north", "south")))
    candidates.append(train_plug_in(workspace, "failing", desk_models.ForgetfulModel, file))
    file = market.write_csv(folder / "slow.csv", market.flats(150, seed=5))
    candidates.append(train_plug_in(workspace, "slow", desk_models.FarAwayModel, file))
    # One more, so that the candidate is not what an undo of the last move is about.
    file = market.write_csv(folder / "later.csv", market.flats(150, seed=6))
    candidates.append(train(workspace, "good", file))
    for version in candidates:
        promote(workspace, version, n_steps=1)
    _, token = Tokens(workspace).create("tests", Role.OPERATOR, actor=ANA)
    port = free_port()
    path = os.pathsep.join(filter(None, (str(plug_ins), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    desk = Desk(workspace, environment, port, token)
    try:
        desk.start_server()
        desk.start_engine()
        yield desk
    finally:
        desk.close()
