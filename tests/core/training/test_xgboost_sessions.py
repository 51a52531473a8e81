"""Sessions with XGBoost, as well tested as those with LightGBM: trained, resumed, reported, registered and served.

XGBoost is an optional extra: `make interop` runs this file in an environment that has it.
"""

import json
import threading

import msgspec
import numpy as np
import pytest

from core.actor import Actor, Origin
from core.domains.catalogue import load_model
from core.engine import Engine
from core.models.errors import UnknownParameterError
from core.registry import Registry
from core.serving.scoring.scorer import CompiledScorer
from core.serving.scoring.warming import warm_scorer
from core.settings import ModelSettings, TrainingSettings
from core.state import Workspace
from core.tracking import Runs
from core.training import panels as panels_module
from core.training.epoch_slices import scores_by
from core.training.panels import SessionPanels
from core.training.session import DesiredSession, SessionPhase
from core.training.session_work import SessionWork
from core.training.sessions import Sessions
from tests.core.training.test_session_work import contents, work
from tests.waiting import until

pytest.importorskip("xgboost", reason="the extra xgboost is not installed")

NAMES = ("spread", "downgrade", "liquidity_shock")
ALL = TrainingSettings(
    dataset_size=150, max_epochs=3, models={name: ModelSettings(algorithm="xgboost") for name in NAMES}
)


@pytest.fixture
def small_panels(monkeypatch):
    monkeypatch.setattr(panels_module, "VALIDATION_ROWS", 500)
    monkeypatch.setattr(panels_module, "TEST_ROWS", 800)


@pytest.mark.usefixtures("small_panels")
def test_a_session_resumed_from_its_checkpoints_ends_in_the_same_bytes(tmp_path):
    whole = work(ALL, tmp_path / "whole")
    pieces = work(ALL, tmp_path / "pieces", restart_after=(1, 2, 3))
    assert whole == pieces
    assert contents(tmp_path / "whole") == contents(tmp_path / "pieces")
    assert [(model.name, model.chosen) for model in whole.models] == [(name, "xgboost") for name in NAMES]


@pytest.mark.usefixtures("small_panels")
def test_the_number_of_threads_changes_no_byte(tmp_path):
    for n_threads in (1, 3):
        trainer = msgspec.structs.replace(ALL.trainer, n_threads=n_threads)
        work(msgspec.structs.replace(ALL, max_epochs=1, trainer=trainer), tmp_path / str(n_threads))
    assert contents(tmp_path / "1" / "final") == contents(tmp_path / "3" / "final")


@pytest.mark.usefixtures("small_panels")
def test_every_epoch_teaches_and_later_epochs_score_higher(tmp_path):
    session = SessionWork(ALL, tmp_path)
    records = [session.run_epoch(epoch).record for epoch in range(1, 6)]
    assert all(record.learned and not record.unmeasured for record in records)
    assert records[-1].score > records[0].score
    assert {f"{name}.attainment" for name in NAMES} <= records[-1].metrics.keys()
    regions = {(each.model, bool(each.scores)) for each in scores_by(records[-1].slices, "region")}
    assert regions == {(name, True) for name in NAMES}


def test_parameters_are_passed_on_and_an_unknown_parameter_is_refused(tmp_path):
    def with_parameters(**parameters):
        one = {"liquidity_shock": ModelSettings(algorithm="xgboost", parameters=parameters)}
        return SessionWork(msgspec.structs.replace(ALL, models=one), tmp_path)

    with_parameters(max_leaves=4, eta=0.2)
    with pytest.raises(UnknownParameterError, match="nonsense"):
        with_parameters(nonsense=2)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A session that one engine began and paused, and that another resumed and finished."""
    ada = Actor("ada", "desk", Origin.COMMAND_LINE)
    workspace = Workspace.create(tmp_path_factory.mktemp("xgboost") / "workspace", settings_text="{}\n")
    sessions = Sessions(workspace)
    session_id = sessions.start(msgspec.structs.replace(ALL, max_epochs=4), name="xgboost", actor=ada).session_id

    def observed():
        return sessions.get(session_id).observed

    observe, is_asked = Sessions.observe, threading.Event()

    def observe_and_pause(self, *words, **fields):
        """Ask for the pause in the engine's own step, which is before the session can have ended."""
        seen = observe(self, *words, **fields)
        if seen.observed.epoch >= 1 and not is_asked.is_set():
            is_asked.set()
            sessions.request(session_id, DesiredSession.PAUSED, actor=ada)
        return seen

    engine = Engine(workspace, mode="headless", actor=ada)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sessions, "observe", observe_and_pause)
        engine.start()
        try:
            until(lambda: observed().phase is SessionPhase.PAUSED, "the pause")
        finally:
            engine.stop()
    sessions.request(session_id, DesiredSession.RUNNING, actor=ada)
    second = Engine(workspace, mode="headless", actor=ada)
    second.start()
    try:
        until(lambda: observed().phase.is_at_rest, "the end")
    finally:
        second.stop()
    return workspace, sessions.get(session_id)


def test_another_engine_resumes_it_and_it_finishes_without_a_failed_attempt(finished):
    workspace, session = finished
    observed = session.observed
    assert (observed.phase, observed.epoch, observed.n_failed_epochs) == (SessionPhase.FINISHED, 4, 0)
    report = json.loads((workspace.reports_dir / session.session_id / "final_report.json").read_bytes())
    assert {model["name"]: model["chosen"] for model in report["models"]} == dict.fromkeys(NAMES, "xgboost")
    for expression in ("metrics.spread.fit_time > 0", "model_type = 'xgboost' and experiment = 'bonds'"):
        assert [run.run_id for run in Runs(workspace).search(expression)] == [session.run_id]


def test_its_models_are_registered_intact_and_served_with_their_own_answers(finished):
    workspace, session = finished
    assert session.observed.registered == tuple(f"{name}/1.0.0" for name in NAMES)
    bonds = SessionPanels(ALL).test("test").panel.frame.head(300)
    registry = Registry(workspace)
    for name in NAMES:
        version = registry.get(name, "1.0.0")
        assert version.metrics["attainment"] > 0.5
        folder = registry.load_path(name, "1.0.0")  # every file is hashed
        model = load_model(folder)
        answers = model.predict(bonds)
        assert np.isfinite(answers).all()
        assert len(np.unique(answers)) > 10
        assert isinstance(warm_scorer(folder), CompiledScorer), f"{name}: compiled, and compared with `predict`"
