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
    assert run.tags == {"desk": "credit", "mlflow.run_id": theirs.info.run_id}
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
    again = export_run(workspace, store, run.run_id)
    assert again.versions == {"spread/1.0.0": "2"}
