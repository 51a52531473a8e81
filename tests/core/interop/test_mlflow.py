"""Runs and models to and from a real local MLflow with a SQLite store, where MLflow is installed."""

import builtins
import os
import subprocess
import sys
from pathlib import Path

import pytest

import core
from core.actor import Actor, Origin
from core.domains.catalogue import load_model
from core.domains.table.models import TableModel
from core.errors import UsageError
from core.interop.mlflow import export_run, import_run
from core.models.errors import ArtifactError
from core.registry import Registry
from core.state import Workspace
from core.tracking import Runs, RunStatus

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)


def test_without_mlflow_the_error_names_the_package_to_install(workspace: Workspace, monkeypatch) -> None:
    real = builtins.__import__

    def without_mlflow(name: str, *args, **kwargs):
        if name.split(".")[0] == "mlflow":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_mlflow)
    with pytest.raises(UsageError, match=r"MLflow is not installed: pip install 'bondx-console\[mlflow\]'"):
        import_run(workspace, "sqlite:///x.db", "abc", actor=ANA)


@pytest.fixture
def mlflow(tmp_path: Path, monkeypatch):
    found = pytest.importorskip("mlflow", reason="MLflow is not installed here: make interop runs this with one")
    monkeypatch.chdir(tmp_path)
    found.set_tracking_uri(store_in(tmp_path))
    found.set_registry_uri(store_in(tmp_path))
    return found


@pytest.fixture
def store(tmp_path: Path) -> str:
    return store_in(tmp_path)


def store_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def test_the_command_needs_no_global_setting_and_leaves_nothing_in_the_folder_it_runs_in(
    mlflow, store: str, workspace: Workspace, tmp_path: Path, monkeypatch
) -> None:
    with mlflow.start_run() as theirs:
        mlflow.lightgbm.log_model(booster(), name="model")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):  # set_tracking_uri sets them for child processes
        monkeypatch.delenv(name, raising=False)
    (elsewhere := tmp_path / "elsewhere").mkdir()
    bondx = [sys.executable, "-m", "bondx", "--workspace", workspace.root]
    imported = ("runs", "import-mlflow", theirs.info.run_id, "--store", store, "--model", "spread")
    exported = ("runs", "export-mlflow", "r-0001", "--store", f"sqlite:///{tmp_path / 'ours.db'}")
    monkeypatch.setenv("PYTHONPATH", str(Path(core.__file__).parent.parent))

    for words in (imported, exported):
        done = subprocess.run([*bondx, *words], cwd=elsewhere, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert Registry(workspace).get("spread", "1.0.0").run_id == "r-0001"
    assert list(elsewhere.iterdir()) == []


def test_a_store_in_a_folder_is_read_without_a_global_setting(
    mlflow, workspace: Workspace, tmp_path: Path, monkeypatch
) -> None:
    folder = (tmp_path / "mlruns").as_uri()
    with monkeypatch.context() as theirs_allow:
        theirs_allow.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        client = mlflow.MlflowClient(tracking_uri=folder, registry_uri=folder)
        run_id = client.create_run(client.create_experiment("desk"), run_name="theirs").info.run_id
        client.log_metric(run_id, "mae", 0.5)
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    before = dict(os.environ)
    imported = import_run(workspace, folder, run_id, actor=ANA)
    assert Runs(workspace).get(imported.run.run_id).metrics == {"mae": 0.5}
    assert [each.name for each in Runs(workspace).experiments()] == ["desk"]
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("sqlite:///{}/typo.db", "there is no file"),
        ("sqlite:///{}/typo/mlflow.db", "there is no folder"),
        ("sqlite:///{}/empty.db", "no table `runs`"),
        ("sqlite:///{}/note.txt", "not a database"),
        ("{}/note.txt", "is a file"),
        ("file://{}/typo", "there is no such folder"),
        ("{}/workspace", "holds no experiment"),
        ("http://127.0.0.1:1", "Max retries exceeded"),
    ],
)
def test_a_store_that_does_not_exist_is_refused_at_once_and_not_created(
    mlflow, workspace: Workspace, tmp_path: Path, address: str, why: str, capfd
) -> None:
    (tmp_path / "empty.db").touch()
    (tmp_path / "note.txt").write_text("no database at all, but long enough to have a header\n" * 9)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match=why):
        import_run(workspace, address.format(tmp_path), "404", actor=ANA)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "empty.db").read_bytes() == b""
    assert capfd.readouterr().err == ""


def booster():
    import lightgbm
    import numpy as np

    rows = np.random.default_rng(1).normal(size=(200, 3))
    data = lightgbm.Dataset(rows, rows[:, 0] * 2)
    return lightgbm.train({"verbose": -1, "num_threads": 1}, data, 3)


def test_a_run_and_its_lightgbm_model_are_imported(mlflow, store: str, workspace: Workspace) -> None:
    with mlflow.start_run(run_name="theirs", tags={"desk": "credit"}) as theirs:
        mlflow.log_params({"depth": 6, "model": "spread"})
        for step, mae in enumerate((0.5, 0.2)):
            mlflow.log_metric("mae", mae, step=step)
        mlflow.lightgbm.log_model(booster(), name="model")
    imported = import_run(workspace, store, theirs.info.run_id, actor=ANA, model="spread")
    run = Runs(workspace).get(imported.run.run_id)
    assert (run.name, run.status, run.metrics["mae"]) == ("theirs", RunStatus.FINISHED, 0.2)
    assert Runs(workspace).metric_history(run.run_id)["mae"] == [(0, 0.5), (1, 0.2)]
    assert {name: text for name, text in run.tags.items() if not name.startswith("mlflow.source")} == {
        "desk": "credit",
        "mlflow.run_id": theirs.info.run_id,
        "mlflow.user": theirs.data.tags["mlflow.user"],
    }
    assert Runs(workspace).search("params.depth = 6 and metrics.mae < 0.3") == [run]
    assert imported.version is not None, imported.notes
    assert imported.notes == ()
    folder = Registry(workspace).load_path("spread", imported.version.version)
    assert (folder / "mlflow" / "MLmodel").exists()
    assert (folder / "mlflow" / "model.lgb").read_text().startswith("tree")
    again = import_run(workspace, store, theirs.info.run_id, actor=ANA)
    assert again.notes == (f"This run was already imported as {run.run_id}; nothing was changed.",)
    assert len(Runs(workspace).all()) == 1


def test_an_imported_model_predicts_exactly_as_in_mlflow(mlflow, store: str, workspace: Workspace) -> None:
    import lightgbm
    import numpy as np
    import pandas as pd
    from mlflow.models import infer_signature

    random = np.random.default_rng(3)
    table = pd.DataFrame({"area of it": random.normal(size=200), "floor": random.integers(0, 5, 200)})
    table["age"] = random.choice(["new", "old"], 200)
    learnt = table.astype({"age": "category"})
    target = table["area of it"] + table["floor"] + (table["age"] == "old")
    trees = lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(learnt, target), 5)
    with mlflow.start_run() as theirs:
        signature = infer_signature(table.astype({"age": object}), trees.predict(learnt))
        mlflow.lightgbm.log_model(trees, name="model", signature=signature)
    imported = import_run(workspace, store, theirs.info.run_id, actor=ANA, model="rent", target="rent")
    assert imported.version is not None
    model = load_model(Registry(workspace).load_path("rent", imported.version.version))
    assert isinstance(model, TableModel)
    assert model.signature is not None
    assert model.signature.names == ("area of it", "floor", "age")
    assert model.signature.columns[2].levels == ("new", "old")
    assert model.signature.target == "rent"
    np.testing.assert_array_equal(model.predict(table), trees.predict(learnt, num_threads=1))


def test_a_model_that_cannot_be_served_is_kept_as_files_with_the_reason(
    mlflow, store: str, workspace: Workspace
) -> None:
    import lightgbm
    import numpy as np

    rows = np.random.default_rng(1).normal(size=(100, 2))
    with mlflow.start_run() as theirs:
        estimator = lightgbm.LGBMRegressor(n_estimators=2, verbose=-1, n_jobs=1).fit(rows, rows[:, 0])
        mlflow.lightgbm.log_model(estimator, name="model", serialization_format="skops")
    imported = import_run(workspace, store, theirs.info.run_id, actor=ANA, model="spread")
    assert imported.version is not None
    assert imported.notes[0].startswith("Its model is kept as files, and cannot be served: model.skops holds")
    folder = Registry(workspace).load_path("spread", imported.version.version)
    assert (folder / "mlflow" / "model.skops").exists()
    with pytest.raises(ArtifactError):
        load_model(folder)


def test_a_non_finite_metric_is_imported_with_the_run_but_not_with_the_version(
    mlflow, store: str, workspace: Workspace
) -> None:
    with mlflow.start_run() as theirs:
        mlflow.log_metric("mae", 0.5)
        mlflow.log_metric("loss", float("nan"))
        mlflow.lightgbm.log_model(booster(), name="model")
    imported = import_run(workspace, store, theirs.info.run_id, actor=ANA, model="spread")
    assert imported.version is not None
    assert imported.version.metrics == {"mae": 0.5}


def test_a_pickled_model_stays_in_mlflow_and_its_run_is_imported(mlflow, store: str, workspace: Workspace) -> None:
    from sklearn.linear_model import LinearRegression

    with mlflow.start_run() as theirs:
        model = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
        mlflow.sklearn.log_model(model, name="model", serialization_format="cloudpickle")
    imported = import_run(workspace, store, theirs.info.run_id, actor=ANA, model="spread")
    assert imported.version is None
    assert "is a pickle, which is code" in imported.notes[0]
    assert Registry(workspace).models() == []


def test_a_run_without_a_model_is_imported_with_a_note(mlflow, store: str, workspace: Workspace) -> None:
    with mlflow.start_run() as theirs:
        mlflow.log_metric("mae", 1.0)
    imported = import_run(workspace, store, theirs.info.run_id, actor=ANA, model="spread")
    assert "has logged no model" in imported.notes[0]


def test_an_unknown_run_is_refused_in_one_sentence(mlflow, store: str, workspace: Workspace) -> None:
    with mlflow.start_run():
        pass
    with pytest.raises(UsageError, match=r"MLflow at sqlite:.*404"):
        import_run(workspace, store, "404", actor=ANA)


def test_a_run_is_exported_completely(mlflow, store: str, workspace: Workspace, tmp_path: Path) -> None:
    report = workspace.reports_dir / "final.json"
    report.write_text("{}")
    with Runs(workspace) as runs:
        run = runs.start(name="ours", actor=ANA, parameters={"trees": {"depth": 6}}, tags={"desk": "credit"})
        for epoch in (1, 2):
            runs.log_metrics(run.run_id, epoch, {"spread.mae": 1 / epoch})
        runs.log_artifact(run.run_id, report, actor=ANA)
        runs.finish(run.run_id, RunStatus.FINISHED, actor=ANA)
    source = tmp_path / "trained"
    source.mkdir()
    booster().save_model(source / "model.txt")
    Registry(workspace).register(
        "spread", source, metrics={"mae": 0.5}, lineage={}, gates=(), actor=ANA, run_id=run.run_id
    )
    exported = export_run(workspace, store, run.run_id)
    client = mlflow.MlflowClient(tracking_uri=store)
    theirs = client.get_run(exported.mlflow_run_id)
    assert (theirs.info.run_name, theirs.info.status) == ("ours", "FINISHED")
    assert theirs.data.params == {"trees.depth": "6"}
    assert theirs.data.tags["desk"] == "credit"
    history = client.get_metric_history(exported.mlflow_run_id, "spread.mae")
    assert [(point.step, point.value) for point in history] == [(1, 1.0), (2, 0.5)]
    assert [entry.path for entry in client.list_artifacts(exported.mlflow_run_id)] == ["final.json", "models"]
    assert exported.versions == {"spread/1.0.0": "1"}
    kept = client.get_model_version("spread", "1")
    assert (kept.tags["bondx.version"], kept.run_id) == ("1.0.0", exported.mlflow_run_id)
    again = export_run(workspace, store, run.run_id, experiment="elsewhere")
    assert (again.mlflow_run_id, again.experiment, again.versions) == (
        exported.mlflow_run_id,
        "bondx",
        {"spread/1.0.0": "1"},
    )
    assert again.notes == (f"r-0001 was already exported as {exported.mlflow_run_id}; nothing was changed.",)
    assert len(client.search_runs([theirs.info.experiment_id])) == 1
    assert len(client.search_model_versions("name = 'spread'")) == 1


def test_an_export_that_was_killed_is_completed_by_the_next(
    mlflow, store: str, workspace: Workspace, tmp_path: Path, monkeypatch
) -> None:
    with Runs(workspace) as runs:
        run = runs.start(name="ours", actor=ANA)
        for epoch in (1, 2):
            runs.log_metrics(run.run_id, epoch, {"mae": 1 / epoch})
        runs.finish(run.run_id, RunStatus.FINISHED, actor=ANA)
    with monkeypatch.context() as killed:
        killed.setattr(mlflow.MlflowClient, "set_terminated", interrupt)
        with pytest.raises(KeyboardInterrupt):
            export_run(workspace, store, run.run_id)
    (tmp_path / "trained").mkdir()
    booster().save_model(tmp_path / "trained" / "model.txt")
    Registry(workspace).register(
        "spread", tmp_path / "trained", metrics={"mae": 0.5}, lineage={}, gates=(), actor=ANA, run_id=run.run_id
    )

    exported = export_run(workspace, store, run.run_id)
    assert exported.notes == (
        f"r-0001 was already exported as {exported.mlflow_run_id}; what it lacked there was added.",
    )
    client = mlflow.MlflowClient(tracking_uri=store)
    theirs = client.get_run(exported.mlflow_run_id)
    assert (theirs.info.status, exported.versions) == ("FINISHED", {"spread/1.0.0": "1"})
    assert len(client.get_metric_history(exported.mlflow_run_id, "mae")) == 2
    assert len(client.search_runs([theirs.info.experiment_id])) == 1


def test_an_import_that_was_killed_is_completed_by_the_next(
    mlflow, store: str, workspace: Workspace, monkeypatch
) -> None:
    with mlflow.start_run() as theirs:
        mlflow.log_metric("mae", 0.5, step=1)
    with monkeypatch.context() as killed:
        killed.setattr(Runs, "finish", interrupt)
        with pytest.raises(KeyboardInterrupt):
            import_run(workspace, store, theirs.info.run_id, actor=ANA)
    imported = import_run(workspace, store, theirs.info.run_id, actor=ANA)
    assert imported.notes == ("An earlier import as r-0001 was killed; it was completed.",)
    assert (imported.run.status, imported.run.metrics) == (RunStatus.FINISHED, {"mae": 0.5})
    assert len(Runs(workspace).all()) == 1


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_runs_of_two_workspaces_with_the_same_number_are_two_runs_in_mlflow(
    mlflow, store: str, workspace: Workspace, tmp_path: Path
) -> None:
    other = Workspace.create(tmp_path / "other", settings_text="")
    for place in (workspace, other):
        with Runs(place) as runs:
            runs.finish(runs.start(name="ours", actor=ANA).run_id, RunStatus.FINISHED, actor=ANA)
    first, second = (export_run(place, store, "r-0001") for place in (workspace, other))
    assert first.mlflow_run_id != second.mlflow_run_id
    assert second.notes == ()


def test_a_diverged_run_is_diverged_in_mlflow_and_after_its_way_back(
    mlflow, store: str, workspace: Workspace, tmp_path: Path
) -> None:
    import math

    with Runs(workspace) as runs:
        run = runs.start(name="ours", actor=ANA)
        for step, value in enumerate((0.5, 0.05, math.nan)):
            runs.log_metrics(run.run_id, step, {"loss": value, "auc": value, "mae": 0.5})
        runs.finish(run.run_id, RunStatus.FINISHED, actor=ANA)
    exported = export_run(workspace, store, run.run_id)
    client = mlflow.MlflowClient(tracking_uri=store)
    theirs = client.get_run(exported.mlflow_run_id)
    assert math.isnan(theirs.data.metrics["loss"])
    assert math.isnan(theirs.data.metrics["auc"])
    assert theirs.data.metrics["mae"] == 0.5
    assert [point.step for point in client.get_metric_history(exported.mlflow_run_id, "loss")] == [0, 1, 2]
    assert client.search_runs([theirs.info.experiment_id], "metrics.loss < 0.1") == []
    assert (theirs.data.tags["bondx.diverged"], theirs.data.tags["bondx.undefined"]) == ("loss", "auc")

    other = Workspace.create(tmp_path / "other", settings_text="")
    back = import_run(other, store, exported.mlflow_run_id, actor=ANA)
    assert (back.run.metrics, back.run.diverged, back.run.undefined) == ({"mae": 0.5}, ("loss",), ("auc",))
    assert set(back.notes) == {
        f"{name} is NaN or infinite at 1 of 3 steps, which are gaps here." for name in ("auc", "loss")
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_steps_that_are_not_finite_are_gaps_and_of_several_values_of_a_step_the_newest_counts(
    mlflow, store: str, workspace: Workspace, value: float
) -> None:
    from mlflow.entities import Metric

    client = mlflow.MlflowClient(tracking_uri=store)
    theirs = client.create_run(client.create_experiment("desk"))
    points = [("acc", 0.8, 5, 2), ("acc", 0.7, 9, 2), ("acc", value, 1, 1), ("acc", 0.9, 1, 0), ("late", 0.4, 1, 0)]
    client.log_batch(theirs.info.run_id, metrics=[Metric(*point) for point in [*points, ("late", value, 2, 1)]])
    client.set_terminated(theirs.info.run_id)
    imported = import_run(workspace, store, theirs.info.run_id, actor=ANA)
    assert Runs(workspace).metric_history(imported.run.run_id) == {"acc": [(0, 0.9), (2, 0.7)], "late": [(0, 0.4)]}
    assert (imported.run.metrics, imported.run.undefined) == ({"acc": 0.7}, ("late",))
    assert set(imported.notes) == {
        "acc has several values at the same step; 1 earlier ones were left out.",
        "acc is NaN or infinite at 1 of 3 steps, which are gaps here.",
        "late is NaN or infinite at 1 of 2 steps, which are gaps here.",
    }


def test_an_imported_run_keeps_its_nesting_description_author_source_and_times_and_not_the_importers_environment(
    mlflow, store: str, workspace: Workspace, tmp_path: Path
) -> None:
    with mlflow.start_run(run_name="sweep") as parent:
        kept = {"mlflow.user": "ben", "mlflow.source.name": "fit.py", "mlflow.source.git.commit": "abc1"}
        with mlflow.start_run(run_name="fold", nested=True, description="two\nlines", tags=kept) as theirs:
            pass
    client = mlflow.MlflowClient(tracking_uri=store)
    client.update_run(theirs.info.run_id, status="FINISHED")
    known = client.get_run(theirs.info.run_id)
    imported = import_run(workspace, store, theirs.info.run_id, actor=ANA)
    runs = Runs(workspace)
    run, sweep = runs.get("r-0002"), runs.get("r-0001")
    assert (run.name, run.parent_id, sweep.name, sweep.parent_id) == ("fold", "r-0001", "sweep", "")
    assert imported.notes == (
        f"It is part of MLflow run {parent.info.run_id}, which was imported as r-0001.",
        "The tag mlflow.note.content has line breaks or invisible characters, which are spelled out here.",
    )
    assert {**run.tags, **kept, "mlflow.note.content": r"two\nlines"} == run.tags
    assert (run.environment, run.git) == ({}, {"commit": "abc1"})
    times = (known.info.start_time, known.info.end_time)
    assert (run.started_at.timestamp() * 1000, run.ended_at.timestamp() * 1000) == pytest.approx(times, abs=1)

    elsewhere = store_in(tmp_path / "there")
    (tmp_path / "there").mkdir()
    alone = export_run(workspace, elsewhere, "r-0002")
    assert alone.notes == ("r-0002 is part of r-0001, which is not exported, so it is not nested there.",)
    export_run(workspace, store, "r-0001")
    there = client.get_run(export_run(workspace, store, "r-0002").mlflow_run_id)
    ours = client.search_runs([there.info.experiment_id], "tags.`bondx.run_id` = 'r-0001'")[0]
    assert there.data.tags["mlflow.parentRunId"] == ours.info.run_id
    assert there.data.tags["mlflow.note.content"] == r"two\nlines"


def test_a_run_that_is_deleted_in_mlflow_is_refused(mlflow, store: str, workspace: Workspace) -> None:
    with mlflow.start_run() as parent, mlflow.start_run(nested=True) as theirs:
        pass
    mlflow.MlflowClient(tracking_uri=store).delete_run(parent.info.run_id)
    with pytest.raises(UsageError, match=rf"Run {parent.info.run_id} is deleted in MLflow. Restore it there first"):
        import_run(workspace, store, parent.info.run_id, actor=ANA)
    assert Runs(workspace).all() == []
    imported = import_run(workspace, store, theirs.info.run_id, actor=ANA)
    assert imported.notes == (
        f"It is part of MLflow run {parent.info.run_id}, which cannot be imported, and is not nested.",
    )


def test_the_newest_of_several_models_is_imported_and_the_others_are_named(
    mlflow, store: str, workspace: Workspace
) -> None:
    with mlflow.start_run() as theirs:
        first = mlflow.lightgbm.log_model(booster(), name="first")
        mlflow.lightgbm.log_model(booster(), name="second")
    imported = import_run(workspace, store, theirs.info.run_id, actor=ANA, model="spread")
    assert imported.notes == (f"The run has logged 2 models; not imported: first ({first.model_id}).",)


def test_a_repeated_import_says_what_it_added(mlflow, store: str, workspace: Workspace) -> None:
    with mlflow.start_run() as theirs:
        mlflow.lightgbm.log_model(booster(), name="model")
    first, late, again = (
        import_run(workspace, store, theirs.info.run_id, actor=ANA, model=model) for model in (None, "late", "late")
    )
    assert first.notes == ()
    assert late.notes == ("This run was already imported as r-0001; only its model is new.",)
    assert again.notes == (
        "This run was already imported as r-0001, and its model was already registered as late 1.0.0; "
        "nothing was changed.",
    )


def test_a_name_that_no_model_may_have_is_refused_before_anything_is_imported(
    mlflow, store: str, workspace: Workspace
) -> None:
    with mlflow.start_run() as theirs:
        mlflow.lightgbm.log_model(booster(), name="model")
    with pytest.raises(UsageError, match="model name"):
        import_run(workspace, store, theirs.info.run_id, actor=ANA, model="No Name!")
    assert Runs(workspace).all() == []


@pytest.mark.parametrize("name", ["a\nb", "", "a\x1b[2J"])
def test_an_experiment_is_named_by_one_line(workspace: Workspace, name: str) -> None:
    with pytest.raises(UsageError, match=r"is not an experiment's name: it must be one line"):
        export_run(workspace, "sqlite:///unused.db", "r-0001", experiment=name)
