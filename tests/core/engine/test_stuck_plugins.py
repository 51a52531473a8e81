"""Gates of plug-ins that never return, or return nonsense: the session says which one, and the engine lives on."""

import msgspec
import pytest

from core.engine import Engine
from core.governance.audit_log import AuditLog
from core.settings import ModelSettings, QualityGates, TrainingSettings
from core.settings.explanation import ExplanationSettings
from core.settings.training import TrainerSettings
from core.training.session import SessionPhase
from tests.packages import installed

SMALL = TrainingSettings(
    explanation=ExplanationSettings(rows=0),
    dataset_size=150,
    max_epochs=1,
    models={"liquidity_shock": ModelSettings(algorithm="linear")},
    trainer=TrainerSettings(stall_seconds=8.0, max_retries=4),
)
GATES = """
import threading

from core.quality import GateResult
from core.quality.gate import GateVerdict


def spins(frame, settings):
    while True:
        pass


def waits(frame, settings):
    threading.Event().wait()


def nonsense(frame, settings):
    return GateResult(name="nonsense", verdict="fine", value=object(), threshold="x", comparison=">=")
"""


@pytest.fixture(scope="module", autouse=True)
def gates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    (folder / "stuck_gates.py").write_text(GATES)
    points = {name: f"stuck_gates:{name}" for name in ("spins", "waits", "nonsense")}
    with installed(folder, "stuck", {"bondx.gates": points}):
        yield


@pytest.fixture
def engine(workspace, person):
    engine = Engine(workspace, mode="headless", actor=person)
    engine.start()
    yield engine
    engine.stop(0)


def settings(gate, **trainer):
    wanted = msgspec.structs.replace(SMALL, quality_gates=QualityGates(custom_gates=(gate,)))
    return msgspec.structs.replace(wanted, trainer=msgspec.structs.replace(SMALL.trainer, **trainer))


@pytest.mark.journey
@pytest.mark.parametrize(("gate", "did"), [("spins", "computed for"), ("waits", "did nothing for")])
def test_a_gate_that_never_returns_fails_its_epoch_by_name_and_once(
    workspace, engine, sessions, person, until, gate, did
):
    session_id = sessions.start(settings(gate), name="", actor=person).session_id
    observed = until(sessions, session_id, lambda observed: observed.phase.is_at_rest).observed
    assert observed.phase is SessionPhase.FAILED
    # A step before it may pass the short limit on a slow machine, and is retried; the gate is not.
    retried = [record.reason for record in AuditLog(workspace).tail(100) if record.verb == "epoch.fail"]
    assert not any(f"the gate {gate}" in reason for reason in retried)
    assert f"the gate {gate}" in observed.failure
    assert did in observed.failure
    assert "trainer.stall_seconds" in observed.failure


def test_a_gate_that_returns_nonsense_is_a_failed_gate_and_no_failed_attempt(engine, sessions, person, until):
    session_id = sessions.start(settings("nonsense", stall_seconds=0.0), name="", actor=person).session_id
    observed = until(sessions, session_id, lambda observed: observed.phase.is_at_rest).observed
    assert observed.n_failed_epochs <= 1
    assert any(gate.name == "nonsense" and "does not read" in gate.reason for gate in observed.gates)


@pytest.mark.journey
def test_a_stopping_engine_does_not_wait_for_a_gate_that_never_returns(workspace, engine, sessions, person, until):
    workspace.settings_file.write_text("trainer: {stop_seconds: 0}\n")
    second = None
    session_id = sessions.start(settings("spins", stall_seconds=0.0), name="", actor=person).session_id
    until(sessions, session_id, lambda observed: observed.phase is SessionPhase.RUNNING)
    engine.stop(0.1)
    assert engine.wait(0)
    second = Engine(workspace, mode="headless", actor=person)
    second.start()
    until(sessions, session_id, lambda observed: observed.phase is SessionPhase.RUNNING)
    second.stop()  # by the settings
    assert second.wait(0)
