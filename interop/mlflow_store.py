"""Carry a run of ours to a real MLflow with a SQLite store, and one of MLflow's to us; print what arrived, as JSON.

python interop/mlflow_store.py WORKSPACE RUN STORE
"""

import json
import sys
from pathlib import Path

from mlflow import MlflowClient

from core.actor import Actor, Origin
from core.state import Workspace
from core.tracking import Runs
from core.tracking.mlflow_interop import export_run, import_run

ANA = Actor("ana", "localhost", Origin.COMMAND_LINE)
LOSSES = [0.9, 0.5, 0.4]


def main() -> None:
    """Carry both ways."""
    workspace, run_id, store = Workspace.open(Path(sys.argv[1])), sys.argv[2], f"sqlite:///{sys.argv[3]}"
    ours = Runs(workspace).get(run_id)
    exported = export_run(workspace, store, run_id)
    client = MlflowClient(tracking_uri=store, registry_uri=store)
    theirs = client.get_run(exported.mlflow_run_id)
    there = {name: value for name, value in ours.metrics.items() if theirs.data.metrics.get(name) == value}
    if there != ours.metrics:
        raise SystemExit(f"metrics were lost on the way to MLflow: {set(ours.metrics) - set(there)}")
    for key, number in exported.versions.items():
        found = client.get_model_version(key.partition("/")[0], number)
        if found.tags["bondx.version"] != key.partition("/")[2]:
            raise SystemExit(f"MLflow has {found.tags} for {key}")

    made = client.create_run(
        client.create_experiment("foreign"), run_name="foreign", tags={"desk": "credit"}
    ).info.run_id
    client.log_param(made, "depth", 4)
    for step, loss in enumerate(LOSSES):
        client.log_metric(made, "loss", loss, step=step)
    client.set_terminated(made, "FINISHED")
    imported = import_run(workspace, store, made, actor=ANA).run
    history = [value for _, value in Runs(workspace).metric_history(imported.run_id)["loss"]]
    if history != LOSSES or imported.tags["desk"] != "credit" or imported.parameters["depth"] != "4":
        raise SystemExit(f"the run arrived as {imported} with {history}")
    print(json.dumps({"n_metrics": len(there), "versions": exported.versions, "status": imported.status}))


if __name__ == "__main__":
    main()
