"""A lane: the child of an agent has the limits of this agent, not those of the one before."""

import threading
from types import SimpleNamespace

import pytest

from core.actor import Actor, Origin
from core.settings import TrainingSettings
from core.training import lane as lanes
from core.training.agents.agent import Agent
from core.training.lane import Lane
from core.training.session import Session
from core.training.sessions import Sessions

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)


@pytest.fixture
def group(tmp_path, monkeypatch):
    """Let the engine make groups in a folder, and start children that are none."""
    monkeypatch.setattr(lanes, "delegated_group", lambda: tmp_path)
    monkeypatch.setattr(lanes, "ChildProcess", lambda *_, **__: SimpleNamespace(pid=4711, close=lambda: None))
    return tmp_path


def session_of(workspace, agent):
    started = Sessions(workspace).start(TrainingSettings(max_epochs=1), name="", actor=ANA)
    return Session(**{name: getattr(started, name) for name in Session.__struct_fields__} | {"agent": agent})


@pytest.mark.parametrize(
    ("changed", "file", "content"),
    [({"cpu_limit": 0.5}, "cpu.max", "50000 100000"), ({"weight": 3.0}, "cpu.weight", "300")],
    ids=["processors", "weight"],
)
def test_an_agent_with_other_limits_gets_a_child_in_a_group_of_its_own(workspace, group, changed, file, content):
    lane = Lane(None, wake=threading.Event())
    usual = Agent(name="linear", nice=5)
    first = session_of(workspace, usual)
    other = session_of(workspace, Agent(name="lightgbm", nice=5, **changed))

    child = lane._start_child(first)
    assert lane._start_child(first) is child
    assert lane._start_child(other) is not child
    assert (group / f"bondx-{other.session_id}" / file).read_text() == content


def test_a_limit_of_processors_that_the_engine_cannot_set_is_said_in_the_log(workspace, group, monkeypatch, caplog):
    monkeypatch.setattr(lanes, "delegated_group", lambda: None)
    limited = session_of(workspace, Agent(name="linear", cpu_limit=1.5))

    Lane(None, wake=threading.Event())._start_child(limited)

    assert f"{limited.session_id} trains without its cpu_limit of 1.5" in caplog.text
