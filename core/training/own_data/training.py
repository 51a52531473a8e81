"""From a file to a registered version. Nothing is written until the file is known to be usable."""

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.actor import Actor
from core.domains.own_file import PreparedTraining
from core.errors import UsageError
from core.escape import shown, spelled_out
from core.executors.opening import opened
from core.executors.work import Executor
from core.explain.conformal import CONFORMAL_NAME
from core.explain.deny_list import DenyList
from core.explain.documents import GlobalExplanation
from core.explain.stored import EXPLANATION_NAME, StoredExplanation
from core.files import write_file
from core.models import Model
from core.models.algorithms import AUTO
from core.models.errors import UnknownAlgorithmError
from core.models.estimated_attainment import EstimatedAttainment
from core.models.tuning.trial import Trial
from core.monitoring.data_profile import PROFILE_NAME, DataProfile, figures_of
from core.monitoring.estimation.held_out import HELD_OUT_NAME, HeldOutRows
from core.monitoring.profiling import profile_columns, profile_of, time_of
from core.progress import begins
from core.protection import classified
from core.quality import assess, custom
from core.quality.checks.fitted_model import BEATS_CONSTANT, NO_LEAK, FittedModel
from core.quality.gate import GateResult
from core.registry import ModelVersion, Registry
from core.seeds import derive_seed
from core.settings import ModelSettings, Settings
from core.settings.patterns import is_listed
from core.state import Workspace
from core.tables import Table, Task, read_table
from core.tables.copies import copied_rows
from core.tables.parts import PartedTable, parted
from core.tables.signature import SIGNATURE_NAME
from core.tracking import Run, Runs
from core.tracking.active import tracked_run
from core.tracking.experiments import checked_experiment_name, experiment_tags
from core.training.ensemble_plan import asked_ensembles, models_left_out
from core.training.errors import GatesFailedError
from core.training.explaining import conformal_of, explanation_of_training
from core.training.own_data.continuing import WarmStart, continued
from core.training.own_data.parts import is_read_by_workers, prepare_parts, require_possible
from core.training.own_data.preparation import prepare
from core.training.own_data.request import TrainRequest
from core.training.own_data.testing import Tested, fit_and_test
from core.training.own_data.tuning import FileSearch
from core.training.stopwatch import Stopwatch
from core.training.tuning.records import TuningRecord
from core.training.tuning.trial_runs import TrialRuns

if TYPE_CHECKING:
    from core.executors.dask_cluster import DaskExecutor

REPORT_NAME = "report.json"


@dataclass(frozen=True, slots=True)
class Trained:
    """The result of the training."""

    version: ModelVersion
    run: Run
    report: dict[str, Any]
    notes: tuple[str, ...]
    seconds: dict[str, float]  # of each part of the training; stored nowhere, since a model's files have no clock times


@dataclass(frozen=True, slots=True)
class TrainedArtifact:
    """A tested model in a folder, with what its registration says of it.

    Attributes:
        model: The name to register it under.
        metrics: Of the test.
        lineage: Where it comes from.
        gates: The verdicts on its data, and on itself.
        description: One line for people.
        run: The tracked run.
        report: What its folder holds as `report.json`.
        notes: How the file was read, a sentence each.
    """

    model: str
    metrics: dict[str, float]
    lineage: dict[str, Any]
    gates: tuple[GateResult, ...]
    description: str
    run: Run
    report: dict[str, Any]
    notes: tuple[str, ...]

    def register(self, registry: Registry, folder: Path, *, actor: Actor) -> ModelVersion:
        """Register the folder as the next version."""
        return registry.register(
            self.model,
            folder,
            metrics=self.metrics,
            lineage=self.lineage,
            gates=self.gates,
            actor=actor,
            run_id=self.run.run_id,
            bump="auto",
            description=self.description,
        )


def train_on_file(workspace: Workspace, request: TrainRequest, settings: Settings, *, actor: Actor) -> Trained:
    """Train a model on a file, test it, track the run and register the version.

    A domain's model is trained where the file has its columns; any other name makes a table model.

    Args:
        workspace: Where the run and the version are stored.
        request: Which model to train, on which file.
        settings: `random_seed`, `quality_gates`, `experiment_name`, and `models.NAME` for algorithm and parameters.
        actor: Who trains.
    Raises:
        TableError: The file cannot be used; nothing was written.
        GatesFailedError: The data failed a blocking quality gate; nothing was written.
        UnknownGateError: `quality_gates.custom_gates` names a gate that is not installed.
        InvalidNameError: The model's name is not a valid name.
        UsageError: The experiment's name is not one visible line.
        UnknownAlgorithmError, UnknownParameterError: The settings name something unknown to the model.
    """
    watch = Stopwatch()
    with tempfile.TemporaryDirectory(prefix="bondx-train-") as place:
        folder = Path(place)
        with _tested_artifact(workspace, request, settings, folder, actor=actor, watch=watch) as (runs, found):
            version = found.register(Registry(workspace), folder, actor=actor)
            runs.log_artifact(found.run.run_id, *_files(workspace, version), actor=actor)
    watch.lap("registration")
    return Trained(version, Runs(workspace).get(found.run.run_id), found.report, found.notes, watch.seconds)


def train_artifact(
    workspace: Workspace,
    request: TrainRequest,
    settings: Settings,
    folder: Path,
    *,
    actor: Actor,
    warm: WarmStart | None = None,
) -> TrainedArtifact:
    """Train a model on a file in memory into a folder, and register nothing; the run is tracked.

    Args:
        workspace: Where the run is stored.
        request: Which model to train, on which file.
        settings: As for `train_on_file`.
        folder: An empty folder, which becomes the artifact.
        actor: Who trains.
        warm: A version that learns on instead where it does better so; None: only a new model is trained.
    Raises:
        CoreError: As `train_on_file`.
    """
    # The file is one that this process has written, where no worker of another machine finds it.
    settings = msgspec.structs.replace(settings, executor=msgspec.structs.replace(settings.executor, tables="memory"))
    made = _tested_artifact(workspace, request, settings, folder, actor=actor, watch=Stopwatch(), warm=warm)
    with made as (runs, found):
        runs.log_artifact(found.run.run_id, folder / REPORT_NAME, folder / SIGNATURE_NAME, actor=actor)
    return found


def gates_of_file(request: TrainRequest, settings: Settings) -> tuple[GateResult, ...]:
    """Hold the rows of a file to the quality gates of a training, and train nothing; raises as `train_on_file`."""
    cells = DenyList.of_cells(settings)
    with cells.withholding():
        table = read_table(request.data, rules=request.rules).without_quotes(cells.patterns)
        _, prepared = _prepared(table, request, settings)
    return _gates(prepared, settings)


def _gates(prepared: PreparedTraining, settings: Settings) -> tuple[GateResult, ...]:
    columns = tuple(map(str, prepared.frame.columns))
    return assess(
        prepared.frame,
        prepared.checks,
        settings.quality_gates,
        source="the file",
        denied=DenyList.of(settings.explanation).among(columns),
        unquoted=DenyList.of_cells(settings).among(columns),
    ).gates


@contextmanager
def _tested_artifact(
    workspace: Workspace,
    request: TrainRequest,
    settings: Settings,
    folder: Path,
    *,
    actor: Actor,
    watch: Stopwatch,
    warm: WarmStart | None = None,
) -> Iterator[tuple[Runs, TrainedArtifact]]:
    """Train and test into a folder; the run is open while the caller uses the result."""
    Registry(workspace).require_kind(request.model, writes_texts=False)
    experiment = checked_experiment_name(request.experiment or settings.experiment_name) or request.model
    custom.require_known(settings.quality_gates.custom_gates)
    with opened(settings) as chosen:
        data, own, prepared = _read(request, settings, chosen)
        prepared = _with_copies(prepared)
        _require_open_target(prepared.signature.target, settings)
        gates = _gates(prepared, settings)
        if failed := tuple(gate for gate in gates if gate.blocks):
            raise GatesFailedError(request.data, failed)
        watch.lap("reading and checks")
        with _trained(
            workspace,
            request,
            settings,
            folder,
            data,
            own,
            prepared,
            gates,
            experiment=experiment,
            actor=actor,
            watch=watch,
            warm=warm,
        ) as found:
            yield found


def _with_copies(prepared: PreparedTraining) -> PreparedTraining:
    """Tell of rows that occur again among others, once: a search prepares the table for each trial."""
    copies = copied_rows(prepared.frame, prepared.signature)
    if copies is None:
        return prepared
    return replace(prepared, copies=str(copies), notes=(*prepared.notes, spelled_out(f"{copies}.")))


def _require_open_target(target: str | None, settings: Settings) -> None:
    """Refuse to train on a target that must not appear; a pattern such as `*` is about the columns that a model reads.

    Raises:
        UsageError: The settings name it.
    """
    if target is not None and is_listed(target, settings.explanation.denied_columns):
        by = "protection.secret" if is_listed(target, settings.protection.secret) else "explanation.denied_columns"
        raise UsageError(
            f"{by} names {shown(target)}, the target: what a model answers are values of it, and the names of its "
            "classes. Take it off the list, or train on another target."
        )


@contextmanager
def _trained(
    workspace: Workspace,
    request: TrainRequest,
    settings: Settings,
    folder: Path,
    data: Table | PartedTable,
    own: ModelSettings,
    prepared: PreparedTraining,
    gates: tuple[GateResult, ...],
    *,
    experiment: str,
    actor: Actor,
    watch: Stopwatch,
    warm: WarmStart | None,
) -> Iterator[tuple[Runs, TrainedArtifact]]:
    """Train and test what is prepared; the run is open while the caller uses the result."""
    seed = derive_seed(settings.random_seed, "own data")
    tags = {"kind": "own data"} | experiment_tags(experiment, [own.algorithm])
    if prepared.model.warnings:
        tags["warning"] = " ".join(prepared.model.warnings)
    tags |= _told(prepared, settings)
    file = _file_of(data, prepared)
    with (
        Runs(workspace) as runs,
        _tracked(workspace, runs, file["sha256"], request, own, settings, actor, tags) as run,
    ):
        record = None
        if isinstance(data, Table):
            own, prepared, record = _tuned(data, request, own, settings, prepared, TrialRuns(runs, actor=actor), run)
        watch.lap("search of parameters")
        with threadpool_limits(1):  # on a busy machine two threads of one matrix product wait for each other
            is_tuned = record is not None and record.ships
            start = None if warm is None else continued(warm, prepared, seed=seed)
            if start is not None and start.tested is not None:
                prepared, tested = start.prepared, start.tested
            else:
                tested = fit_and_test(prepared, seed=seed, watch=watch, cross_validates=not is_tuned)
            is_continued = start is not None and start.tested is not None
            tested, attained = _attained(prepared, tested, settings, is_continued=is_continued, seed=seed)
            if attained:
                watch.lap("attainment")
        runs.log_metrics(run.run_id, 1, tested.metrics)
        begins("the registration")
        profile = _profile(prepared, tested)
        held_out = _held_out(prepared, tested, settings)
        report = _report(prepared, tested, profile, DenyList.of(settings.explanation)) | attained
        if record is not None:
            report["tuning"] = msgspec.to_builtins(record)
        if warm is not None and start is not None:
            report["start"] = {"continues": start.tested is not None, "version": warm.key, "why": start.why}
        additions = {PROFILE_NAME: profile.to_bytes()}
        if held_out is not None:
            additions[HELD_OUT_NAME] = held_out.to_bytes()
        if (conformal := conformal_of(held_out)) is not None:
            additions[CONFORMAL_NAME] = conformal.to_bytes()
        explained = _explained(prepared, tested, settings)
        if explained is not None:
            additions[EXPLANATION_NAME] = StoredExplanation(report=explained).to_bytes()
        found = _written(folder, file, request, settings, prepared, gates, report, additions, run=run)
        runs.set_tags(run.run_id, experiment_tags(experiment, [str(report.get("ships", own.algorithm))]), actor=actor)
        yield runs, found


def _tuned(
    table: Table,
    request: TrainRequest,
    own: ModelSettings,
    settings: Settings,
    prepared: PreparedTraining,
    trials: TrialRuns,
    run: Run,
) -> tuple[ModelSettings, PreparedTraining, TuningRecord | None]:
    """Search the parameters that the settings switch on; every trial is a child of the run.

    Returns:
        The recipe to train with, the table prepared for it, and the verdict of the search.
    """
    if not settings.advanced.enable_hyperparameter_tuning:
        return own, prepared, None

    def keep(search: str, trial: Trial) -> None:
        trials.record_one(run.run_id, f"{request.model}, {search}", trial)

    found = FileSearch(settings.training, table, request, own, prepared, keep=keep).find()
    notes = (*found.notes, *([f"Tuning: {found.record.why}."] if found.record is not None else ()))
    after = prepared
    if found.own != own:
        after = prepare(table, request, found.own, random_seed=settings.random_seed)
    return found.own, replace(after, notes=(*prepared.notes, *notes), copies=prepared.copies), found.record


def _read(
    request: TrainRequest, settings: Settings, chosen: Executor
) -> tuple[Table | PartedTable, ModelSettings, PreparedTraining]:
    """Read the file, or let the workers of the cluster read it, and prepare the training."""
    if not is_read_by_workers(request.data, settings):
        cells = DenyList.of_cells(settings)
        with cells.withholding():
            table = read_table(request.data, rules=request.rules).without_quotes(cells.patterns)
            return table, *_prepared(table, request, settings)
    own = settings.models.get(request.model, ModelSettings())
    require_possible(request, own, settings)
    begins(f"cutting {request.data_name}")
    data = parted(request.data)
    with DenyList.of_cells(settings).withholding():
        return data, own, prepare_parts(data, request, own, settings, cast("DaskExecutor", chosen))


def _file_of(data: Table | PartedTable, prepared: PreparedTraining) -> dict[str, Any]:
    """Return what the lineage says of the file."""
    if isinstance(data, Table):
        return {"sha256": data.source.sha256, "n_rows": len(data)}
    assert prepared.elsewhere is not None
    return {"sha256": data.sha256, "n_rows": prepared.elsewhere.n_in_files}


def _prepared(table: Table, request: TrainRequest, settings: Settings) -> tuple[ModelSettings, PreparedTraining]:
    """Prepare the ensemble that the settings switch on if no algorithm is named and the task allows it.

    Returns:
        The algorithm and its parameters, and the training.
    """
    own = settings.models.get(request.model, ModelSettings())
    ensembles, notes = asked_ensembles(settings) if own.algorithm == AUTO else ((), ())
    notes = (*notes, *models_left_out(settings)) if own.algorithm == AUTO else notes
    if ensembles:
        first, *others = ensembles
        combined = ModelSettings(algorithm=first.strategy, parameters=first.parameters)
        if others:
            notes = (*notes, f"Of a file one ensemble is tried: {first.strategy}.")
        try:
            prepared = prepare(table, request, combined, random_seed=settings.random_seed)
            return combined, replace(prepared, notes=(*prepared.notes, *notes))
        except UnknownAlgorithmError:
            notes = (*notes, f"{first.strategy} combines methods for a number or two classes: trained singly.")
    prepared = prepare(table, request, own, random_seed=settings.random_seed)
    return own, replace(prepared, notes=(*prepared.notes, *notes))


def _tracked(
    workspace: Workspace,
    runs: Runs,
    sha256: str,
    request: TrainRequest,
    own: ModelSettings,
    settings: Settings,
    actor: Actor,
    tags: dict[str, str],
) -> AbstractContextManager[Run]:
    """Open a run of what the file, the request and the settings say."""
    return tracked_run(
        workspace,
        runs,
        request.model,
        actor=actor,
        parameters={
            "model": request.model,
            "target": request.target,
            "task": request.task,
            "group": request.group,
            "time": request.time,
            "algorithm": own.algorithm,
            "random_seed": settings.random_seed,
            **request.of_the_file(),
            **{f"parameters.{name}": value for name, value in own.parameters.items()},
        },
        data_hashes={request.data_name: sha256},
        tags=tags,
    )


def _told(prepared: PreparedTraining, settings: Settings) -> dict[str, str]:
    """Record how the file was read, and which columns are left out, as the command line says it."""
    notes = [note for note in _told_notes(prepared, settings) if note not in prepared.model.warnings]
    return {"notes": " ".join(notes)} if notes else {}


def _told_notes(prepared: PreparedTraining, settings: Settings) -> tuple[str, ...]:
    """Return the notes without those on denied columns; those on personal ones quote no cell."""
    columns = (*map(str, prepared.frame), *prepared.signature.names)
    return DenyList.of(settings.explanation).silent(prepared.notes, columns)


def _profile(prepared: PreparedTraining, tested: Tested) -> DataProfile:
    signature = prepared.signature
    features = tuple(name for name in signature.names if name != signature.group)
    kinds = {name: signature.kinds[name] for name in features}
    if signature.target is not None and signature.target_kind is not None:
        kinds[signature.target] = signature.target_kind
    time = signature.time or time_of(signature.kinds)
    columns = profile_columns(prepared.frame, kinds, signature.group, time)
    return profile_of(
        columns,
        features=features,
        target=signature.target,
        group=signature.group,
        held_out=tested.outcomes,
        time=time,
    )


def _attained(
    prepared: PreparedTraining, tested: Tested, settings: Settings, *, is_continued: bool, seed: int
) -> tuple[Tested, dict[str, Any]]:
    """Estimate the attainment if the settings ask for it.

    Returns:
        The test with its metrics, and what the report says of it.
    """
    n_tables = settings.attainment.tables
    if not n_tables:
        return tested, {}
    begins("the attainment")
    seed = derive_seed(seed, "attainment")
    if prepared.elsewhere is not None:
        found: EstimatedAttainment | str = "the rows are with the workers of a cluster, and no process holds them all"
    elif is_continued:
        found = "the version learns on, and the rows that it learned from before are not in the file"
    else:
        found = prepared.model.estimated_attainment(prepared.frame, n_tables=n_tables, seed=seed)
    if isinstance(found, str):
        return tested, {"attainment": {"why_not": found}}
    return replace(tested, metrics=tested.metrics | found.metrics()), {"attainment": asdict(found)}


def _explained(prepared: PreparedTraining, tested: Tested, settings: Settings) -> GlobalExplanation | None:
    model = prepared.model if isinstance(prepared.model, Model) else getattr(prepared.model, "model", None)
    if not isinstance(model, Model):
        return None
    group = None if prepared.signature is None else prepared.signature.group
    with threadpool_limits(1):
        return explanation_of_training(model, tested.outcomes.rows, settings.explanation, group=group)


def _held_out(prepared: PreparedTraining, tested: Tested, settings: Settings) -> HeldOutRows | None:
    importance = prepared.model.feature_importance()
    return HeldOutRows.of(
        prepared.model,
        tested.outcomes,
        sorted(prepared.signature.names, key=lambda name: -importance.get(name, 0.0)),
        group=prepared.signature.group,
        most=settings.held_out.rows,
        masked=settings.held_out.masked,
    )


def _report(prepared: PreparedTraining, tested: Tested, profile: DataProfile, denied: DenyList) -> dict[str, Any]:
    return {
        **prepared.model.report(),
        "feature_importance": prepared.model.feature_importance(),
        "metrics": tested.metrics,
        "slices": denied.visible_slices(tested.slices),
        "data_profile": figures_of(profile.data_columns, masks=denied.hides_values),
        "split": tested.split,
        "notice": tested.notice,
        "notes": list(prepared.notes),
    }


def _written(
    folder: Path,
    file: dict[str, Any],
    request: TrainRequest,
    settings: Settings,
    prepared: PreparedTraining,
    gates: tuple[GateResult, ...],
    report: dict[str, Any],
    additions: dict[str, bytes],
    *,
    run: Run,
) -> TrainedArtifact:
    """Write the artifact, and judge what can only be judged of a trained model."""
    metrics, denied = report["metrics"], DenyList.of(settings.explanation)
    fitted = FittedModel(
        n_rows=report["split"]["n_tested"],
        is_cross_validated=report["split"]["is_cross_validated"],
        metrics=metrics,
        importance=report["feature_importance"],
        single_feature_leak=report.get("single_feature_leak", {}),
        denied=denied.among((*report["feature_importance"], *prepared.signature.names)),
        copies=prepared.copies,
    )
    checks = (NO_LEAK,) if prepared.signature.task is Task.ANOMALY else (NO_LEAK, BEATS_CONSTANT)
    after = (check.apply(fitted, settings.quality_gates) for check in checks)
    signature = classified(prepared.signature, settings.protection)
    if prepared.model.signature is not None:  # a table model keeps it among the files that it hashes
        prepared.model.signature = signature
    prepared.model.save(folder)
    write_file(folder / SIGNATURE_NAME, signature.to_bytes(), durable=False)
    content = msgspec.json.format(msgspec.json.encode(report, order="deterministic"), indent=2)
    write_file(folder / REPORT_NAME, content + b"\n", durable=False)
    for name, content in additions.items():
        write_file(folder / name, content, durable=False)
    start = report.get("start", {})
    told = f"{file['n_rows']} rows of the user's own"
    if start.get("continues"):
        told = f"{start['version']} continued with {len(prepared.frame)} rows of the user's own"
    return TrainedArtifact(
        model=request.model,
        metrics=metrics,
        lineage={
            "data": {"file": file},
            "random_seed": settings.random_seed,
            "task": str(prepared.signature.task),
            "target": prepared.signature.target,
            "split": report["split"],
            "chosen": report.get("ships"),
            **({"request": asked} if (asked := request.recorded()) else {}),
            **({"continues": start["version"]} if start.get("continues") else {}),
        },
        gates=(*gates, *after),
        description=f"{report.get('ships')}, {told}",
        run=run,
        report=report,
        notes=_told_notes(prepared, settings),
    )


def _files(workspace: Workspace, version: ModelVersion) -> list[Path]:
    folder = workspace.artifacts_dir / version.path
    return [folder / REPORT_NAME, folder / SIGNATURE_NAME]
