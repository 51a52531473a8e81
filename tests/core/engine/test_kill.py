"""Kill -9 of the engine at random instants: nothing is lost, and what is computed is the same to the byte."""

import contextlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from core.governance import AuditLog
from core.registry import Registry
from core.settings import TrainingSettings
from core.state import Workspace
from core.telemetry import TelemetryReader
from core.tracking import Runs
from core.training.session import Phase
from core.training.sessions import Sessions

ALL_FOUR = TrainingSettings(dataset_size=150, max_epochs=3)
N_KILLS = int(os.environ.get("BONDX_ENGINE_KILLS", "3"))
ENGINE = Path(__file__).with_name("engine_process.py")
SAME_EACH_TIME = ("reports/s-0001/epochs", "reports/s-0001/final_report", "artifacts/")


def begin(root, person):
    workspace = Workspace.create(root, settings_text="{}\n")
    Sessions(workspace).start(ALL_FOUR, name="", actor=person)
    return workspace


def run_engine(workspace, *, seconds=None):
    """Run an engine to its end, or for some seconds and kill it; return whether it came to its end."""
    process = subprocess.Popen([sys.executable, str(ENGINE), str(workspace.root)])
    with contextlib.suppress(subprocess.TimeoutExpired):
        assert process.wait(seconds) == 0
        return True
    process.kill()
    process.wait()
    return False


def computed(workspace):
    files = (path for path in workspace.root.rglob("*") if path.is_file())
    by_name = {path.relative_to(workspace.root).as_posix(): path.read_bytes() for path in files}
    return {name: content for name, content in by_name.items() if name.startswith(SAME_EACH_TIME)}


def test_an_engine_killed_again_and_again_ends_in_the_bytes_of_one_left_in_peace(tmp_path, person):
    peaceful = begin(tmp_path / "peaceful", person)
    started = time.monotonic()
    assert run_engine(peaceful, seconds=120)
    usual_seconds = time.monotonic() - started

    violent = begin(tmp_path / "violent", person)
    luck = random.Random(20)
    for _ in range(N_KILLS):
        run_engine(violent, seconds=luck.uniform(0.2, 0.9) * usual_seconds)
    assert run_engine(violent, seconds=120)

    expected, found = computed(peaceful), computed(violent)
    assert found.keys() == expected.keys()
    assert [name for name in expected if expected[name] != found[name]] == []

    (session,) = Sessions(violent).all()
    assert (session.observed.phase, session.observed.epoch) == (Phase.FINISHED, 3)
    assert session.observed.registered == tuple(
        f"{model}/1.0.0" for model in ("spread", "downgrade", "liquidity_shock", "anomaly")
    )
    assert len(Registry(violent).versions()) == 4
    assert [run.run_id for run in Runs(violent).all()] == [session.run_id]
    epochs = TelemetryReader(violent.telemetry_file).epochs(session.run_id)
    assert [epoch for epoch, _ in epochs["score"]] == [1, 2, 3]
    assert AuditLog(violent).verify().ok
