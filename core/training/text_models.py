"""A trained model of language becomes a version: judged, held to its gates, tracked as a run, and registered."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from core.actor import Actor
from core.files import write_file
from core.progress import begins
from core.registry import ModelVersion, Registry
from core.registry.contents import REPORT_NAME, with_prompt_documents
from core.settings import Settings
from core.state import Workspace
from core.tables.signature import SIGNATURE_NAME, TEXT_TASK
from core.text.data import TextData
from core.text.gates import text_gates, text_metrics
from core.text.judging import TextReport
from core.text.model_folder import CurvePoint, ModelFolder, TextModel, TextModelManifest
from core.text.prompt_reference import make_prompt_reference
from core.text.training import judge_trained, open_judged
from core.text.version import write_text_version
from core.tracking import Runs
from core.tracking.active import tracked_run
from core.tracking.experiments import checked_experiment_name, experiment_tags
from core.training.records import SessionModelFacts
from core.training.text_training import N_WRITTEN, without_folders


@dataclass(frozen=True, slots=True)
class RegisteredText:
    """What came of a registration.

    Attributes:
        version: The version.
        report: The judgement that its gates and metrics rest on.
    """

    version: ModelVersion
    report: TextReport


def register_text_model(
    workspace: Workspace,
    path: Path,
    model: str,
    settings: Settings,
    *,
    actor: Actor,
    n_written: int = N_WRITTEN,
    description: str = "",
    reason: str = "",
) -> RegisteredText:
    """Register the model in a folder of `bondx text train` as the next version of a model, in Development.

    Args:
        workspace: Where the run and the version are stored.
        path: The folder; it is not changed.
        model: The name to register it under.
        settings: `quality_gates.limits` for the gates, `experiment_name`.
        actor: Who registers.
        n_written: How many documents it writes to be judged.
        description: One line for people; by default what was trained.
        reason: Why, for the audit log.
    Raises:
        InvalidNameError: The model's name is not a valid name.
        NotFoundError: The folder holds no model.
        RefusedError: Its training is not finished, or a file was changed.
        UsageError: The documents that it learned from have changed since.
        WrongKindError: The versions of the model answer rows.
    """
    Registry(workspace).require_kind(model, writes_texts=True)
    experiment = checked_experiment_name(settings.experiment_name) or model
    opened, data = open_judged(path)
    manifest, speeds = opened.manifest, ModelFolder(path).speeds()
    report = judge_trained(opened, data, n_written=n_written)
    with tempfile.TemporaryDirectory(prefix="bondx-text-") as place, Runs(workspace) as runs:
        artifact = Path(place)
        facts = write_text_artifact(opened, data, report, artifact, settings.quality_gates.limits)
        tags = {"kind": "text model"} | experiment_tags(experiment, [manifest.architecture])
        run = tracked_run(
            workspace,
            runs,
            model,
            actor=actor,
            parameters={"model": model, **text_parameters(manifest)},
            data_hashes={"documents": manifest.corpus_sha256},
            tags=tags,
        )
        with run as tracked:
            for point in manifest.curve:
                runs.log_metrics(tracked.run_id, point.step, _at(point, manifest.floor_nats, speeds))
            runs.log_metrics(tracked.run_id, manifest.curve[-1].step, facts.metrics)
            begins("the registration")
            version = Registry(workspace).register(
                model,
                artifact,
                metrics=facts.metrics,
                lineage=facts.lineage,
                gates=facts.gates,
                actor=actor,
                run_id=tracked.run_id,
                bump="auto",
                description=description or facts.description,
                reason=reason,
                reads=True,
            )
            kept = workspace.artifacts_dir / version.path
            runs.log_artifact(tracked.run_id, kept / REPORT_NAME, kept / SIGNATURE_NAME, actor=actor)
    return RegisteredText(version, report)


def write_text_artifact(
    opened: TextModel, data: TextData, report: TextReport, folder: Path, limits: Mapping[str, float]
) -> SessionModelFacts:
    """Write the files of a version, its judgement among them, and return what the registry is told of it.

    Args:
        opened: The model.
        data: Its documents.
        report: Its judgement.
        folder: An empty folder.
        limits: Other limits of gates, as `quality_gates.limits` sets them.
    """
    manifest, metrics = opened.manifest, text_metrics(report)
    prompts = make_prompt_reference(opened.model, opened.tokenizer, data.judged.documents, data.validation.documents)
    write_text_version(opened, folder, prompts)
    told = _report(manifest, report, metrics) | with_prompt_documents(0 if prompts is None else prompts.n_documents)
    write_file(folder / REPORT_NAME, _spelled(told), durable=False)
    return SessionModelFacts(
        metrics=metrics,
        lineage={
            **_data_of(manifest, data),
            "task": TEXT_TASK,
            "algorithm": manifest.architecture,
            **_origin(manifest),
        },
        gates=text_gates(report, limits),
        description=_described(manifest),
    )


def text_parameters(manifest: TextModelManifest) -> dict[str, Any]:
    """Return what decided the training, without folders of this machine."""
    found = without_folders(msgspec.to_builtins(manifest.settings))
    return {**found, "architecture": manifest.architecture}


def _at(point: CurvePoint, floor: float | None, speeds: dict[int, float]) -> dict[str, float]:
    """Return an evaluation of the training as metrics of its step."""
    found = {"training_nats": point.training_nats, "validation_nats": point.validation_nats}
    if floor is not None:
        found |= {"floor_nats": floor, "validation_nats_above_floor": point.validation_nats - floor}
    if point.step in speeds:
        found["tokens_per_second"] = speeds[point.step]
    return found


def _data_of(manifest: TextModelManifest, data: TextData) -> dict[str, Any]:
    """Return what the lineage says of the documents."""
    settings = manifest.settings
    n_learned, n_judged = len(data.training.documents), len(data.judged.documents)
    if settings.corpus:
        learned: dict[str, Any] = {"file": {"sha256": manifest.corpus_sha256, "n_rows": n_learned}}
        return {"data": learned, "split": {"n_tested": n_judged, "is_cross_validated": False}}
    learned = {"sha256": manifest.corpus_sha256, "n_rows": n_learned, "seed": settings.seed}
    return {"data": {"documents": learned, "judged": {"n_rows": n_judged, "seed": settings.seed}}}


def _origin(manifest: TextModelManifest) -> dict[str, Any]:
    found: dict[str, Any] = {"random_seed": manifest.settings.seed, "parameters": text_parameters(manifest)}
    return {**found, "base_sha256": manifest.base_sha256} if manifest.base_sha256 else found


def _report(manifest: TextModelManifest, report: TextReport, metrics: dict[str, float]) -> dict[str, Any]:
    judged = {"judgement": msgspec.to_builtins(report, str_keys=True), "metrics": metrics}
    trained = {"curve": msgspec.to_builtins(manifest.curve), "floor_nats": manifest.floor_nats}
    return {"algorithm": manifest.architecture, "task": TEXT_TASK, **judged, **trained}


def _described(manifest: TextModelManifest) -> str:
    settings = manifest.settings
    learned = f"{settings.documents:,} documents of {settings.domain}"
    if settings.corpus:
        learned = "documents of the user's own"
    return f"{manifest.architecture} of language, {learned}"


def _spelled(report: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(report, order="deterministic"), indent=2) + b"\n"
