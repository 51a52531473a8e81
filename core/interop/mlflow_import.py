"""Import of a run and its model from an MLflow store.

Imported models follow the rules of every registration: a pickled model is code, so its run is imported and the model
stays in MLflow, with the reason. `mlflow_model` decides which of the other models are served.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.actor import Actor
from core.interop.mlflow_access import opened
from core.interop.mlflow_arrivals import Arrivals
from core.interop.mlflow_logged import download
from core.state import Workspace
from core.tracking.run import Run
from core.tracking.runs import Runs

if TYPE_CHECKING:
    from core.registry import ModelVersion


class ImportedRun(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an import."""

    run: Run
    version: "ModelVersion | None" = None
    notes: tuple[str, ...] = ()


def import_run(
    workspace: Workspace,
    store: str,
    mlflow_run_id: str,
    *,
    actor: Actor,
    model: str | None = None,
    target: str = "target",
) -> ImportedRun:
    """Import a run: parameters, tags, times, metrics with their steps, and its model if a model name is given.

    The runs that it is part of are imported first. A LightGBM model saved as text becomes a served version; any other
    model that is not pickled is kept as files.

    Args:
        workspace: The target workspace.
        store: Tracking URI: `sqlite:///mlflow.db`, `http://…`, a folder.
        mlflow_run_id: The run in MLflow.
        actor: The author of the import.
        model: The name under which to register the run's model.
        target: The name of the predicted column.
    Raises:
        UsageError: MLflow is not installed, the store or the run cannot be read, or the run is deleted in MLflow.
        InvalidNameError: The name is not a valid model name; nothing was imported.
    """
    if model is not None:
        from core.registry.numbering import checked_model_name

        checked_model_name(model)
    with opened(store, reads=True) as client, Runs(workspace) as runs:
        arrivals = Arrivals(runs, client, actor)
        theirs = client.get_run(mlflow_run_id)
        before = arrivals.known(mlflow_run_id)
        if before is not None and not before.is_over:
            arrivals.notes.append(f"An earlier import as {before.run_id} was killed; it was completed.")
            run, before = arrivals.fill(before, theirs), None
        else:
            run = before or arrivals.take(theirs)
        known_as = f"This run was already imported as {run.run_id}" if before else ""
        if model is None:
            again = (f"{known_as}; nothing was changed.",) if before else ()
            return ImportedRun(run=run, notes=(*again, *arrivals.notes))
        with tempfile.TemporaryDirectory() as place:
            version, is_new, notes = _import_model(workspace, client, theirs, run, model, target, Path(place), actor)
    if before and is_new:
        notes = (f"{known_as}; only its model is new.", *notes)
    elif before:
        same = f", and its model was already registered as {version.model} {version.version}" if version else ""
        notes = (f"{known_as}{same}; nothing was changed.", *notes)
    return ImportedRun(run=run, version=version, notes=(*arrivals.notes, *notes))


def _import_model(
    workspace: Workspace, client: Any, theirs: Any, run: Run, name: str, target: str, place: Path, actor: Actor
) -> "tuple[ModelVersion | None, bool, tuple[str, ...]]":
    """Register the model of a run; return its version, whether the version is new, and notes."""
    from core.interop.mlflow_model import lay_out
    from core.registry import ArtifactRefusedError, Registry

    downloaded, others = download(client, theirs, place / "downloaded")
    if downloaded is None:
        note = f"MLflow run {theirs.info.run_id} has logged no model, so no version was registered."
        return None, False, (note,)
    artifact = place / "artifact"
    note = lay_out(downloaded, artifact, target=target)
    registry: Registry = Registry(workspace)
    known = {version.key for version in registry.versions_in_brief()}
    left = f"The run has logged {len(others) + 1} models; not imported: {', '.join(others)}." if others else ""
    notes = tuple(filter(None, (note, left)))
    try:
        version = registry.register(
            name,
            artifact,
            metrics=run.metrics,
            lineage={"mlflow": {"run_id": theirs.info.run_id}, "parameters": dict(theirs.data.params)},
            gates=(),
            actor=actor,
            run_id=run.run_id,
            bump="auto",
            description=f"from MLflow, {run.name}",
            reads=True,
        )
    except ArtifactRefusedError as refusal:
        return None, False, tuple(filter(None, (f"Its model stays in MLflow. {refusal}", left)))
    return version, version.key not in known, notes
