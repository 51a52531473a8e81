"""Groups of runs, and the best of each."""

import json

import pytest

from bondx.mlops import ExperimentTracker, MLOpsConfig
from console.cli.main import main
from core.actor import Actor, Origin
from core.tracking import Runs, RunStatus, experiments

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)


def log(workspace, name, experiment="", model_type="", **metrics):
    with Runs(workspace) as runs:
        tags = {"experiment_name": experiment, "model_type": model_type}
        run = runs.start(name=name, actor=ANA, tags={key: text for key, text in tags.items() if text})
        if metrics:
            runs.log_metrics(run.run_id, 1, metrics)
        return runs.finish(run.run_id, RunStatus.FINISHED, actor=ANA)


@pytest.fixture
def runs(workspace):
    log(workspace, "a", "spreads", "lightgbm", mae=0.3, depth=9.0)
    log(workspace, "b", "spreads", "ridge", mae=0.1)
    log(workspace, "c", "spreads", "ridge")
    log(workspace, "d", "defaults", auc=0.7)
    log(workspace, "e", "defaults", auc=0.9)
    log(workspace, "f", auc=1.0)
    return Runs(workspace)


def test_an_experiment_names_its_best_run_by_the_direction_of_its_metric(runs):
    found = {each.name: each for each in runs.experiments()}

    assert list(found) == ["defaults", "spreads"], "the newest first"
    spreads, defaults = found["spreads"], found["defaults"]
    assert (spreads.n_runs, spreads.metric, spreads.best_run_id, spreads.best) == (3, "mae", "r-0002", 0.1)
    assert spreads.model_types == ("lightgbm", "ridge")
    assert (defaults.metric, defaults.best_run_id, defaults.best) == ("auc", "r-0005", 0.9)


def test_a_run_of_several_kinds_of_model_gives_each_its_own_name(workspace, runs):
    log(workspace, "g", "desk", model_type="linear, residual")
    log(workspace, "h", "desk", model_type="lightgbm,linear")
    assert runs.experiments()[0].model_types == ("lightgbm", "linear", "residual")


def test_a_metric_that_one_run_alone_has_does_not_choose_the_best(workspace, runs):
    log(workspace, "g", "spreads", attainment=0.2, mae=0.4)
    (spreads,) = [each for each in runs.experiments() if each.name == "spreads"]
    assert (spreads.metric, spreads.best_run_id) == ("mae", "r-0002")


def test_without_a_known_metric_no_run_is_best(workspace):
    run = log(workspace, "a", "zeal", zeal=3.0)
    assert [(each.best_run_id, each.metric) for each in experiments([run])] == [(None, None)]


@pytest.mark.parametrize(
    "expression", ["experiment = 'spreads'", "experiment_name in ('spreads')", "model_type is not null"]
)
def test_searches_find_the_runs_of_an_experiment(runs, expression):
    assert [run.name for run in runs.search(expression)] == ["a", "b", "c"]


def test_the_command_line_lists_experiments_and_their_runs(workspace, runs, called):
    command = ["--workspace", workspace.root, "runs"]
    code, printed, _ = called(main, *command, "experiments")
    assert (code, [line.split()[:2] for line in printed.splitlines()[1:]]) == (
        0,
        [["defaults", "2"], ["spreads", "lightgbm,"]],
    )
    assert [each["best_run_id"] for each in json.loads(called(main, *command, "experiments", "--json")[1])] == [
        "r-0005",
        "r-0002",
    ]
    code, printed, _ = called(main, *command, "list", "--experiment", "spreads")
    assert code == 0
    assert [line.split()[0] for line in printed.splitlines()[1:]] == ["r-0003", "r-0002", "r-0001"]
    assert ["(best)" in line for line in printed.splitlines()[1:]] == [False, True, False]
    code, _, error = called(main, *command, "list", "--experiment", "spraed")
    assert code == 2
    assert "There is no experiment 'spraed'. Experiments: 'defaults', 'spreads'." in error


def test_python_lists_the_experiments(tmp_path, monkeypatch):
    monkeypatch.setenv("BONDX_HOME", str(tmp_path / "home"))
    tracker = ExperimentTracker(MLOpsConfig.from_yaml())
    run_id = tracker.start_run("spreads", "ridge")
    tracker.log_metrics(run_id, {"mae": 0.2})
    tracker.end_run(run_id)

    assert [(each.name, each.best_run_id) for each in tracker.list_experiments()] == [("spreads", run_id)]
