"""The performance of a registered version on a file without labels."""

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from core.domains.catalogue import load_model
from core.errors import UsageError
from core.explain.deny_list import DenyList, withholds_cells
from core.models.outcomes import Outcomes
from core.monitoring import dependence
from core.monitoring.estimation.estimate import EstimatedPerformance, LiveRows, RowEstimate, estimate_performance
from core.monitoring.estimation.held_out import HeldOutError, HeldOutRows, decided_by
from core.monitoring.estimation.score_only import estimate_by_scores
from core.monitoring.labels.reference import HeldOutLoss, held_out_loss
from core.progress import begins
from core.registry import Registry
from core.state import Workspace
from core.tables import ReadingRules, TableSignature
from core.training.own_data.batch import read_batch
from core.training.own_data.version_choice import chosen_version
from core.training.version_profile import profile_of_version


class VersionEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """How well a version is likely to do on the rows of a file."""

    model: str
    version: str
    stage: str
    data_sha256: str
    report: EstimatedPerformance
    reading: tuple[str, ...] = ()  # how the file was read, a sentence each


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedBatch:
    """The estimate, with what it says of each row."""

    found: VersionEstimate
    rows: RowEstimate | None  # None for an estimate by scores alone
    no_rows: HeldOutError | None  # why
    reference: HeldOutLoss | None  # the loss on the held-out rows; None for an estimate by scores alone
    outcomes: Outcomes
    target: str  # the column of the outcome


@withholds_cells
def estimate_on_file(
    workspace: Workspace,
    model: str,
    data: Path,
    *,
    version: str | None = None,
    reading: ReadingRules | None = None,
) -> VersionEstimate:
    """Estimate how well a version does on a file whose outcomes are unknown.

    Args:
        workspace: Where the version is registered.
        model: Its model.
        data: The file; its columns are read as those of the training data. A target in it is ignored.
        version: Its number; by default the live version, else the newest.
        reading: How columns are to be read, beyond what the signature says.
    Raises:
        NotFoundError: There is no such model or version.
        HeldOutError: The version has no held-out rows, and its profile cannot replace them.
        ProfileError: The version has no profile, or none that can be read.
        TableError: The file cannot be used.
        UsageError: The rows cannot be answered, or are too few.
        HashMismatchError: The version's files differ from the registered files.
    """
    return estimate_batch(workspace, model, data, version=version, reading=reading).found


def estimate_batch(
    workspace: Workspace,
    model: str,
    data: Path,
    *,
    version: str | None = None,
    reading: ReadingRules | None = None,
) -> EstimatedBatch:
    """Estimate as `estimate_on_file` does, and keep what the estimate says of each row."""
    registry = Registry(workspace)
    chosen = chosen_version(registry, model, version, None)
    with registry.opened(chosen.model, chosen.version) as folder:
        profile = profile_of_version(registry, chosen.model, chosen.version)
        loaded, signature = load_model(folder), TableSignature.read(folder)
        held_out: HeldOutRows | HeldOutError
        try:
            held_out = HeldOutRows.read(folder, chosen.key)
        except HeldOutError as error:
            held_out = error
    cells = DenyList.of_cells_in_force(workspace.root)
    batch = read_batch(loaded, signature, profile, data, replace(reading or ReadingRules(), lenient=True), cells)
    if batch.outcomes is None:
        raise UsageError(f"{data}: {batch.note}. An estimate needs the version's answers.")
    begins("the estimate")
    rows = reference = None
    if isinstance(held_out, HeldOutRows):
        reference = held_out_loss(held_out)
        rows = estimate_performance(held_out, _live(batch.outcomes, loaded, held_out.group))
        report = rows.performance
    else:
        decided = decided_by(loaded, batch.outcomes.answer, batch.outcomes.classes)
        report = estimate_by_scores(profile, batch.outcomes.answer, decided, instead_of=held_out)
    found = VersionEstimate(
        model=chosen.model,
        version=chosen.version,
        stage=chosen.stage,
        data_sha256=batch.table.source.sha256,
        report=report,
        reading=DenyList.in_force(workspace.root).silent(batch.table.notes, map(str, batch.table.kinds)),
    )
    no_rows = held_out if isinstance(held_out, HeldOutError) else None
    target = profile.target.name if profile.target is not None else "outcome"
    return EstimatedBatch(
        found=found, rows=rows, no_rows=no_rows, reference=reference, outcomes=batch.outcomes, target=target
    )


def _live(outcomes: Outcomes, model: object, group: str) -> LiveRows:
    units = dependence.group_numbers(outcomes.rows[group]) if group and group in outcomes.rows else None
    decided = decided_by(model, outcomes.answer, outcomes.classes)
    return LiveRows(outcomes.rows, np.asarray(outcomes.answer, dtype=np.float64), decided, units)
