"""A trained model of language becomes a version: judged, held to its gates, tracked as a run, and registered."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from core.actor import Actor
from core.files import write_file
from core.progress import begins
from core.registry import ModelVersion, Registry
from core.registry.contents import REPORT_NAME
from core.registry.numbering import checked_model_name
from core.settings import Settings
from core.state import Workspace
from core.tables.signature import SIGNATURE_NAME, TEXT_TASK
from core.text.data import text_data
from core.text.gates import text_gates, text_metrics
from core.text.judging import TextReport
from core.text.model_folder import CurvePoint, ModelFolder, TextModelManifest
from core.text.training import judge_folder
from core.text.version import write_text_version
from core.tracking import Runs
from core.tracking.active import tracked_run
from core.tracking.experiments import checked_experiment_name, experiment_tags

N_WRITTEN = 200


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
    """
    checked_model_name(model)
    experiment = checked_experiment_name(settings.experiment_name) or model
    folder = ModelFolder(path)
    report = judge_folder(path, n_written=n_written)
    with tempfile.TemporaryDirectory(prefix="bondx-text-") as place, Runs(workspace) as runs:
        artifact = Path(place)
        manifest = write_text_version(path, artifact).manifest
        metrics, data = text_metrics(report), _data_of(manifest)
        write_file(artifact / REPORT_NAME, _spelled(_report(manifest, report, metrics)), durable=False)
        tags = {"kind": "text model"} | experiment_tags(experiment, [manifest.architecture])
        run = tracked_run(
            workspace,
            runs,
            model,
            actor=actor,
            parameters={"model": model, **_parameters(manifest)},
            data_hashes={"documents": manifest.corpus_sha256},
            tags=tags,
        )
        with run as opened:
            speeds = folder.speeds()
            for point in manifest.curve:
                runs.log_metrics(opened.run_id, point.step, _at(point, manifest.floor_nats, speeds))
            runs.log_metrics(opened.run_id, manifest.curve[-1].step, metrics)
            begins("the registration")
            version = Registry(workspace).register(
                model,
                artifact,
                metrics=metrics,
                lineage={**data, "task": TEXT_TASK, "algorithm": manifest.architecture, **_origin(manifest)},
                gates=text_gates(report, settings.quality_gates.limits),
                actor=actor,
                run_id=opened.run_id,
                bump="auto",
                description=description or _described(manifest),
                reason=reason,
                reads=True,
            )
            kept = workspace.artifacts_dir / version.path
            runs.log_artifact(opened.run_id, kept / REPORT_NAME, kept / SIGNATURE_NAME, actor=actor)
    return RegisteredText(version, report)


def _parameters(manifest: TextModelManifest) -> dict[str, Any]:
    """Return what decided the training, without folders of this machine."""
    found: dict[str, Any] = msgspec.to_builtins(manifest.settings)
    found |= {name: Path(found[name]).name for name in ("corpus", "base") if found[name]}
    return {**found, "architecture": manifest.architecture}


def _at(point: CurvePoint, floor: float | None, speeds: dict[int, float]) -> dict[str, float]:
    """Return an evaluation of the training as metrics of its step."""
    found = {"training_nats": point.training_nats, "validation_nats": point.validation_nats}
    if floor is not None:
        found |= {"floor_nats": floor, "validation_nats_above_floor": point.validation_nats - floor}
    if point.step in speeds:
        found["tokens_per_second"] = speeds[point.step]
    return found


def _data_of(manifest: TextModelManifest) -> dict[str, Any]:
    """Return what the lineage says of the documents."""
    settings, data = manifest.settings, text_data(manifest.settings)
    n_learned, n_judged = len(data.training.documents), len(data.judged.documents)
    if settings.corpus:
        learned: dict[str, Any] = {"file": {"sha256": manifest.corpus_sha256, "n_rows": n_learned}}
        return {"data": learned, "split": {"n_tested": n_judged, "is_cross_validated": False}}
    learned = {"sha256": manifest.corpus_sha256, "n_rows": n_learned, "seed": settings.seed}
    return {"data": {"documents": learned, "judged": {"n_rows": n_judged, "seed": settings.seed}}}


def _origin(manifest: TextModelManifest) -> dict[str, Any]:
    found: dict[str, Any] = {"random_seed": manifest.settings.seed, "parameters": _parameters(manifest)}
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
