"""Agents in a real engine: side by side under one parent, compared at the end, through the death of an engine."""

import msgspec
import pytest

from core.engine import Engine
from core.registry import Registry
from core.settings import ModelSettings, TrainingSettings
from core.settings.agents import AgentsSettings
from core.training.session import DesiredSession, SessionPhase
from core.training.sessions import Sessions
from tests.waiting import until

SMALL = TrainingSettings(
    dataset_size=150,
    max_epochs=2,
    models={"liquidity_shock": ModelSettings(algorithm="linear")},
    agents=AgentsSettings(by="algorithm", of=("linear", "lightgbm"), at_once=2),
)


@pytest.fixture
def sessions(workspace):
    return Sessions(workspace)


@pytest.fixture
def start_engine(workspace, person):
    started = []

    def start():
        engine = Engine(workspace, mode="headless", actor=person)
        engine.start()
        started.append(engine)
        return engine

    yield start
    for engine in started:
        engine.stop(0)


def waits_for(sessions, session_id, wished, what):
    def found():
        session = sessions.get(session_id)
        return session if wished(session.observed) else None

    return until(found, what, told=sessions.all)


def test_agents_are_trained_compared_and_the_best_is_registered(workspace, start_engine, sessions, person):
    start_engine()
    parent = sessions.start(SMALL, name="two", actor=person)

    end = waits_for(sessions, parent.session_id, lambda seen: seen.phase.is_at_rest, "the end of the agents")

    children = sessions.children(end)
    assert [child.observed.phase for child in children] == [SessionPhase.FINISHED] * 2
    assert (end.observed.phase, end.observed.stop_reason) == (SessionPhase.FINISHED, "all 2 agents finished")
    assert end.observed.registered == ("liquidity_shock/1.0.0",)
    assert end.observed.epoch == 4
    assert end.observed.cpu_seconds == sum(child.observed.cpu_seconds for child in children)
    assert all(child.observed.cpu_seconds > 0 for child in children)
    (section,) = end.observed.sections
    scores = {row[1]: float(row[4]) for row in section.rows}
    assert set(scores) == {"linear", "lightgbm"}
    assert section.rows[0][1] == max(scores, key=scores.__getitem__)
    (best,) = [child for child in children if child.observed.registered]
    assert best.name == section.rows[0][1]
    version = Registry(workspace).get("liquidity_shock", "1.0.0")
    assert (version.session_id, version.run_id) == (best.session_id, best.run_id)
    assert [each.key for each in Registry(workspace).versions("liquidity_shock")] == ["liquidity_shock/1.0.0"]


def test_agents_take_turns_survive_the_engine_and_follow_their_parent(start_engine, sessions, person):
    turns = msgspec.structs.replace(SMALL.agents, at_once=1, slice_seconds=0.0)
    endless = msgspec.structs.replace(SMALL, max_epochs=10_000, patience=10_000, agents=turns)
    parent = sessions.start(endless, name="endless", actor=person)
    linear, lightgbm = parent.children
    first = start_engine()

    waits_for(sessions, linear, lambda seen: seen.epoch >= 1, "an epoch of the first agent")
    waits_for(sessions, lightgbm, lambda seen: seen.epoch >= 1, "the turn of the second agent")
    first.stop(0)  # its children die in the middle of their epochs
    before = {child.session_id: child.observed.epoch for child in sessions.children(parent)}
    start_engine()
    for child in (linear, lightgbm):
        waits_for(sessions, child, lambda seen, child=child: seen.epoch > before[child], f"a further epoch of {child}")

    sessions.request(parent.session_id, DesiredSession.PAUSED, actor=person)
    waits_for(sessions, parent.session_id, lambda seen: seen.phase is SessionPhase.PAUSED, "the pause of all")
    paused = sessions.children(parent)
    assert [child.observed.phase for child in paused] == [SessionPhase.PAUSED] * 2

    sessions.request(parent.session_id, DesiredSession.RUNNING, actor=person)
    for child in paused:
        reached = child.observed.epoch
        waits_for(sessions, child.session_id, lambda seen, n=reached: seen.epoch > n, "an epoch after the pause")

    sessions.request(parent.session_id, DesiredSession.STOPPED, actor=person)
    waits_for(sessions, parent.session_id, lambda seen: seen.phase is SessionPhase.STOPPED, "the stop of all")
    assert [child.observed.phase for child in sessions.children(parent)] == [SessionPhase.STOPPED] * 2
