import pytest

from core.actor import Actor, Origin
from core.errors import NotFoundError, UsageError
from core.governance import AuditLog
from core.quality import custom
from core.quality.custom import UnknownGateError
from core.registry import Registry
from core.settings import ModelSettings, QualityGates, TrainingSettings
from core.settings.agents import AgentsSettings
from core.settings.training import AdvancedSettings
from core.state import StaleRevisionError
from core.training.errors import SessionRequestRefusedError
from core.training.registration import settings_digest
from core.training.reproduction import reproduce_data
from core.training.session import DesiredSession, SessionPhase
from core.training.sessions import Sessions
from core.training.text_training import TextTraining

ENGINE = Actor("engine", "desk", Origin.ENGINE)
BOB = Actor("bob", "desk", Origin.CONSOLE)


@pytest.fixture
def sessions(workspace):
    return Sessions(workspace)


@pytest.fixture
def session(sessions, person):
    return sessions.start(TrainingSettings(max_epochs=7), name="nightly", actor=person, reason="fresh data")


def observe(sessions, session, **observed):
    return sessions.observe(session.session_id, "session.test", actor=ENGINE, **observed)


def test_a_new_session_waits_in_the_queue_with_its_resolved_settings(sessions, session):
    stored = sessions.get("s-0001")
    assert stored == session
    every = {name: ModelSettings() for name in ("spread", "downgrade", "liquidity_shock", "anomaly")}
    assert stored.training == TrainingSettings(max_epochs=7, models=every)
    assert (stored.observed.phase, stored.observed.n_epochs, stored.wants_work) == (SessionPhase.QUEUED, 7, True)
    assert (stored.created_by, stored.reason) == ("ada@desk", "fresh data")


def test_a_session_with_an_unknown_gate_is_refused_with_the_known_ones(sessions, person, monkeypatch):
    monkeypatch.setattr(custom, "_registered", {"house_rows": None})
    settings = TrainingSettings(quality_gates=QualityGates(custom_gates=("huose_rows",)))
    with pytest.raises(UnknownGateError, match=r"'huose_rows'. Known custom gates: house_rows"):
        sessions.start(settings, name="nightly", actor=person)
    assert sessions.all() == []


def registered(workspace, model, person, **lineage):
    (folder := workspace.root / "made").mkdir()
    (folder / "model.txt").write_text("tree")
    Registry(workspace).register(model, folder, metrics={}, lineage=lineage, gates=(), actor=person)


def test_a_model_of_language_does_not_train_under_the_name_of_a_model_of_rows(workspace, sessions, person):
    registered(workspace, "spread", person)
    text = TextTraining(model="spread", settings={"architecture": "ngram"})
    with pytest.raises(UsageError, match=r"The versions of spread answer rows: choose another name"):
        sessions.start(TrainingSettings(), name="notes", actor=person, text=text)
    assert sessions.all() == []
    assert sessions.start(TrainingSettings(), name="rows", actor=person).text is None


@pytest.mark.parametrize("agents", ["", "model"])
def test_a_model_of_rows_does_not_train_under_the_name_of_a_model_of_language(workspace, sessions, person, agents):
    registered(workspace, "spread", person, task="text")
    settings = TrainingSettings(agents=AgentsSettings(by=agents))
    with pytest.raises(UsageError, match=r"The versions of spread write texts: choose another name"):
        sessions.start(settings, name="rows", actor=person)
    assert sessions.all() == []


def test_sessions_are_numbered_in_the_order_of_their_start(sessions, session, person):
    second = sessions.start(TrainingSettings(), name="", actor=person)
    assert [each.session_id for each in sessions.all()] == ["s-0001", second.session_id] == ["s-0001", "s-0002"]


def test_a_request_changes_the_desired_state_and_not_the_observed_state(sessions, session, person):
    paused = sessions.request("s-0001", DesiredSession.PAUSED, actor=BOB, reason="lunch")
    assert (paused.desired, paused.desired_by, paused.reason) == (DesiredSession.PAUSED, "bob@desk", "lunch")
    assert paused.observed == session.observed
    assert not paused.wants_work


def test_an_observation_does_not_change_the_desired_state(sessions, session):
    sessions.request("s-0001", DesiredSession.PAUSED, actor=BOB)
    observed = observe(sessions, session, phase=SessionPhase.RUNNING, epoch=3)
    assert (observed.desired, observed.observed.epoch) == (DesiredSession.PAUSED, 3)


def test_progress_of_the_session_does_not_make_a_request_stale(sessions, session):
    for epoch in (1, 2, 3):
        observe(sessions, session, epoch=epoch)
    sessions.request("s-0001", DesiredSession.PAUSED, actor=BOB, expected_revision=session.revision)


def test_a_request_based_on_an_outdated_desired_state_is_refused_and_names_who_changed_it(sessions, session, person):
    sessions.request("s-0001", DesiredSession.PAUSED, actor=BOB)
    with pytest.raises(
        StaleRevisionError, match=r"by bob@desk at \d{4}-\d\d-\d\d \d\d:\d\d UTC.*asked for now: paused"
    ):
        sessions.request("s-0001", DesiredSession.STOPPED, actor=person, expected_revision=session.revision)


@pytest.mark.parametrize(
    ("phase", "asked_before", "desired", "why"),
    [
        pytest.param(
            SessionPhase.FINISHED,
            None,
            DesiredSession.RUNNING,
            "has finished",
            id="a finished session cannot run again",
        ),
        pytest.param(
            SessionPhase.FINISHED,
            None,
            DesiredSession.STOPPED,
            "has finished",
            id="a finished session cannot be stopped",
        ),
        pytest.param(
            SessionPhase.FAILED, None, DesiredSession.PAUSED, "has failed", id="a failed session cannot be paused"
        ),
        pytest.param(
            SessionPhase.RUNNING, None, DesiredSession.RUNNING, "already", id="a running session already runs"
        ),
        pytest.param(
            SessionPhase.RUNNING, DesiredSession.PAUSED, DesiredSession.PAUSED, "already", id="the same request twice"
        ),
        pytest.param(
            SessionPhase.STOPPED,
            DesiredSession.STOPPED,
            DesiredSession.PAUSED,
            "already stopped",
            id="a stopped session cannot be paused",
        ),
    ],
)
def test_an_impossible_request_is_refused_with_the_reason(sessions, session, phase, asked_before, desired, why):
    if asked_before:
        sessions.request("s-0001", asked_before, actor=BOB)
    observe(sessions, session, phase=phase, gave_up_at=1 if phase is SessionPhase.FAILED else 0)
    with pytest.raises(SessionRequestRefusedError, match=why):
        sessions.request("s-0001", desired, actor=BOB)


def test_a_stopped_session_may_run_again(sessions, session):
    sessions.request("s-0001", DesiredSession.STOPPED, actor=BOB)
    observe(sessions, session, phase=SessionPhase.STOPPED)
    assert sessions.request("s-0001", DesiredSession.RUNNING, actor=BOB).wants_work


@pytest.mark.parametrize("phase", [SessionPhase.PAUSED, SessionPhase.STOPPED, SessionPhase.FAILED])
def test_a_session_that_rests_is_queued_once_it_is_resumed_until_its_turn_comes(sessions, session, phase):
    gave_up = session.desired_revision if phase is SessionPhase.FAILED else 0
    if phase is not SessionPhase.FAILED:
        desired = DesiredSession.PAUSED if phase is SessionPhase.PAUSED else DesiredSession.STOPPED
        sessions.request("s-0001", desired, actor=BOB)
    observe(sessions, session, phase=phase, gave_up_at=gave_up, stop_reason="it rests")
    assert (sessions.get("s-0001").observed.phase, sessions.get("s-0001").observed.stop_reason) == (phase, "it rests")
    resumed = sessions.request("s-0001", DesiredSession.RUNNING, actor=BOB)
    for seen in (resumed, sessions.get("s-0001"), *sessions.all()):
        assert (seen.observed.phase, seen.observed.stop_reason) == (SessionPhase.QUEUED, None)
    assert sessions.request("s-0001", DesiredSession.PAUSED, actor=BOB).observed.phase is SessionPhase.QUEUED


def test_a_failed_session_is_retried_only_on_a_new_request(sessions, session):
    failed = observe(sessions, session, phase=SessionPhase.FAILED, gave_up_at=session.desired_revision)
    assert not failed.wants_work
    assert sessions.request("s-0001", DesiredSession.RUNNING, actor=BOB).wants_work


def test_an_unknown_session_is_refused_with_the_known_ones(sessions, session):
    with pytest.raises(NotFoundError, match="s-0001"):
        sessions.request("s-0009", DesiredSession.PAUSED, actor=BOB)


def test_every_change_is_in_the_audit_log(workspace, sessions, session):
    sessions.request("s-0001", DesiredSession.PAUSED, actor=BOB, reason="lunch")
    observe(sessions, session, phase=SessionPhase.PAUSED)
    start, pause, observed = AuditLog(workspace).tail(3)
    assert [record.verb for record in (start, pause, observed)] == ["session.start", "session.pause", "session.test"]
    assert (pause.actor, pause.reason, pause.before, pause.after) == (
        "bob@desk",
        "lunch",
        {"desired": "running"},
        {"desired": "paused"},
    )
    assert observed.after == {"phase": "paused"}


def test_settings_newer_than_a_session_are_stored_only_if_not_at_their_default(sessions, session, person):
    assert "domain" not in session.settings, "the digest of unchanged settings stays the same"
    assert session.training.domain == "bonds"
    told = sessions.start(TrainingSettings(domain_settings={"n_years": 10}), name="", actor=person)
    assert told.settings["domain_settings"] == {"n_years": 10}
    assert "domain" not in told.settings


def test_the_experiment_of_a_session_is_its_domain_or_a_name_that_changes_nothing_computed(sessions, session, person):
    assert session.experiment == "bonds"
    settings = TrainingSettings(max_epochs=7, experiment_name="night desk")
    named = sessions.start(settings, name="", actor=person)
    assert (named.experiment, named.settings["experiment_name"]) == ("night desk", "night desk")
    assert settings_digest(named.settings) == settings_digest(session.settings)


@pytest.mark.parametrize("name", ["two\nlines", "  ", "a\x1b[2J", "x" * 201])
def test_an_experiment_that_is_not_a_visible_line_is_refused(sessions, person, name):
    with pytest.raises(UsageError, match="is not an experiment's name: it must be one line of at most 200 characters"):
        sessions.start(TrainingSettings(experiment_name=name), name="", actor=person)
    assert sessions.all() == []


@pytest.fixture
def parent(sessions, person):
    agents = AgentsSettings(by="model", of=("spread", "downgrade"))
    models = {"spread": ModelSettings(), "downgrade": ModelSettings()}
    return sessions.start(TrainingSettings(max_epochs=7, models=models, agents=agents), name="two", actor=person)


def test_a_session_with_agents_has_a_session_for_each(workspace, sessions, parent):
    children = sessions.children(parent)
    assert (parent.session_id, parent.children, parent.observed.n_epochs) == ("s-0001", ("s-0002", "s-0003"), 14)
    assert [(child.name, child.parent, list(child.training.models)) for child in children] == [
        ("spread", "s-0001", ["spread"]),
        ("downgrade", "s-0001", ["downgrade"]),
    ]
    assert [record.object for record in AuditLog(workspace).tail(3)] == ["s-0001", "s-0002", "s-0003"]


def test_a_request_to_a_parent_is_one_to_all_of_its_agents_that_are_not_at_rest(sessions, parent):
    observe(sessions, sessions.get("s-0002"), phase=SessionPhase.FINISHED)
    for desired in (DesiredSession.PAUSED, DesiredSession.RUNNING, DesiredSession.STOPPED):
        sessions.request("s-0001", desired, actor=BOB, reason="lunch")
        assert [sessions.get(each).desired for each in ("s-0001", "s-0003")] == [desired] * 2
        assert sessions.get("s-0002").desired is DesiredSession.RUNNING


def test_an_agent_is_paused_alone_and_resumed_only_while_its_parent_trains(sessions, parent):
    sessions.request("s-0002", DesiredSession.PAUSED, actor=BOB)
    assert [session.desired for session in sessions.all()] == ["running", "paused", "running"]
    sessions.request("s-0002", DesiredSession.RUNNING, actor=BOB)
    sessions.request("s-0001", DesiredSession.STOPPED, actor=BOB)
    with pytest.raises(SessionRequestRefusedError, match=r"an agent of s-0001, .* resume that session instead"):
        sessions.request("s-0002", DesiredSession.RUNNING, actor=BOB)


def test_an_agent_that_rests_by_itself_stays_at_rest_when_its_parent_is_resumed(sessions, parent):
    sessions.request("s-0002", DesiredSession.PAUSED, actor=BOB)
    for desired in (DesiredSession.PAUSED, DesiredSession.RUNNING):
        sessions.request("s-0001", desired, actor=BOB)
    assert [session.desired for session in sessions.all()] == ["running", "paused", "running"]

    sessions.request("s-0002", DesiredSession.RUNNING, actor=BOB)
    for desired in (DesiredSession.STOPPED, DesiredSession.RUNNING):
        sessions.request("s-0001", desired, actor=BOB)
    assert [session.desired for session in sessions.all()] == ["running"] * 3, "resumed by itself, it follows again"


def test_a_parent_shows_the_sums_of_its_agents(sessions, parent):
    observe(sessions, sessions.get("s-0002"), epoch=3, cpu_seconds=2.5, best_score=0.8, n_failed_epochs=1)
    observe(sessions, sessions.get("s-0003"), epoch=2, cpu_seconds=1.5, best_score=0.9)
    for seen in (sessions.get("s-0001").observed, sessions.all()[0].observed):
        assert (seen.epoch, seen.cpu_seconds, seen.best_score, seen.n_failed_epochs) == (5, 4.0, 0.9, 1)


def test_the_data_of_a_parent_are_those_of_its_agents(workspace, parent, tmp_path):
    with pytest.raises(UsageError, match=r"its agents did\. Name one of them: s-0002, s-0003\."):
        reproduce_data("s-0001", tmp_path / "out", workspace=workspace)


def test_a_search_is_ended_at_an_agent_and_not_at_its_parent(sessions, person):
    settings = TrainingSettings(
        models={"spread": ModelSettings(), "downgrade": ModelSettings()},
        agents=AgentsSettings(by="model"),
        advanced=AdvancedSettings(enable_hyperparameter_tuning=True, tuning_method="grid_search"),
    )
    parent = sessions.start(settings, name="two", actor=person)
    with pytest.raises(
        SessionRequestRefusedError, match=r"its agents search by themselves: name one of s-0002, s-0003"
    ):
        sessions.stop_tuning(parent.session_id, actor=BOB)
    assert sessions.stop_tuning("s-0002", actor=BOB).tuning_stopped
