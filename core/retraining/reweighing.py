"""The training step that trains nothing: the weights of a live ensemble follow the outcomes of new rows.

The members stay as they are, to the byte, and so do the rows that they learned from; what depends on the answers, the
profile and the held-out rows, is computed anew from the newest rows, which moved no weight. The weights start from
those that the ensemble was trained with, and follow the rows in the order of their time, so the same rows give the same
weights however often they moved before: there is no state but the rows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from core.actor import Actor
from core.domains.catalogue import judged_by_its_domain, load_model
from core.domains.own_file import Judged
from core.errors import UsageError
from core.files import write_file, write_folder
from core.models.errors import NotReweighableError
from core.models.reweighing import Reweighing
from core.monitoring.data_profile import ProfileError
from core.registry import ModelVersion, Registry
from core.registry.contents import REPORT_NAME, read_object
from core.retraining.collecting import NO_SIGNATURE
from core.retraining.document import Retraining
from core.retraining.errors import NotPassedError
from core.retraining.results import CARD, LEARN, MODEL_FOLDER, NEWEST, Card, StepResult, origin_of
from core.settings import Settings
from core.settings.sealing import content_sha256
from core.state import Workspace
from core.tables import ReadingRules, TableSignature
from core.tables.signature import SIGNATURE_NAME
from core.tracking import Run, Runs, tracked_run
from core.training.answered_files import files_of_answers
from core.training.version_profile import profile_of_version


def reweigh(
    workspace: Workspace, retraining: Retraining, live: ModelVersion, settings: Settings, folder: Path
) -> StepResult:
    """Let the weights of the live version follow the rows to learn from, and write the version that results.

    Raises:
        NotPassedError: It has no weights that could follow, or they moved less than the policy asks for.
        CoreError: The rows cannot be read.
    """
    registry = Registry(workspace)
    with registry.opened(live.model, live.version) as artifact:
        signature = TableSignature.read(artifact)
        if signature is None or signature.target is None:
            raise NotPassedError(NO_SIGNATURE.format(live.key), {})
        judged = _judged(load_model(artifact), signature, folder / LEARN)
        trained: Any = judged.model
        try:
            found: Reweighing = trained.reweigh(_in_time(judged.frame, signature))
        except NotReweighableError as error:
            raise NotPassedError(f"{error} (policy, retraining.method)", {}) from error
        evidence = found.figures()
        if found.moved < retraining.policy.least_weight_move:
            raise NotPassedError(
                f"the weights moved by {found.moved:.1%} of the answer over {found.followed.n_outcomes:,} "
                f"outcomes, less than {retraining.policy.least_weight_move:.1%} (policy, retraining.least_weight_move)",
                evidence,
            )
        newest = _judged(trained.model if hasattr(trained, "model") else trained, signature, folder / NEWEST)
        metrics = newest.model.judge(newest.frame)
        files = _files(trained, signature, registry, artifact, live, found, newest, metrics, settings)

    def fill(place: Path) -> None:
        trained.save(place)
        for name, content in files.items():
            write_file(place / name, content, durable=False)

    with _tracked(workspace, retraining, live, folder) as (runs, run):
        runs.log_metrics(run.run_id, 1, metrics)
        write_folder(folder / MODEL_FOLDER, fill)
    sha256 = content_sha256(folder / LEARN)
    card = Card(
        metrics=metrics,
        lineage={
            **live.lineage,
            "data": {"outcomes": {"sha256": sha256, "n_rows": found.followed.n_outcomes}},
            "reweighed": {"members_of": live.key, **evidence},
            "retraining": origin_of(retraining),
        },
        gates=(),
        description=f"{live.key} with weights that followed {found.followed.n_outcomes:,} outcomes",
        run_id=run.run_id,
    )
    write_file(folder / CARD, msgspec.json.encode(card))
    return StepResult(
        outcome="done",
        reason=f"the weights followed {found.followed.n_outcomes:,} outcomes: {found.sentence()}",
        evidence={**evidence, "metrics": {name: round(value, 6) for name, value in metrics.items()}},
        run_id=run.run_id,
    )


def _judged(model: Any, signature: TableSignature, file: Path) -> Judged:
    found = judged_by_its_domain(model, signature, file, ReadingRules())
    if found is None:
        raise UsageError(f"{model.name} models cannot be evaluated on a file.")
    return found


def _in_time(frame: pd.DataFrame, signature: TableSignature) -> pd.DataFrame:
    """Order rows by their time where they have one; they were collected in order otherwise."""
    if signature.time is None or signature.time not in frame:
        return frame
    return frame.sort_values(signature.time, kind="stable").reset_index(drop=True)


def _files(
    trained: Any,
    signature: TableSignature,
    registry: Registry,
    artifact: Path,
    live: ModelVersion,
    found: Reweighing,
    newest: Judged,
    metrics: dict[str, float],
    settings: Settings,
) -> dict[str, bytes]:
    """Return the files beside the model's own: those of the live version, with the answers to the newest rows."""
    report = {
        **read_object(artifact / REPORT_NAME),
        **trained.report(),
        "feature_importance": trained.feature_importance(),
        "metrics": metrics,
        "reweighed": {"members_of": live.key, **found.figures()},
    }
    content = msgspec.json.format(msgspec.json.encode(report, order="deterministic"), indent=2)
    files = {REPORT_NAME: content + b"\n", SIGNATURE_NAME: signature.to_bytes()}
    try:
        profile = profile_of_version(registry, live.model, live.version)
    except ProfileError:  # then there is no reference to bring up to date, as before
        return files
    # The members have learned from what the live version kept of the file that trained it, but not from these rows.
    names = [name for name in signature.names if name != signature.group]
    rows = newest.frame
    made = files_of_answers(newest.model, rows, rows, profile, settings, columns=names, group=signature.group)
    return files | made


@contextmanager
def _tracked(
    workspace: Workspace, retraining: Retraining, live: ModelVersion, folder: Path
) -> Iterator[tuple[Runs, Run]]:
    """Open a run, by which the registration is found again after a crash."""
    with (
        Runs(workspace) as runs,
        tracked_run(
            workspace,
            runs,
            live.model,
            actor=Actor.engine(),
            parameters={"model": live.model, "method": "reweigh", "members_of": live.version},
            data_hashes={LEARN: content_sha256(folder / LEARN)},
            tags={"kind": "reweighing", "retraining": retraining.retraining_id},
        ) as run,
    ):
        yield runs, run
