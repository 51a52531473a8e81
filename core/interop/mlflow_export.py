"""Export of a run and its registered versions to an MLflow store; a repeated export adds what is missing.

Two tags of the exported run identify ours: its id, and the instant it started, since ids repeat in every workspace.
"""

import math
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import msgspec

from core.clock import to_iso
from core.errors import UsageError
from core.escape import is_shown_as_is, shown
from core.interop.mlflow_access import opened
from core.interop.mlflow_arrivals import PARENT
from core.interop.run_files import copy_run_files
from core.progress import begins
from core.state import Workspace
from core.tracking.comparison import flatten
from core.tracking.experiments import experiment_of
from core.tracking.run import Run, RunStatus
from core.tracking.runs import Runs

if TYPE_CHECKING:
    from core.registry import ModelVersion

_RUN_ID, _STARTED_AT = "bondx.run_id", "bondx.started_at"
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
_MOST_TAG_CHARACTERS = 5000
_NAME_RULE = "it must be one line, of characters that a terminal shows"


class ExportedRun(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an export."""

    mlflow_run_id: str
    experiment: str
    versions: dict[str, str] = {}  # number in MLflow's registry, by our "model/version"
    notes: tuple[str, ...] = ()


def export_run(workspace: Workspace, store: str, run_id: str, *, experiment: str | None = None) -> ExportedRun:
    """Export a run to MLflow: parameters, tags, metrics with their steps, files, and its registered versions.

    A run that the store already has is completed there, in its own experiment; nothing is exported twice.

    Args:
        workspace: The source workspace.
        store: Tracking URI.
        run_id: The run.
        experiment: The target experiment, created if it does not exist; by default the run's own, else `bondx`.
    Raises:
        UsageError: MLflow is not installed, the store cannot be written, or the experiment's name is not one line.
        RunNotFoundError: There is no such run.
        HashMismatchError: The files of a version are not those that were registered.
        ChangedRunFileError: A file of the run is not the one that was recorded.
    """
    from core.registry import Registry

    if experiment is not None and not (experiment and is_shown_as_is(experiment)):
        raise UsageError(f"{shown(experiment)} is not an experiment's name: {_NAME_RULE}.")
    runs = Runs(workspace)
    run = runs.get(run_id)
    experiment = experiment or experiment_of(run) or "bondx"
    registry = Registry(workspace)
    made = [version for version in registry.versions_in_brief() if version.run_id == run_id]
    with ExitStack() as copies, opened(store, reads=False) as client:
        # Private copies, verified on the way: what is exported is what was registered.
        files = copy_run_files(workspace, run, Path(copies.enter_context(tempfile.TemporaryDirectory())))
        folders = [(version, copies.enter_context(registry.opened(version.model, version.version))) for version in made]
        before = _find(client, run)
        tags, notes = _tags(client, runs, run)
        theirs = before or client.create_run(
            _experiment(client, store, experiment),
            start_time=_milliseconds(run.started_at),
            run_name=run.name or run_id,
            tags=tags,
        )
        mlflow_run_id: str = theirs.info.run_id
        # The status comes last: a run without it was not exported to its end.
        ended_ms = _milliseconds(run.ended_at) if run.ended_at else None
        is_whole = run.is_over and (theirs.info.status, theirs.info.end_time) == (_FROM_STATUS[run.status], ended_ms)
        if not is_whole:
            for tag, text in tags.items() if before else ():
                client.set_tag(mlflow_run_id, tag, text)
            begins("writing the metrics")
            _log_values(client, mlflow_run_id, run, runs)
            for file in files:
                begins(f"writing {file.name}")
                client.log_artifact(mlflow_run_id, str(file))
        numbers, n_known = {}, 0
        for version, folder in folders:
            number = _number(client, version, mlflow_run_id) if before else None
            n_known += number is not None
            numbers[version.key] = number or _add_version(client, version, folder, theirs)
        if not is_whole:
            client.set_terminated(mlflow_run_id, _FROM_STATUS[run.status], ended_ms)
        name = client.get_experiment(theirs.info.experiment_id).name if before else experiment
    if before:
        is_same = is_whole and n_known == len(numbers)
        change = "nothing was changed" if is_same else "what it lacked there was added"
        notes = (f"{run_id} was already exported as {mlflow_run_id}; {change}.",)
    return ExportedRun(mlflow_run_id=mlflow_run_id, experiment=name, versions=numbers, notes=notes)


def _milliseconds(at: Any) -> int:
    return int(at.timestamp() * 1000)


def _find(client: Any, run: Run) -> Any:
    """Return the run of MLflow as which a run was exported before, or None."""
    wanted = f"tags.`{_RUN_ID}` = '{run.run_id}' and tags.`{_STARTED_AT}` = '{to_iso(run.started_at)}'"
    for some in _in_hundreds([experiment.experiment_id for experiment in _experiments(client)]):
        if found := client.search_runs(some, wanted, max_results=1):
            return found[0]
    return None


def _experiments(client: Any) -> Iterator[Any]:
    page = client.search_experiments()
    yield from page
    while page.token:
        page = client.search_experiments(page_token=page.token)
        yield from page


def _in_hundreds(names: Iterable[str]) -> Iterator[list[str]]:
    left = iter(names)
    while some := list(islice(left, 100)):
        yield some


def _tags(client: Any, runs: Runs, run: Run) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the tags of an exported run, and notes about what they cannot say."""
    named = {"bondx.diverged": ", ".join(run.diverged), "bondx.undefined": ", ".join(run.undefined)}
    tags = {
        **{name: text for name, text in run.tags.items() if name != PARENT},
        **{name: text[:_MOST_TAG_CHARACTERS] for name, text in named.items() if text},
        _RUN_ID: run.run_id,
        _STARTED_AT: to_iso(run.started_at),
        "bondx.started_by": run.started_by,
    }
    if not run.parent_id:
        return tags, ()
    parent = runs.find(run.parent_id)
    if parent is None or (theirs := _find(client, parent)) is None:
        return tags, (f"{run.run_id} is part of {run.parent_id}, which is not exported, so it is not nested there.",)
    return tags | {PARENT: theirs.info.run_id}, ()


def _experiment(client: Any, store: str, name: str) -> str:
    if (found := client.get_experiment_by_name(name)) is not None:
        return str(found.experiment_id)
    # Beside its database: MLflow's own default is a folder below wherever this process happens to run.
    location = None
    if (parsed := urlparse(store)).scheme == "sqlite":
        location = (Path(parsed.path.removeprefix("/")).absolute().parent / "mlartifacts" / name).as_uri()
    return str(client.create_experiment(name, artifact_location=location))


def _log_values(client: Any, mlflow_run_id: str, run: Run, runs: Runs) -> None:
    from mlflow.entities import Metric, Param

    texts = (Param(name, str(value)[:_MOST_CHARACTERS]) for name, value in flatten(run.parameters).items())
    while some := list(islice(texts, _MOST_PARAMETERS)):
        client.log_batch(mlflow_run_id, params=some)
    started_ms = _milliseconds(run.started_at)
    points = (Metric(name, value, started_ms, step) for name, value, step in _points(runs, run.run_id))
    while some_points := list(islice(points, _BATCH)):
        client.log_batch(mlflow_run_id, metrics=some_points)


def _points(runs: Runs, run_id: str) -> Iterator[tuple[str, float, int]]:
    """Yield the values of a run's metrics; a metric whose last value is not finite ends with NaN, there as here."""
    for page in runs.metric_pages(run_id):
        for name, history in page.items():
            yield from ((name, value, step) for step, value in history)
    yield from ((name, math.nan, step) for name, step in runs.undefined_steps(run_id).items())


def _number(client: Any, version: "ModelVersion", mlflow_run_id: str) -> str | None:
    """Return the number that an earlier export gave a version in MLflow's registry, or None."""
    for known in client.search_model_versions(f"name = '{version.model}' and run_id = '{mlflow_run_id}'"):
        if known.tags.get("bondx.version") == version.version:
            return str(known.version)
    return None


def _add_version(client: Any, version: "ModelVersion", folder: Path, theirs: Any) -> str:
    from mlflow.exceptions import MlflowException

    from core.tables.signature import TableSignature

    client.log_artifacts(theirs.info.run_id, str(folder), f"models/{version.model}")
    try:
        client.create_registered_model(version.model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    tags = {"bondx.version": version.version, "bondx.stage": version.stage, "bondx.sha256": version.manifest_sha256}
    if (signature := TableSignature.read(folder)) is not None and signature.classes:
        names = msgspec.json.encode(signature.classes).decode()
        tags |= {"bondx.classes": names} if len(names) <= _MOST_CHARACTERS else {}
    source = f"{theirs.info.artifact_uri}/models/{version.model}"
    created = client.create_model_version(
        version.model, source, theirs.info.run_id, tags=tags, description=version.description or None
    )
    return str(created.version)
