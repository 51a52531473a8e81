"""The search of parameters for a user's own file: nested folds, the verdict, the trials as runs."""

import json

import msgspec
import numpy as np
import pandas as pd
import pytest

from core.actor import Actor, Origin
from core.errors import UsageError
from core.settings import ModelSettings, Settings
from core.settings.executor import ExecutorSettings
from core.settings.training import AdvancedSettings, TuningSettings
from core.tables import TableSignature, Task
from core.tracking import Runs
from core.training.own_data import TrainRequest, train_on_file
from core.training.own_data.tuning import folds_of

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
POOR, RANGES = {"strength": 100_000.0}, {"strength": (0.1, 1.0, 100_000.0)}


def settings(parameters=POOR, *, method="grid_search", **more):
    return Settings(
        models={"price": ModelSettings(algorithm="linear", parameters=parameters)},
        advanced=AdvancedSettings(enable_hyperparameter_tuning=True, tuning_method=method, parameter_ranges=RANGES),
        tuning=TuningSettings(trials=4, folds=3, **more),
    )


@pytest.fixture(scope="session")
def own(tmp_path_factory):
    rng, n = np.random.default_rng(8), 400
    desk = rng.integers(0, 50, n)
    frame = pd.DataFrame({"size": rng.normal(size=n), "age": rng.normal(size=n)})
    frame["desk"] = [f"d{code:02d}" for code in desk]
    frame["day"] = pd.date_range("2024-01-01", periods=n, freq="D").astype(str)
    frame["price"] = 2 * frame["size"] - frame["age"] + rng.normal(size=n)
    file = tmp_path_factory.mktemp("own") / "own.csv"
    frame.round(4).to_csv(file, index=False)
    return file


def trained(workspace, own, chosen, **more):
    found = train_on_file(workspace, TrainRequest("price", own, target="price", **more), chosen, actor=ANA)
    report = json.loads((workspace.artifacts_dir / found.version.path / "report.json").read_text())
    return found, report


def test_a_poor_recipe_is_replaced_and_tested_on_rows_that_chose_nothing(workspace, own):
    found, report = trained(workspace, own, settings(), group="desk")

    record = report["tuning"]
    assert record["ships"]
    assert record["best"]["strength"] < 100
    assert report["parameters"]["strength"] == record["best"]["strength"]
    assert 0 < record["low"] < record["improvement"]
    assert record["n_rows"] == record["n_search_rows"]
    assert not report["split"]["is_cross_validated"]
    assert record["n_search_rows"] == report["split"]["n_trained"]
    assert found.version.metrics["loss"] == pytest.approx(record["fresh_loss"], rel=0.5)
    assert any(note.startswith("Tuning: the tuned parameters are used") for note in found.notes)


def test_a_good_recipe_stays_and_the_whole_table_tests_it(workspace, own):
    _, report = trained(workspace, own, settings({"strength": 1.0}), group="desk")

    assert not report["tuning"]["ships"]
    assert report["tuning"]["why"].startswith("the settings' recipe stays: ")
    assert report["parameters"]["strength"] == 1.0
    assert report["split"]["is_cross_validated"]


def test_every_trial_of_every_fold_is_a_child_of_the_run(workspace, own):
    found, _ = trained(workspace, own, settings(), group="desk")

    children = [run for run in Runs(workspace).all() if run.parent_id == found.run.run_id]
    searches = {}
    for run in children:
        searches.setdefault(run.tags["model"], []).append(int(run.tags["trial"]))
    assert {name: sorted(numbers) for name, numbers in searches.items()} == {
        f"price, {name}": [0, 1, 2, 3] for name in (*(f"outer fold {k}" for k in (1, 2, 3)), "all rows")
    }
    assert all(run.is_over for run in children)


@pytest.mark.journey
def test_the_same_file_and_seed_give_the_same_verdict(workspace, own):
    one, again = (trained(workspace, own, settings(method="random_search"), group="desk")[1] for _ in range(2))

    assert one["tuning"] == again["tuning"]


@pytest.mark.journey
@pytest.mark.parametrize("more", [{"group": "desk"}, {"time": "day"}], ids=["groups", "times"])
def test_worker_processes_read_the_file_again_and_give_the_same_version(workspace, own, more):
    plain = settings(method="random_search")
    on_processes = msgspec.structs.replace(plain, executor=ExecutorSettings(kind="process", workers=2))

    (one, report), (again, report_again) = (trained(workspace, own, chosen, **more) for chosen in (plain, on_processes))

    assert report == report_again
    assert one.version.manifest_sha256 == again.version.manifest_sha256


def test_a_file_that_changes_while_it_is_trained_on_is_said_to_have_changed(workspace, own, tmp_path, monkeypatch):
    file = tmp_path / "own.csv"
    file.write_bytes(own.read_bytes())
    monkeypatch.setattr("core.training.own_data.tuning.read_file", lambda path: path.read_bytes() + b"1,2,d00,x,3\n")
    on_processes = msgspec.structs.replace(settings(), executor=ExecutorSettings(kind="process", workers=1))

    with pytest.raises(UsageError, match=r"own\.csv has changed since it was read"):
        trained(workspace, file, on_processes)


def test_later_rows_judge_the_search_where_there_are_times(workspace, own):
    _, report = trained(workspace, own, settings(), time="day")

    assert report["tuning"]["ships"]


def test_what_cannot_be_tuned_is_trained_as_given_and_said(workspace, own):
    other = Settings(
        models={"price": ModelSettings(algorithm="linear")},
        advanced=AdvancedSettings(enable_hyperparameter_tuning=True, parameter_ranges={"depth_of_sea": (1, 2)}),
    )

    found, report = trained(workspace, own, other)

    assert "tuning" not in report
    assert any("linear takes no parameter of the ranges" in note for note in found.notes)


@pytest.mark.parametrize("group", [None, "g"])
@pytest.mark.parametrize("time", [None, "t"])
def test_no_fold_learns_from_a_group_or_a_time_that_it_judges(group, time):
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"x": rng.normal(size=300), "g": rng.integers(0, 30, 300), "t": rng.integers(0, 90, 300)})
    signature = TableSignature(
        task=Task.REGRESSION, target="y", target_kind=None, classes=(), columns=(), outputs=(), group=group, time=time
    )

    folds = folds_of(rows, signature, 4, seed=2)

    assert len(folds) == 4
    judged = np.concatenate([fold.judge for fold in folds])
    assert len(judged) == len(set(judged))
    if time is None:
        assert len(judged) == 300
    for fold in folds:
        learn, judge = rows.iloc[fold.learn], rows.iloc[fold.judge]
        assert not set(fold.learn) & set(fold.judge)
        if group is not None:
            assert not set(learn["g"]) & set(judge["g"])
        if time is not None:
            assert learn["t"].max() < judge["t"].min()
