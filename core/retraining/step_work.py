"""The steps that compute, as the child process performs them: files and a result, whole or not at all."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from core.actor import Actor
from core.domains.catalogue import judged_by_its_domain, load_model
from core.domains.own_file import Judged
from core.errors import UsageError
from core.explain.deny_list import DenyList, withholds_cells
from core.files import make_folder, write_file, write_folder
from core.home_paths import at_home
from core.models.outcomes import Outcomes, outcomes_by
from core.monitoring.estimation.held_out import HeldOutError, HeldOutRows
from core.quality.gate import GateResult
from core.registry import ModelVersion, Registry
from core.retraining.challenger_gates import challenger_gates
from core.retraining.collecting import NO_SIGNATURE, collect
from core.retraining.comparing import VersionComparison, compare, level_slices, verdict
from core.retraining.document import Retraining, StepName
from core.retraining.drift_evidence import drift_of
from core.retraining.errors import NotPassedError
from core.retraining.files import columns_of
from core.retraining.generated import check_draws, collect_draws, compare_on_draws, train_on_draws
from core.retraining.guarding import GuardReference, guard_rows
from core.retraining.results import (
    CARD,
    INTACT,
    LEARN,
    MODEL_FOLDER,
    NEWEST,
    Card,
    StepResult,
    folder_of,
    origin_of,
    read_card,
    way_back,
)
from core.retraining.reweighing import reweigh
from core.settings import Settings, settings_in_force
from core.state import Workspace
from core.tables import ReadingRules, TableSignature
from core.tables.held_rows import units_of
from core.tables.signature import ColumnKind, Task
from core.training.errors import GatesFailedError
from core.training.own_data import TrainRequest, as_before
from core.training.own_data.continuing import WarmStart
from core.training.own_data.training import TrainedArtifact, gates_of_file, train_artifact

NEWEST_ROWS, REGRESSION_SET = "newest rows", "regression set"


@withholds_cells
def perform(workspace: Workspace, retraining: Retraining, step: StepName) -> StepResult:
    """Perform one step.

    Raises:
        NotPassedError: What it found speaks against going on.
        CoreError: It cannot be performed.
    """
    folder = folder_of(workspace, retraining.retraining_id)
    make_folder(folder)
    live = Registry(workspace).get(retraining.model, retraining.observed.champion)
    settings = settings_in_force(workspace.root)
    if retraining.policy.source.kind == "generator":
        drawn: Mapping[StepName, Callable[[], StepResult]] = {
            StepName.COLLECT: lambda: collect_draws(workspace, retraining, live, settings, folder),
            StepName.CHECK: lambda: check_draws(workspace, retraining, live, folder),
            StepName.TRAIN: lambda: train_on_draws(workspace, retraining, live, folder),
            StepName.VALIDATE: lambda: _validate(workspace, retraining, live, settings, folder),
        }
        return drawn[step]()
    work: Mapping[StepName, Callable[[], StepResult]] = {
        StepName.COLLECT: lambda: _collect(workspace, retraining, live, settings, folder),
        StepName.CHECK: lambda: _check(workspace, retraining, live, settings, folder),
        StepName.TRAIN: lambda: _BY_METHOD[retraining.policy.method](workspace, retraining, live, settings, folder),
        StepName.VALIDATE: lambda: _validate(workspace, retraining, live, settings, folder),
    }
    return work[step]()


def _collect(
    workspace: Workspace, retraining: Retraining, live: ModelVersion, settings: Settings, folder: Path
) -> StepResult:
    found = collect(
        workspace, live, retraining.policy, as_of=retraining.as_of, seed=settings.random_seed, folder=folder
    )
    notes = "; ".join(found["notes"])
    reason = f"{found['n_learn']:,} rows to learn from, the newest {found['n_newest']:,} held out"
    return StepResult(outcome="done", reason=f"{reason}; {notes}" if notes else reason, evidence=found)


def _check(
    workspace: Workspace, retraining: Retraining, live: ModelVersion, settings: Settings, folder: Path
) -> StepResult:
    checks = retraining.policy.checks
    with Registry(workspace).opened(live.model, live.version) as artifact:
        model, signature = load_model(artifact), _signature(artifact, live)
        answered = [_answered(model, signature, folder / name) for name in (LEARN, NEWEST)]
        frame = _together([each.rows for each in answered])
        outcomes = Outcomes(
            frame,
            np.concatenate([each.answer for each in answered]),
            np.concatenate([_actual(each) for each in answered]),
            answered[0].classes,
        )
        held_out, flip_note = None, ""
        drift = drift_of(workspace, live, artifact, outcomes)
        try:
            held_out = HeldOutRows.read(artifact, live.key)
        except HeldOutError as error:
            flip_note = str(error)
    reference = None if held_out is None else GuardReference(held_out.answer, held_out.actual)
    findings = guard_rows(
        outcomes,
        signature.columns,
        units_of(frame, signature),
        reference,
        checks,
        seed=settings.random_seed,
        note=flip_note,
        flips=signature.task is not Task.ANOMALY,
    )
    evidence: dict[str, Any] = {each.name: {**each.figures, "found": each.reason} for each in findings}
    evidence["drift"] = drift
    gates = gates_of_file(_recipe(live, signature, folder / LEARN), settings)
    evidence["gates"] = _not_passed(gates)
    if failed := [f"{gate.name}: {gate.sentence}" for gate in gates if gate.blocks]:
        raise NotPassedError(f"the rows failed a quality gate: {'; '.join(failed)}", evidence)
    if refused := [each for each in findings if each.passed is False]:
        raise NotPassedError("; ".join(each.reason for each in refused), evidence)
    evidence["way_back"] = way_back(live)
    unknown = [f"{each.name} not judged ({each.reason})" for each in findings if each.passed is None]
    drifted = f"drift against the training data: {drift['verdict']}"
    said = ["no sign of poisoning", drifted, *unknown, INTACT.format(live.key)]
    return StepResult(outcome="done", reason="; ".join(said), evidence=evidence)


def _train(
    workspace: Workspace, retraining: Retraining, live: ModelVersion, settings: Settings, folder: Path
) -> StepResult:
    settings = msgspec.structs.replace(settings, advanced=retraining.policy.tuned(settings.advanced))
    trained: list[TrainedArtifact] = []
    with Registry(workspace).opened(live.model, live.version) as artifact:
        signature = _signature(artifact, live)
        request = _recipe(live, signature, folder / LEARN)

        def load() -> Judged:
            return _judged(load_model(artifact), signature, folder / LEARN)

        n_new = int(retraining.observed.step(StepName.COLLECT).evidence.get("n_new", 0))
        warm = WarmStart(live.key, load, n_new) if retraining.policy.start == "warm" else None

        def fill(place: Path) -> None:
            trained.append(train_artifact(workspace, request, settings, place, actor=Actor.engine(), warm=warm))

        try:
            write_folder(folder / MODEL_FOLDER, fill)
        except GatesFailedError as error:
            raise NotPassedError(str(error), {}) from error
    (found,) = trained
    lineage = {
        **found.lineage,
        "retraining": origin_of(retraining),
    }
    card = Card(
        metrics=found.metrics,
        lineage=lineage,
        gates=found.gates,
        description=f"{found.description}, trained anew by {retraining.retraining_id}",
        run_id=found.run.run_id,
    )
    write_file(folder / CARD, msgspec.json.encode(card))
    ships = str(found.report.get("ships"))
    tuned, started = found.report.get("tuning"), found.report.get("start")
    evidence = {
        "ships": ships,
        "n_rows": found.report["split"]["n_shipped"],
        "metrics": {name: round(value, 6) for name, value in found.metrics.items()},
        "gates": _not_passed(found.gates),
        **({"tuning": tuned["why"]} if tuned else {}),
        **({"start": started["why"]} if started else {}),
    }
    return StepResult(
        outcome="done",
        reason=f"{ships} trained on {evidence['n_rows']:,} rows as {live.key} was"
        + (f"; {started['why']}" if started else "")
        + (f"; tuning: {tuned['why']}" if tuned else ""),
        evidence=evidence,
        run_id=found.run.run_id,
    )


_BY_METHOD: Mapping[str, Callable[[Workspace, Retraining, ModelVersion, Settings, Path], StepResult]] = {
    "train": _train,
    "reweigh": reweigh,
}


def _recipe(live: ModelVersion, signature: TableSignature, file: Path) -> TrainRequest:
    """Ask for what the live version was asked for, in the columns that it reads."""
    present = set(columns_of(file))
    request = as_before(live, TrainRequest(live.model, file, target=signature.target))
    kinds = dict(signature.kinds)
    if signature.target is not None and signature.target_kind is not None:
        is_number = signature.task is Task.REGRESSION and signature.target_kind is ColumnKind.INTEGER
        kinds[signature.target] = ColumnKind.NUMBER if is_number else signature.target_kind
    return replace(
        request,
        task=signature.task,
        group=signature.group if signature.group in present else None,
        time=signature.time if signature.time in present else None,
        rules=ReadingRules(kinds=kinds),
        drop_missing_target=False,
    )


def _validate(
    workspace: Workspace, retraining: Retraining, live: ModelVersion, settings: Settings, folder: Path
) -> StepResult:
    policy = retraining.policy.validation
    new_folder = folder / read_card(folder).folder
    found: dict[str, VersionComparison] = {}
    attained: dict[str, float] = {}
    if retraining.policy.source.kind == "generator":
        found[NEWEST_ROWS], attained = compare_on_draws(workspace, retraining, live, new_folder, folder)
    else:
        found[NEWEST_ROWS] = _compared(
            workspace, live, new_folder, folder / NEWEST, NEWEST_ROWS, policy.margin, policy.slice_margin
        )
    if policy.regression_set:
        file = at_home(policy.regression_set)
        file = file if file.is_absolute() else workspace.root / file
        found[REGRESSION_SET] = _compared(
            workspace, live, new_folder, file, REGRESSION_SET, policy.regression_margin, policy.slice_margin
        )
    denied = DenyList.of(settings.explanation)
    found = {name: each.without_names(denied) for name, each in found.items()}
    evidence: dict[str, Any] = {name: each.figures() for name, each in found.items()}
    if attained:
        evidence["attainment"] = attained
    if (refusal := verdict(found, needs_superiority=retraining.needs_superiority)) is not None:
        raise NotPassedError(refusal, evidence)
    gates = challenger_gates(workspace, live, new_folder, policy, settings)
    if gates:
        evidence["gates"] = [msgspec.to_builtins(gate) for gate in gates]
    if failed := [f"{gate.name}: {gate.sentence}" for gate in gates if gate.blocks]:
        raise NotPassedError("; ".join(failed), evidence)
    first = found[NEWEST_ROWS]
    shown = "better" if first.whole.is_superior else "not worse"
    reason = f"shown to be {shown} on the {first.whole.sentence(first.unit)}"
    if len(attained) == 2:
        reason += f"; attainment {attained['new']:.3f} against {attained['live']:.3f}"
    reason += "".join(f"; {gate.name}: {gate.sentence}" for gate in gates)
    return StepResult(outcome="done", reason=reason, evidence=evidence)


def _compared(
    workspace: Workspace,
    live: ModelVersion,
    new_folder: Path,
    file: Path,
    name: str,
    margin: float,
    slice_margin: float,
) -> VersionComparison:
    """Compare both versions on the rows of a file that has their outcomes."""
    new_model, new_signature = load_model(new_folder), TableSignature.read(new_folder)
    with Registry(workspace).opened(live.model, live.version) as artifact:
        model, signature = load_model(artifact), TableSignature.read(artifact)
        old = _answered(model, signature, file)
        new = _answered(new_model, new_signature or signature, file)
    slices = () if signature is None else level_slices(old.rows, signature.columns)
    groups = np.arange(len(old.rows)) if signature is None else units_of(old.rows, signature)
    return compare(name, old, new, slices, groups, margin=margin, slice_margin=slice_margin)


def _not_passed(gates: Iterable[GateResult]) -> list[str]:
    return [f"{gate.name}: {gate.verdict}" for gate in gates if str(gate.verdict) != "pass"]


def _signature(artifact: Path, live: ModelVersion) -> TableSignature:
    signature = TableSignature.read(artifact)
    if signature is None or signature.target is None:
        raise NotPassedError(NO_SIGNATURE.format(live.key), {})
    return signature


def _judged(model: Any, signature: TableSignature | None, file: Path) -> Judged:
    found = judged_by_its_domain(model, signature, file, ReadingRules())
    if found is None:
        raise UsageError(f"{model.name} models cannot be evaluated on a file.")
    return found


def _answered(model: Any, signature: TableSignature | None, file: Path) -> Outcomes:
    """Let a version answer the rows of a file that has their outcomes."""
    found = _judged(model, signature, file)
    outcomes = outcomes_by(model, found.frame)
    if outcomes.actual is None:
        raise UsageError(f"{file} has no outcomes.")
    return outcomes


def _actual(outcomes: Outcomes) -> Any:
    assert outcomes.actual is not None
    return outcomes.actual


def _together(frames: list[Any]) -> Any:
    import pandas as pd
    from pandas.api.types import union_categoricals

    first, *others = frames
    columns = {}
    for name in first:
        parts = [first[name], *(each[name] for each in others)]
        if isinstance(first[name].dtype, pd.CategoricalDtype):
            columns[name] = pd.Series(union_categoricals([part.astype("category") for part in parts]))
        else:
            columns[name] = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns)
