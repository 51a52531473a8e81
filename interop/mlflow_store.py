"""Export our runs to a real MLflow with a SQLite store, and import MLflow's runs and models.

    python interop/mlflow_store.py WORKSPACE RUN STORE

Everything is compared by value: our runs as MLflow's client reads them back, MLflow's runs as the workspace reads them.
Prints the transferred runs as JSON; the first difference ends the script.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import lightgbm
import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

from core.actor import Actor, Origin
from core.clock import to_iso
from core.interop.mlflow import export_run, import_run
from core.registry import Registry
from core.state import Workspace
from core.tracking import Run, Runs, track
from core.tracking.comparison import flatten

ANA = Actor("ana", "localhost", Origin.COMMAND_LINE)
MODEL = "from-mlflow"
N_STEPS = 1_500  # more than MLflow accepts in one call
LOSSES = [0.9, 0.5, 0.4]


def main() -> None:
    """Export and import."""
    workspace, run_id, store = Workspace.open(Path(sys.argv[1])), sys.argv[2], f"sqlite:///{sys.argv[3]}"
    warnings.filterwarnings("ignore", category=UserWarning, module="mlflow")
    mlflow.set_tracking_uri(store)
    mlflow.set_registry_uri(store)
    client = MlflowClient(tracking_uri=store, registry_uri=store)
    with track(workspace, "by hand", actor=ANA, parameters={"trees": {"depth": 6}}, tags={"desk": "credit"}) as by_hand:
        for step in range(N_STEPS):
            by_hand.log_metrics({"loss": 1 / (step + 3), "gain": -1e-300 * step}, step=step)
        (note := workspace.reports_dir / "note.txt").write_text("seen\n")
        by_hand.log_artifact(note)
    arrived = [read_back(workspace, client, store, Runs(workspace).get(ours)) for ours in (run_id, by_hand.run_id)]
    print(json.dumps({"arrived": arrived, **bring_over(workspace, client, store)}))


def read_back(workspace: Workspace, client: MlflowClient, store: str, ours: Run) -> dict[str, Any]:
    """Export one of our runs, and compare all of it with the answers of MLflow's client."""
    exported = export_run(workspace, store, ours.run_id)
    theirs = client.get_run(exported.mlflow_run_id)
    same("the parameters", theirs.data.params, {name: str(value) for name, value in flatten(ours.parameters).items()})
    their_tags = {name: text for name, text in theirs.data.tags.items() if not name.startswith("mlflow.")}
    identity = {"bondx.run_id": ours.run_id, "bondx.started_at": to_iso(ours.started_at)}
    same("the tags", their_tags, {**ours.tags, **identity, "bondx.started_by": ours.started_by})
    same("the status", theirs.info.status, "FINISHED")
    histories = Runs(workspace).metric_history(ours.run_id)
    same("the names of metrics", set(theirs.data.metrics), set(histories))
    for name, history in histories.items():
        found = [(point.step, point.value) for point in client.get_metric_history(exported.mlflow_run_id, name)]
        same(f"the history of {name}", found, history)
    files = {}
    place = Path(client.download_artifacts(exported.mlflow_run_id, ""))
    for artifact in ours.artifacts:
        name = Path(artifact.path).name
        files[name] = (place / name).read_bytes()
        same(name, files[name], (workspace.root / artifact.path).read_bytes())
    for key, number in exported.versions.items():
        model, _, version = key.partition("/")
        same("its tag", client.get_model_version(model, number).tags["bondx.version"], version)
        folder = Registry(workspace).load_path(model, version)
        for file in (file for file in folder.rglob("*") if file.is_file()):
            same(str(file), (place / "models" / model / file.relative_to(folder)).read_bytes(), file.read_bytes())
    return {
        "parameters": len(theirs.data.params),
        "tags": len(their_tags),
        "points": sum(map(len, histories.values())),
        "files": len(files),
        "versions": exported.versions,
    }


def bring_over(workspace: Workspace, client: MlflowClient, store: str) -> dict[str, Any]:
    """Train with MLflow, import runs and models, and return the predictions of MLflow's own trees."""
    random = np.random.default_rng(3)
    table = pd.DataFrame({"area of it": random.normal(60, 20, 300), "floor": random.integers(0, 9, 300)})
    table["age"] = random.choice(["new", "old"], 300)
    training_table = table.astype({"age": "category"})
    target = 9 * table["area of it"] + 10 * table["floor"] - 50 * (table["age"] == "old")
    trees = lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(training_table, target), 20)
    signature = infer_signature(table.astype({"age": object}), trees.predict(training_table))
    files = Path(sys.argv[3]).parent / "foreign"
    mlflow.set_experiment(experiment_id=client.create_experiment("foreign", files.as_uri()))
    with mlflow.start_run(run_name="foreign", tags={"desk": "credit"}) as theirs:
        mlflow.log_param("depth", 4)
        for step, loss in enumerate(LOSSES):
            mlflow.log_metric("loss", loss, step=step)
        mlflow.lightgbm.log_model(trees, name="model", signature=signature)
    imported = import_run(workspace, store, theirs.info.run_id, actor=ANA, model=MODEL, target="rent")
    run = imported.run
    same("the history", Runs(workspace).metric_history(run.run_id), {"loss": list(enumerate(LOSSES))})
    same("the parameters", run.parameters, {"depth": "4"})
    tags = {name: text for name, text in theirs.data.tags.items() if name != "mlflow.runName"}
    same("the tags", run.tags, {**tags, "experiment_name": "foreign", "mlflow.run_id": theirs.info.run_id})
    same("the status and name", (run.status, run.name), ("finished", "foreign"))
    same("the notes", imported.notes, ())
    assert imported.version is not None

    notes = {kind: note_on_sklearn(workspace, store, kind) for kind in ("cloudpickle", "skops")}
    asked = table.head(5)
    return {
        "rows": json.loads(asked.to_json(orient="records", double_precision=15)),
        "answers": trees.predict(training_table.head(5), num_threads=1).tolist(),
        "version": imported.version.version,
        "notes": notes,
    }


def note_on_sklearn(workspace: Workspace, store: str, kind: str) -> str:
    """Import a scikit-learn model that MLflow saved in one of two formats; return the note about it."""
    model = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    with mlflow.start_run() as theirs:
        mlflow.sklearn.log_model(model, name="model", serialization_format=kind)
    imported = import_run(workspace, store, theirs.info.run_id, actor=ANA, model=kind)
    same("whether files were kept", imported.version is not None, kind == "skops")
    same("the number of notes", len(imported.notes), 1)
    return imported.notes[0]


def same(what: str, found: object, expected: object) -> None:
    """End the script if a value changed during the transfer."""
    if found != expected:
        raise SystemExit(f"{what} changed during the transfer: {found}, not {expected}")


if __name__ == "__main__":
    main()
