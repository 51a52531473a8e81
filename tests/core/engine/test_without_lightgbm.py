"""Sessions on a machine where LightGBM cannot be loaded, with the engine's real child."""

import json

import msgspec
import pytest

from console.cli.headless import SessionFeed, plain_line
from core.engine import Engine
from core.governance import AuditLog
from core.registry import Registry
from core.settings import ModelSettings, TrainingSettings
from core.settings.explanation import ExplanationSettings
from core.tracking import Runs
from core.training.session import SessionPhase
from core.training.session_files import SessionFiles
from core.view.source import SnapshotSource

QUICK = TrainingSettings(explanation=ExplanationSettings(rows=0), dataset_size=150, max_epochs=3, patience=3)
REFUSED = msgspec.structs.replace(QUICK, models={"spread": ModelSettings(algorithm="lightgbm")})


@pytest.fixture
def engine(workspace, person, without_libgomp):
    engine = Engine(workspace, mode="headless", actor=person)
    engine.start()
    yield engine
    engine.stop(0)


def at_rest(observed):
    return observed.phase.is_at_rest


@pytest.mark.journey
@pytest.mark.usefixtures("engine")
def test_a_session_completes_with_scikit_learn_and_warns_everywhere(workspace, sessions, person, until):
    session_id = sessions.start(QUICK, name="", actor=person).session_id
    session = until(sessions, session_id, at_rest)

    assert (session.observed.phase, session.observed.n_failed_epochs) == (SessionPhase.FINISHED, 0)
    assert len(session.observed.registered) == 4
    (warning,) = session.observed.warnings
    assert "libgomp.so.1" in warning
    assert "hist_gradient_boosting trains in its place" in warning
    assert "apt-get install libgomp1" in warning
    assert warning == Runs(workspace).get(session.run_id).tags["warning"]
    reports = workspace.reports_dir / session_id
    assert warning in (reports / "final_report.md").read_text()
    report = json.loads((reports / "final_report.json").read_text())
    assert report["warnings"] == [warning]
    spread = next(model for model in report["models"] if model["name"] == "spread")
    assert spread["report"]["warnings"] == [warning]
    assert {entry["candidate"] for entry in spread["report"]["candidates"]} == {"linear", "hist_gradient_boosting"}
    assert Registry(workspace).get("spread", "1.0.0").metrics["attainment"] > 0.5
    assert "session.warn" in {record.verb for record in AuditLog(workspace).tail(100)}
    feed = SessionFeed(session_id, SessionFiles(workspace).read_epoch, lambda _session, _epoch: {})
    lines = [plain_line(event) for event in feed.events(SnapshotSource(workspace).take())]
    assert f"note: {warning}" in lines


@pytest.mark.usefixtures("engine")
def test_a_session_that_requires_lightgbm_fails_immediately_with_the_cure(sessions, person, until):
    session_id = sessions.start(REFUSED, name="", actor=person).session_id
    observed = until(sessions, session_id, at_rest).observed

    assert (observed.phase, observed.n_failed_epochs, observed.stop_reason) == (SessionPhase.FAILED, 1, "failed")
    assert "libgomp.so.1" in observed.failure
    assert "apt-get install libgomp1" in observed.failure
