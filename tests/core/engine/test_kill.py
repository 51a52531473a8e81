"""Kill -9 of the engine at random points of its work: nothing is lost, and the results are the same to the byte."""

import random
import sys

import pytest

from core.governance import AuditLog
from core.registry import Registry
from core.settings import TrainingSettings
from core.settings.explanation import ExplanationSettings
from core.state import Workspace
from core.telemetry import TelemetryReader
from core.tracking import Runs
from core.training.session import SessionPhase
from core.training.sessions import Sessions
from tests.processes import printed_unless_killed

ALL_FOUR = TrainingSettings(
    explanation=ExplanationSettings(rows=20, background_rows=10), dataset_size=150, max_epochs=3
)
SAME_EACH_TIME = ("reports/s-0001/epochs", "reports/s-0001/final_report", "artifacts/")


def begin(root, person):
    workspace = Workspace.create(root, settings_text="{}\n")
    Sessions(workspace).start(ALL_FOUR, name="", actor=person)
    return workspace


def run_engine(workspace, *, dies_at=0):
    """Run an engine to its end, or until it dies at the n-th change that its trainer makes on the disk.

    Returns:
        How many changes its trainer has made; None if it died.
    """
    sessions = Sessions(workspace)
    printed = printed_unless_killed(
        [sys.executable, "-m", "tests.core.engine.engine_process", str(workspace.root), str(dies_at)],
        "the end of every session",
        progress=lambda: [each.observed for each in sessions.all()],
    )
    return None if printed is None else int(printed)


def computed(workspace):
    files = (path for path in workspace.root.rglob("*") if path.is_file())
    by_name = {path.relative_to(workspace.root).as_posix(): path.read_bytes() for path in files}
    return {name: content for name, content in by_name.items() if name.startswith(SAME_EACH_TIME)}


@pytest.mark.crash
def test_a_repeatedly_killed_engine_produces_the_same_bytes_as_an_undisturbed_one(tmp_path, person, is_long):
    peaceful = begin(tmp_path / "peaceful", person)
    n_changes = run_engine(peaceful)
    luck, n_kills = random.Random(20), 0
    while n_kills < (50 if is_long else 3):
        violent = begin(tmp_path / f"violent-{n_kills}", person)
        while run_engine(violent, dies_at=luck.randint(1, n_changes)) is None:
            n_kills += 1
        assert_complete(violent, as_in=peaceful)


def assert_complete(workspace, *, as_in):
    """All that a session leaves is there once, and what is computed is the same as elsewhere."""
    expected, found = computed(as_in), computed(workspace)
    assert found.keys() == expected.keys()
    assert [name for name in expected if expected[name] != found[name]] == []

    (session,) = Sessions(workspace).all()
    assert (session.observed.phase, session.observed.epoch) == (SessionPhase.FINISHED, 3)
    assert session.observed.registered == tuple(
        f"{model}/1.0.0" for model in ("spread", "downgrade", "liquidity_shock", "anomaly")
    )
    assert len(Registry(workspace).versions()) == 4
    assert [run.run_id for run in Runs(workspace).all()] == [session.run_id]
    epochs = TelemetryReader(workspace.telemetry_file).epochs(session.run_id)
    assert [epoch for epoch, _ in epochs["score"]] == [1, 2, 3]
    assert AuditLog(workspace).verify().ok
