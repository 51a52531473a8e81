"""The performance of a live version survives the engine: a kill between two looks counts nothing twice."""

import os
import signal
from datetime import timedelta

import pytest

from core.losses import AnswerForm, AnswerKind
from core.monitoring.performance.state import PerformanceState
from core.monitoring.performance.watch import PerformanceWatch
from core.monitoring.watch import LiveVersion, WatchState
from core.settings.policy import Policy
from core.telemetry.live import LiveStates
from core.telemetry.predictions import OutcomeRecord, PredictionRecord, PredictionWriter

NUMBER = AnswerForm(AnswerKind.NUMBER)


@pytest.fixture
def version(workspace, clock):
    return LiveVersion(
        workspace=workspace,
        model="spread",
        version="1.0.0",
        role="stable",
        live_since=None,
        created_at=clock(),
        folder=workspace.artifacts_dir,
        profile=None,
        no_profile="",
        importance={},
        rules=Policy().for_model("spread"),
    )


@pytest.fixture
def answered(workspace, clock):
    """Record answers and their outcomes, an hour before the looks."""
    numbers = iter(range(10**6))

    def answered(n):
        with PredictionWriter(workspace.predictions_file, clock=lambda: clock() - timedelta(hours=1)) as writer:
            for _ in range(n):
                request, at = f"r{next(numbers)}", clock() - timedelta(hours=1)
                writer.add(PredictionRecord(request, at, "spread", "1.0.0", 1.0, value=3.0, form=NUMBER))
                writer.add_outcome(OutcomeRecord(request, at, actual=1.0))
            writer.flush()

    return answered


def look(version, clock, dies_at=""):
    """Look once with an engine of its own, which may be killed before or after it saves its state."""
    states = LiveStates(version.workspace.live_file)
    state = states.load("spread", "1.0.0", PerformanceWatch.name)
    found = PerformanceWatch().look(version, clock(), state)
    if dies_at == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    states.save([WatchState("spread", "1.0.0", PerformanceWatch.name, found.cursor, found.state)])
    states.close()
    if dies_at == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return found.part


@pytest.mark.crash
@pytest.mark.parametrize("dies_at", ["before", "after"])
def test_a_kill_between_two_looks_counts_nothing_twice_and_loses_nothing(version, clock, answered, dies_at):
    answered(5)
    assert look(version, clock).n_outcomes == 5
    answered(7)
    pid = os.fork()
    if pid == 0:
        look(version, clock, dies_at)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    answered(2)
    part = look(version, clock)
    assert part.n_outcomes == 14
    assert part.awaited_share == 0.0
    assert {each.metric: each.value for each in part.metrics if not each.window}["mae"] == 2.0


def test_a_state_that_cannot_be_read_is_begun_again(version, clock, answered, caplog):
    answered(5)
    found = PerformanceWatch().look(version, clock(), b"nonsense")
    assert found.part.n_outcomes == 5
    assert "from the first stored outcome again" in caplog.text
    assert PerformanceState.from_bytes(found.state).cursor.outcome == found.cursor == 5


def test_one_pass_over_outcomes_serves_all_versions(version, clock, answered):
    answered(6)
    watch = PerformanceWatch()
    first = watch.look(version, clock(), None)
    (feed,) = watch._feeds.values()
    n_read = len(feed._labelled)
    other = watch.look(version, clock(), None)  # as another version at the same place
    assert len(feed._labelled) == n_read
    assert other.part == first.part


def test_a_version_without_answers_has_nothing_to_show(version, clock):
    found = PerformanceWatch().look(version, clock(), None)
    assert found.part is None
    assert PerformanceWatch().look(version, clock(), found.state).part is None
