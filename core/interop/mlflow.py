"""Import of runs and models from an MLflow store, and export to one. Requires the extra `mlflow`, imported on use.

Imported models follow the rules of every registration: a pickled model is code, so its run is imported and the model
stays in MLflow, with the reason. `mlflow_model` decides which of the other models are served.
"""

import math
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import msgspec

from core.actor import Actor
from core.files import new_folder
from core.interop.mlflow_access import opened
from core.interop.run_files import copy_run_files
from core.state import Workspace
from core.tracking.comparison import flatten
from core.tracking.run import Run, RunStatus
from core.tracking.run_reader import MetricHistory
from core.tracking.runs import Runs

if TYPE_CHECKING:
    from core.registry import ModelVersion

ORIGIN = "mlflow.run_id"  # the tag with the MLflow run id of an imported run

_TO_STATUS = {
    "FINISHED": RunStatus.FINISHED,
    "FAILED": RunStatus.FAILED,
    "KILLED": RunStatus.STOPPED,
}
_FROM_STATUS = {
    RunStatus.FINISHED: "FINISHED",
    RunStatus.FAILED: "FAILED",
    RunStatus.STOPPED: "KILLED",
    RunStatus.LOST: "KILLED",
    RunStatus.RUNNING: "RUNNING",
}
_BATCH = 1000  # MLflow's limit of metrics per call
_MOST_PARAMETERS = 100
_MOST_CHARACTERS = 6000  # of one parameter


class ImportedRun(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an import."""

    run: Run
    version: "ModelVersion | None" = None
    notes: tuple[str, ...] = ()


class ExportedRun(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an export."""

    mlflow_run_id: str
    versions: dict[str, str] = {}  # number in MLflow's registry, by our "model/version"


def import_run(
    workspace: Workspace,
    store: str,
    mlflow_run_id: str,
    *,
    actor: Actor,
    model: str | None = None,
    target: str = "target",
) -> ImportedRun:
    """Import a run: parameters, tags, metrics with their steps, and its model if a model name is given.

    A LightGBM model saved as text becomes a served version; any other model that is not pickled is kept as files.

    Args:
        workspace: The target workspace.
        store: Tracking URI: `sqlite:///mlflow.db`, `http://…`, a folder.
        mlflow_run_id: The run in MLflow.
        actor: The author of the import.
        model: The name under which to register the run's model.
        target: The name of the predicted column.
    Raises:
        UsageError: MLflow is not installed, or the store or the run cannot be read.
    """
    with opened(store, reads=True) as client:
        theirs = client.get_run(mlflow_run_id)
        with Runs(workspace) as runs:
            before = next((run for run in runs.all() if run.tags.get(ORIGIN) == mlflow_run_id), None)
            run = before or _import_values(runs, client, theirs, actor)
        notes = (f"This run was already imported as {before.run_id}; nothing was changed.",) if before else ()
        if model is None:
            return ImportedRun(run=run, notes=notes)
        with tempfile.TemporaryDirectory() as place:
            version, note = _import_model(workspace, client, theirs, run, model, target, Path(place), actor)
    return ImportedRun(run=run, version=version, notes=(*notes, note) if note else notes)


def export_run(workspace: Workspace, store: str, run_id: str, *, experiment: str = "bondx") -> ExportedRun:
    """Export a run to MLflow: parameters, tags, metrics with their steps, files, and its registered versions.

    Args:
        workspace: The source workspace.
        store: Tracking URI.
        run_id: The run.
        experiment: The target experiment; created if it does not exist.
    Raises:
        UsageError: MLflow is not installed, or the store cannot be written.
        RunNotFoundError: There is no such run.
        HashMismatchError: The files of a version are not those that were registered.
        ChangedRunFileError: A file of the run is not the one that was recorded.
    """
    from core.registry import Registry

    runs = Runs(workspace)
    run = runs.get(run_id)
    registry = Registry(workspace)
    made = [version for version in registry.versions_in_brief() if version.run_id == run_id]
    with ExitStack() as copies, opened(store, reads=False) as client:
        # Private copies, verified on the way: what is exported is what was registered.
        files = copy_run_files(workspace, run, Path(copies.enter_context(tempfile.TemporaryDirectory())))
        folders = [(version, copies.enter_context(registry.opened(version.model, version.version))) for version in made]
        started_ms = int(run.started_at.timestamp() * 1000)
        theirs = client.create_run(
            _experiment(client, store, experiment),
            start_time=started_ms,
            run_name=run.name or run_id,
            tags={**run.tags, "bondx.run_id": run_id, "bondx.started_by": run.started_by},
        )
        mlflow_run_id: str = theirs.info.run_id
        _log_values(client, mlflow_run_id, run.parameters, runs.metric_pages(run_id), started_ms)
        for file in files:
            client.log_artifact(mlflow_run_id, str(file))
        numbers = {}
        for version, folder in folders:
            client.log_artifacts(mlflow_run_id, str(folder), f"models/{version.model}")
            source = f"{theirs.info.artifact_uri}/models/{version.model}"
            numbers[version.key] = _create_version(client, version, folder, source, mlflow_run_id)
        ended_ms = int(run.ended_at.timestamp() * 1000) if run.ended_at else None
        client.set_terminated(mlflow_run_id, _FROM_STATUS[run.status], ended_ms)
    return ExportedRun(mlflow_run_id=mlflow_run_id, versions=numbers)


def _import_values(runs: Runs, client: Any, theirs: Any, actor: Actor) -> Run:
    run_id: str = theirs.info.run_id
    tags = {name: value for name, value in theirs.data.tags.items() if not name.startswith("mlflow.")}
    run = runs.start(
        name=theirs.info.run_name or run_id,
        actor=actor,
        parameters=dict(theirs.data.params),
        tags={**tags, ORIGIN: run_id},
        reason=f"imported from MLflow, run {run_id}",
    )
    for name in theirs.data.metrics:
        for point in client.get_metric_history(run_id, name):
            runs.log_metrics(run.run_id, point.step, {name: point.value})
    return runs.finish(run.run_id, _TO_STATUS.get(theirs.info.status, RunStatus.LOST), actor=actor)


def _import_model(
    workspace: Workspace, client: Any, theirs: Any, run: Run, name: str, target: str, place: Path, actor: Actor
) -> "tuple[ModelVersion | None, str]":
    from core.interop.mlflow_model import lay_out
    from core.registry import ArtifactRefusedError, Registry

    downloaded = _download(client, theirs, place / "downloaded")
    if downloaded is None:
        return None, f"MLflow run {theirs.info.run_id} has logged no model, so no version was registered."
    artifact = place / "artifact"
    note = lay_out(downloaded, artifact, target=target)
    registry: Registry = Registry(workspace)
    try:
        version = registry.register(
            name,
            artifact,
            metrics={metric: value for metric, value in run.metrics.items() if math.isfinite(value)},
            lineage={"mlflow": {"run_id": theirs.info.run_id}, "parameters": dict(theirs.data.params)},
            gates=(),
            actor=actor,
            run_id=run.run_id,
            bump="auto",
            description=f"from MLflow, {run.name}",
            reads=True,
        )
    except ArtifactRefusedError as refusal:
        return None, f"Its model stays in MLflow. {refusal}"
    return version, note


def _download(client: Any, theirs: Any, place: Path) -> Path | None:
    """Fetch the newest model that a run has logged; None if there is none.

    `models:/` and `runs:/` addresses are left aside: MLflow looks them up in the store of a global setting, whatever
    store it is told, and makes a database in the current folder if there is no such setting.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    outputs = getattr(theirs, "outputs", None)  # since MLflow 3 a model is no longer an artifact of its run
    if outputs is not None and outputs.model_outputs:
        address, folder = client.get_logged_model(outputs.model_outputs[-1].model_id).artifact_location, ""
    else:
        found = _logged_folder(client, theirs.info.run_id)
        if found is None:
            return None
        address, folder = theirs.info.artifact_uri, found
    new_folder(place)
    uri = client.tracking_uri
    files = get_artifact_repository(address, tracking_uri=uri, registry_uri=uri)
    return Path(files.download_artifacts(folder, dst_path=str(place)))


def _logged_folder(client: Any, run_id: str) -> str | None:
    """Return the newest folder of a run that holds a model, as MLflow 2 logs it."""
    folders = [entry.path for entry in client.list_artifacts(run_id) if entry.is_dir]
    models = [
        folder
        for folder in folders
        if any(entry.path.endswith("/MLmodel") for entry in client.list_artifacts(run_id, folder))
    ]
    return models[-1] if models else None


def _experiment(client: Any, store: str, name: str) -> str:
    if (found := client.get_experiment_by_name(name)) is not None:
        return str(found.experiment_id)
    # Beside its database: MLflow's own default is a folder below wherever this process happens to run.
    location = None
    if (parsed := urlparse(store)).scheme == "sqlite":
        location = (Path(parsed.path.removeprefix("/")).absolute().parent / "mlartifacts" / name).as_uri()
    return str(client.create_experiment(name, artifact_location=location))


def _log_values(
    client: Any,
    run_id: str,
    parameters: Mapping[str, Any],
    pages: Iterable[MetricHistory],
    started_ms: int,
) -> None:
    from mlflow.entities import Metric, Param

    texts = (Param(name, str(value)[:_MOST_CHARACTERS]) for name, value in flatten(parameters).items())
    while some := list(islice(texts, _MOST_PARAMETERS)):
        client.log_batch(run_id, params=some)
    points = (
        Metric(name, value, started_ms, step)
        for page in pages
        for name, history in page.items()
        for step, value in history
    )
    while some_points := list(islice(points, _BATCH)):
        client.log_batch(run_id, metrics=some_points)


def _create_version(client: Any, version: "ModelVersion", folder: Path, source: str, run_id: str) -> str:
    from mlflow.exceptions import MlflowException

    from core.tables.signature import TableSignature

    try:
        client.create_registered_model(version.model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    tags = {"bondx.version": version.version, "bondx.stage": version.stage, "bondx.sha256": version.manifest_sha256}
    if (signature := TableSignature.read(folder)) is not None and signature.classes:
        names = msgspec.json.encode(signature.classes).decode()
        tags |= {"bondx.classes": names} if len(names) <= _MOST_CHARACTERS else {}
    created = client.create_model_version(
        version.model, source, run_id, tags=tags, description=version.description or None
    )
    return str(created.version)
