"""Runs by their id."""

import subprocess
import sys
import textwrap

import pytest

from bondx.mlops import ExperimentTracker, MLOpsConfig
from core.errors import UsageError
from core.tracking import RunStatus
from core.tracking.errors import ParameterChangedError


@pytest.fixture
def tracker(config: MLOpsConfig) -> ExperimentTracker:
    return ExperimentTracker(config)


def test_a_run_is_logged_and_ended_by_its_id(tracker, tmp_path):
    (tmp_path / "notes.txt").write_text("deeper trees")
    run_id = tracker.start_run(experiment_name="spreads", model_type="lightgbm")
    tracker.log_parameters(run_id, {"depth": 6})
    tracker.log_metrics(run_id, {"mae": 0.3})
    tracker.log_metrics(run_id, {"mae": 0.2})
    tracker.log_artifact(run_id, tmp_path / "notes.txt")

    ended = tracker.end_run(run_id, "completed")

    assert (ended.run_id, ended.status, ended.name) == (run_id, RunStatus.FINISHED, "spreads")
    assert ended.tags == {"experiment_name": "spreads", "model_type": "lightgbm"}
    assert (ended.parameters, ended.metrics, len(ended.artifacts)) == ({"depth": 6}, {"mae": 0.2}, 1)
    assert [run.run_id for run in tracker.search_runs("tags.model_type = 'lightgbm'")] == [run_id]


def test_several_runs_can_be_open_at_the_same_time(tracker):
    first = tracker.start_run("spreads")
    second = tracker.start_run("spreads")
    tracker.log_metrics(second, {"mae": 2.0})
    tracker.log_metrics(first, {"mae": 1.0})

    assert tracker.end_run(second).metrics == {"mae": 2.0}
    assert tracker.end_run(first).metrics == {"mae": 1.0}


@pytest.mark.parametrize(
    ("status", "ending"),
    [("completed", RunStatus.FINISHED), ("FAILED", RunStatus.FAILED), ("stopped", RunStatus.STOPPED)],
)
def test_a_run_ends_with_the_given_status(tracker, status, ending):
    assert tracker.end_run(tracker.start_run("spreads"), status).status is ending


def test_an_unknown_status_leaves_the_run_open(tracker):
    run_id = tracker.start_run("spreads")

    with pytest.raises(UsageError, match="status is 'done'; a run ends as completed, failed or stopped"):
        tracker.end_run(run_id, "done")
    assert tracker.end_run(run_id).status is RunStatus.FINISHED


def test_a_run_that_is_not_open_is_refused_with_the_open_runs(tracker):
    run_id = tracker.start_run("spreads")

    with pytest.raises(UsageError, match=f"Run 'r-9' is not open in this process. Open runs: {run_id}"):
        tracker.log_metrics("r-9", {"mae": 1.0})
    tracker.end_run(run_id)
    with pytest.raises(UsageError, match="Open runs: none"):
        tracker.log_metrics(run_id, {"mae": 1.0})


@pytest.mark.parametrize("name", ["", "  ", None, 7])
def test_an_experiment_without_a_name_is_refused_before_anything_is_written(tracker, name):
    with pytest.raises(UsageError, match="experiment_name"):
        tracker.start_run(name)
    assert tracker.search_runs() == []


def test_a_parameter_cannot_change(tracker):
    run_id = tracker.start_run("spreads", parameters={"depth": 6})

    with pytest.raises(ParameterChangedError):
        tracker.log_parameters(run_id, {"depth": 7})


def test_a_run_that_was_never_ended_is_still_recorded(config):
    program = """
        from bondx.mlops import ExperimentTracker
        tracker = ExperimentTracker()
        run_id = tracker.start_run("spreads")
        tracker.log_metrics(run_id, {"mae": 0.5})
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)

    (run,) = ExperimentTracker(config).search_runs()
    assert (run.status, run.metrics) == (RunStatus.STOPPED, {"mae": 0.5})
