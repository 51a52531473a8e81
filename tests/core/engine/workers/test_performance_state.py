"""The performance of a live version survives the engine: a kill between two looks counts nothing twice."""

import os
import signal
from dataclasses import replace
from datetime import timedelta

import pytest

from core.engine.watchers import WATCHERS
from core.explain.documents import DENIED
from core.losses import AnswerForm, AnswerKind
from core.monitoring.data_profile import ColumnProfile, DataProfile, SliceProfile
from core.monitoring.performance.recorded_slices import code_of_row, recorded_columns
from core.monitoring.performance.state import PerformanceState
from core.monitoring.performance.watch import PerformanceWatch
from core.monitoring.watch import LiveVersion, WatchState
from core.settings.policy import Policy
from core.tables.signature import ColumnKind
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


REGION = ColumnProfile(name="region", kind=ColumnKind.CATEGORY, rows=60, levels={"EU": 30, "US": 30}, n_levels=2)
SECTOR = ColumnProfile(name="sector", kind=ColumnKind.CATEGORY, rows=60, levels={"banks": 60}, n_levels=1)


def profiled(column):
    slices = {f"{column.name}={level}": SliceProfile(rows=30, residual=0.0, residual_sd=1.0) for level in column.levels}
    residual = ColumnProfile(
        name="residual", kind=ColumnKind.NUMBER, rows=60, points=(-1.0, 1.0), below=(0, 30), equal=(30, 30),
        mean=0.0, sd=1.0,
    )  # fmt: skip
    return DataProfile(format=1, rows=60, features=(column,), held_out=60, residual=residual, slices=slices)


@pytest.fixture
def sliced(workspace, clock):
    """Record answers with the slices of a profile and, now or later, their outcomes."""

    def answered(requests, *, profile=None, row=None, minutes_ago=60, outcomes=True):
        at = clock() - timedelta(minutes=minutes_ago)
        code = None if profile is None else code_of_row(recorded_columns(profile), row)
        with PredictionWriter(workspace.predictions_file, clock=lambda: at) as writer:
            for request in requests:
                writer.add(PredictionRecord(request, at, "spread", "1.0.0", 1.0, value=3.0, form=NUMBER, slices=code))
                if outcomes:
                    writer.add_outcome(OutcomeRecord(request, at, actual=1.0))
            writer.flush()

    def came(requests):
        with PredictionWriter(workspace.predictions_file, clock=lambda: clock() - timedelta(minutes=1)) as writer:
            for request in requests:
                writer.add_outcome(OutcomeRecord(request, clock() - timedelta(minutes=1), actual=1.0))
            writer.flush()

    answered.came = came
    return answered


def slices_in(found, version):
    state = PerformanceState.from_bytes(found.state, recorded_columns(version.profile) if version.profile else ())
    rows = [state.layout.n_outcomes(sums) for sums in state.slices]
    return {name: n for name, n in zip(state.slice_names, rows, strict=True) if n}


def test_a_version_that_gets_a_profile_is_judged_by_it_from_its_first_stored_outcome(version, clock, sliced):
    sliced([f"a{n}" for n in range(40)])
    before = PerformanceWatch().look(version, clock(), None)
    assert (before.part.n_outcomes, before.part.metrics[0].reference) == (40, None)
    made = replace(version, profile=profiled(REGION), profile_since=clock() - timedelta(minutes=30))
    sliced([f"b{n}" for n in range(40)], profile=made.profile, row={"region": "EU"}, minutes_ago=10)
    after = PerformanceWatch().look(made, clock(), before.state)
    assert (after.part.n_outcomes, after.part.metrics[0].reference) == (80, 1.0)
    assert slices_in(after, made) == {"region=EU": 40}
    again = PerformanceWatch().look(made, clock(), after.state)
    assert (again.part.n_outcomes, slices_in(again, made)) == (80, {"region=EU": 40})


def test_a_late_outcome_is_judged_by_the_new_profile_and_added_to_no_slice_of_the_old_one(version, clock, sliced):
    old = replace(version, profile=profiled(REGION), profile_since=clock() - timedelta(hours=3))
    late = [f"late{n}" for n in range(30)]
    sliced(late, profile=old.profile, row={"region": "US"}, minutes_ago=120, outcomes=False)
    sliced([f"a{n}" for n in range(30)], profile=old.profile, row={"region": "EU"}, minutes_ago=110)
    before = PerformanceWatch().look(old, clock(), None)
    assert slices_in(before, old) == {"region=EU": 30}
    new = replace(version, profile=profiled(SECTOR), profile_since=clock() - timedelta(minutes=60))
    sliced(["between"], profile=old.profile, row={"region": "EU"}, minutes_ago=59.5)  # a server took it up later
    sliced([f"b{n}" for n in range(30)], profile=new.profile, row={"sector": "banks"}, minutes_ago=10)
    sliced.came(late)
    after = PerformanceWatch().look(new, clock(), before.state)
    assert after.part.n_outcomes == 91
    assert slices_in(after, new) == {"sector=banks": 30}


def test_a_profile_that_cannot_be_read_for_a_while_makes_no_state_begin_again(version, clock, sliced, caplog):
    made = replace(version, profile=profiled(REGION), profile_since=clock() - timedelta(hours=3))
    sliced([f"a{n}" for n in range(30)], profile=made.profile, row={"region": "EU"})
    found = PerformanceWatch().look(made, clock(), None)
    found = PerformanceWatch().look(replace(version, no_profile="torn"), clock(), found.state)
    found = PerformanceWatch().look(made, clock(), found.state)
    assert slices_in(found, made) == {"region=EU": 30}
    assert "again" not in caplog.text


def test_the_engine_names_no_slice_of_a_denied_column(workspace, context, version, sliced, clock):
    workspace.settings_file.write_text("explanation:\n  denied_columns: [reg*]\n")
    sliced([f"r{n}" for n in range(40)], profile=profiled(REGION), row={"region": "EU"})
    (watch,) = (each for each in (make(context) for make in WATCHERS) if each.name == PerformanceWatch.name)
    found = watch.look(replace(version, profile=profiled(REGION)), clock(), None)
    assert found.part.worst_slice.slice == DENIED


def test_of_texts_no_outcomes_are_awaited(version, answered, clock):
    answered(3)
    watch = PerformanceWatch()
    assert watch.look(version, clock(), None).part is not None
    assert watch.look(replace(version, writes_texts=True), clock(), None).part is None
