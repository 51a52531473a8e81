"""The search of parameters in an engine: trials as runs, a stop by a person, kill -9 in the middle."""

import random

import pytest

from core.actor import Actor, Origin
from core.engine import Engine
from core.governance import AuditLog
from core.settings import ModelSettings, TrainingSettings
from core.settings.explanation import ExplanationSettings
from core.settings.training import AdvancedSettings, TuningSettings
from core.state import Workspace
from core.telemetry import TelemetryReader
from core.tracking import Runs, RunStatus
from core.training.errors import SessionRequestRefusedError
from core.training.session import SessionPhase
from core.training.session_files import SessionFiles
from core.training.sessions import Sessions
from tests.core.engine.test_kill import computed, run_engine

TUNED = TrainingSettings(
    explanation=ExplanationSettings(rows=0),
    dataset_size=150,
    max_epochs=1,
    models={"spread": ModelSettings(algorithm="lightgbm", parameters={"first_trees": 20})},
    advanced=AdvancedSettings(enable_hyperparameter_tuning=True, parameter_ranges={"num_leaves": tuple(range(3, 30))}),
    tuning=TuningSettings(trials=6, folds=3, rows=300),
)


def begin(root, person, settings=TUNED):
    workspace = Workspace.create(root, settings_text="{}\n")
    Sessions(workspace).start(settings, name="", actor=person)
    return workspace


def trial_runs(workspace):
    (parent, *children) = Runs(workspace).all()
    assert all(run.parent_id == parent.run_id for run in children)
    return children


def assert_every_trial_is_a_run(workspace, n_trials):
    (session,) = Sessions(workspace).all()
    trials = [each.trial for each in SessionFiles(workspace).trials(session)]
    runs = trial_runs(workspace)
    assert [int(run.tags["trial"]) for run in runs] == [trial.number for trial in trials] == list(range(n_trials))
    reader = TelemetryReader(workspace.telemetry_file)
    for run, trial in zip(runs, trials, strict=True):
        assert run.parameters == trial.parameters
        assert run.status is (RunStatus.FINISHED if trial.state == "complete" else RunStatus.STOPPED)
        assert run.metrics["loss"] == pytest.approx(trial.curve[-1])
        assert [loss for _, loss in reader.epochs(run.run_id)["loss"]] == pytest.approx(trial.curve)
    reader.close()


@pytest.mark.journey
def test_every_trial_is_a_child_of_the_session_s_run(tmp_path, person):
    workspace = begin(tmp_path / "w", person)

    run_engine(workspace)

    (session,) = Sessions(workspace).all()
    assert session.observed.phase is SessionPhase.FINISHED
    assert session.observed.tuning.is_done
    assert session.observed.tuning_seconds > 0
    assert session.observed.tuning.standings[0].why
    assert_every_trial_is_a_run(workspace, 7)
    verbs = [record.verb for record in AuditLog(workspace).tail(100)]
    assert verbs.count("session.tuning") == 2
    assert verbs.count("session.tuned") == 1


@pytest.mark.crash
def test_a_repeatedly_killed_search_has_the_same_trials_verdict_and_models(tmp_path, person, is_long):
    peaceful = begin(tmp_path / "peaceful", person)
    n_changes = run_engine(peaceful)
    luck, n_kills = random.Random(14), 0
    while n_kills < (40 if is_long else 3):
        violent = begin(tmp_path / f"violent-{n_kills}", person)
        while run_engine(violent, dies_at=luck.randint(1, n_changes)) is None:
            n_kills += 1
        assert computed(violent) == computed(peaceful)
        assert_every_trial_is_a_run(violent, 7)


@pytest.mark.journey
def test_a_person_ends_the_search_and_the_epochs_begin(workspace, person, until):
    endless = TrainingSettings(
        dataset_size=150,
        max_epochs=1,
        models=TUNED.models,
        advanced=AdvancedSettings(enable_hyperparameter_tuning=True),
        tuning=TuningSettings(trials=10_000, folds=2, rows=200),
    )
    sessions = Sessions(workspace)
    engine = Engine(workspace, mode="headless", actor=Actor("ada", "desk", Origin.COMMAND_LINE))
    engine.start()
    try:
        session_id = sessions.start(endless, name="", actor=person).session_id
        until(sessions, session_id, lambda seen: seen.tuning.standings and seen.tuning.standings[0].n_trials >= 4)
        sessions.stop_tuning(session_id, actor=person, reason="good enough")
        until(sessions, session_id, lambda seen: seen.phase is SessionPhase.FINISHED)
    finally:
        engine.stop()

    session = sessions.get(session_id)
    assert session.observed.tuning.stopped == "stopped by ada@desk: good enough"
    assert 4 <= session.observed.tuning.standings[0].n_trials < 10_000
    assert session.observed.epoch == 1
    with pytest.raises(SessionRequestRefusedError, match="it has ended"):
        sessions.stop_tuning(session_id, actor=person)


def test_an_end_of_the_search_is_requested_once(workspace, person):
    sessions = Sessions(workspace)
    session_id = sessions.start(TUNED, name="", actor=person).session_id
    sessions.stop_tuning(session_id, actor=person)
    with pytest.raises(SessionRequestRefusedError, match="requested already"):
        sessions.stop_tuning(session_id, actor=person)


@pytest.mark.journey
def test_a_search_ends_when_its_minutes_are_used(tmp_path, person):
    settings = TrainingSettings(
        dataset_size=150,
        max_epochs=1,
        models=TUNED.models,
        advanced=AdvancedSettings(enable_hyperparameter_tuning=True),
        tuning=TuningSettings(trials=10_000, minutes=1e-6, folds=2, rows=200),
    )
    workspace = begin(tmp_path / "w", person, settings)

    run_engine(workspace)

    (session,) = Sessions(workspace).all()
    assert session.observed.phase is SessionPhase.FINISHED
    assert session.observed.tuning.stopped == "the time limit of 1e-06 minutes is used"
    assert session.observed.tuning.standings[0].n_trials == 4


def test_a_session_without_a_search_has_none_to_end(workspace, person):
    sessions = Sessions(workspace)
    session = sessions.start(TrainingSettings(), name="", actor=person)

    with pytest.raises(SessionRequestRefusedError, match="it searches no parameters"):
        sessions.stop_tuning(session.session_id, actor=person)
