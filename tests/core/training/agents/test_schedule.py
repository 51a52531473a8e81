"""Who trains now: by priority, then by processor time for the weight; the same states give the same choice."""

import pytest
from msgspec.structs import replace

from core.training.agents.agent import Agent
from core.training.agents.schedule import chosen
from core.training.session import DesiredSession, ObservedSession, Session, SessionPhase
from tests.clocks import START


def agent(number, cpu_seconds=0.0, **limits):
    return Session(
        session_id=f"s-{number:04d}",
        name="",
        created_at=START,
        created_by="ada",
        settings={},
        desired_by="ada",
        desired_at=START,
        observed=ObservedSession(cpu_seconds=cpu_seconds),
        parent="s-0001",
        agent=Agent(name=f"a{number}", **limits),
    )


def choice(agents, running=(), at_once=1, slice_seconds=60.0):
    return chosen(agents, running, at_once=at_once, slice_seconds=slice_seconds)


@pytest.mark.parametrize(
    ("agents", "running", "expected"),
    [
        pytest.param([agent(2), agent(3)], (), "s-0002", id="of equals the oldest"),
        pytest.param([agent(2, 9.0), agent(3, 8.0)], (), "s-0003", id="the least processor time"),
        pytest.param([agent(2, 9.0, weight=2.0), agent(3, 8.0)], (), "s-0002", id="for its weight"),
        pytest.param([agent(2), agent(3, 99.0, priority=1)], (), "s-0003", id="a higher priority before all"),
        pytest.param([agent(2, 60.0), agent(3)], ("s-0002",), "s-0002", id="who trains stays within its slice"),
        pytest.param([agent(2, 61.0), agent(3)], ("s-0002",), "s-0003", id="and makes room beyond it"),
        pytest.param([agent(2), agent(3, priority=1)], ("s-0002",), "s-0003", id="and for a higher priority"),
    ],
)
def test_the_next_agent(agents, running, expected):
    assert choice(agents, running) == (expected,)


def test_several_train_at_once_and_those_at_rest_or_paused_do_not():
    paused = replace(agent(2), desired=DesiredSession.PAUSED)
    finished = replace(agent(3), observed=ObservedSession(phase=SessionPhase.FINISHED))
    others = [agent(4, 5.0), agent(5, 3.0), agent(6, 4.0)]

    assert choice([paused, finished, *others], at_once=2) == ("s-0005", "s-0006")
    assert choice([paused, finished], at_once=2) == ()
