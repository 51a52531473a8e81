"""A registered version evaluated on a file, usually one it has not seen."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from core.actor import Actor
from core.domains.catalogue import judged_by_its_domain, load_model
from core.errors import UsageError
from core.explain.deny_list import DenyList, withholds_cells
from core.models.outcomes import outcomes_by
from core.monitoring.estimation.held_out import HeldOutError, HeldOutRows
from core.registry import ModelVersion, Registry, Stage
from core.registry.tested_rows import files_learned_from
from core.state import Workspace
from core.tables import InputNotes, ReadingRules, TableSignature, Task, conform, require_target
from core.tables.copies import copied_rows
from core.tables.task import has_target
from core.training.own_data.equal_rows import RowsWithOutcomes, equal_rows
from core.training.own_data.learned_rows import rows_learned
from core.training.own_data.version_choice import chosen_version

if TYPE_CHECKING:
    import pandas as pd

    from core.domains.own_file import TrainableModel


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """How a version scored on a file."""

    model: str
    version: str
    stage: str
    task: str
    data_sha256: str
    n_rows: int
    was_trained_on: bool  # the version was trained on this very file, so the metrics are too optimistic
    metrics: dict[str, float]
    notes: InputNotes
    n_without_target: int = 0  # rows that were left out
    reading: tuple[str, ...] = ()  # how the file was read, a sentence each
    profile: str = ""  # what was done for a version that had no profile of what it learned from
    n_learned: int = 0  # rows that are equal to some that the version learned from, if more are than chance explains
    copies: str = ""  # what is said of rows that occur again, a sentence; empty if chance explains them


@withholds_cells
def evaluate_on_file(
    workspace: Workspace,
    model: str,
    data: Path,
    *,
    version: str | None = None,
    stage: Stage | None = None,
    rules: ReadingRules | None = None,
    drop_missing_target: bool = False,
    actor: Actor | None = None,
) -> Evaluation:
    """Evaluate a version on a file with the target.

    Args:
        workspace: Where the version is registered.
        model: Its model.
        data: The file; its columns are read as those of the training data.
        version: Its number, by default chosen by stage.
        stage: Its stage; by default the live version is chosen, else the newest.
        rules: How columns are to be read, beyond what the signature says.
        drop_missing_target: Leave out rows without a target.
        actor: Who evaluates: a version that learned from this very file, and has no profile of it, gets one in their
            name. Without an author, nothing is written.
    Raises:
        NotFoundError: There is no such model or version.
        TableError: The file cannot be used, or does not fit the signature of the version.
        HashMismatchError: The version's files differ from the registered files.
    """
    registry = Registry(workspace)
    chosen = chosen_version(registry, model, version, stage)
    with registry.opened(chosen.model, chosen.version) as folder:
        loaded = load_model(folder)
        written = TableSignature.read(folder)
        kept = None
        with suppress(HeldOutError):  # it has none, or of another program
            kept = HeldOutRows.read(folder, chosen.key)
    given = rules or ReadingRules()
    found = judged_by_its_domain(loaded, written, data, given)
    if found is None:
        raise UsageError(f"{chosen.key} is a {loaded.name} model, which cannot be evaluated on a file.")
    table, signature, frame = found.table, found.signature, found.frame
    n_rows = len(table)
    if drop_missing_target and signature is not None and signature.target is not None:
        is_filled = has_target(table, signature.target)
        if n_rows and not is_filled.any():
            raise table.error(f"none of its {n_rows:,} rows has a target", "Fill it in.", column=signature.target)
        table, frame = table.take(is_filled), frame[is_filled].reset_index(drop=True)
    denied, cells = DenyList.in_force(workspace.root), DenyList.of_cells_in_force(workspace.root)
    notes = _told(conform(table, signature), denied) if signature else InputNotes()
    if signature is not None and signature.target is not None and signature.task is not Task.ANOMALY:
        require_target(table, signature)
    was_trained_on = table.source.sha256 in files_learned_from(chosen)
    n_learned = 0 if was_trained_on or kept is None else _n_learned(workspace, chosen, found.model, kept, frame)
    copies = copied_rows(table.frame, signature) if signature is not None else None
    metrics, profile = found.model.judge(frame), ""
    if was_trained_on and actor is not None:
        from core.training.own_data.profile import profile_from_its_file

        profile = profile_from_its_file(workspace, chosen, data, actor=actor, reading=rules)
    return Evaluation(
        model=chosen.model,
        version=chosen.version,
        stage=chosen.stage,
        task=str(signature.task) if signature else loaded.task,
        data_sha256=table.source.sha256,
        n_rows=len(table),
        was_trained_on=was_trained_on,
        metrics=metrics,
        notes=notes,
        n_without_target=n_rows - len(table),
        reading=denied.silent(table.without_quotes(cells.patterns).notes, map(str, table.kinds)),
        profile=profile,
        n_learned=n_learned,
        copies=""
        if copies is None
        else f"{copies.what}: the intervals count each as new evidence, and are too narrow.",
    )


def _n_learned(
    workspace: Workspace, version: ModelVersion, model: "TrainableModel", kept: HeldOutRows, frame: "pd.DataFrame"
) -> int:
    """Return how many rows are equal to kept rows of those that a version learned from; 0 if chance explains them."""
    known = rows_learned(workspace, version, model, kept, draws_again=False)
    if known is None or (outcomes := outcomes_by(model, frame)).actual is None:
        return 0
    found = equal_rows(RowsWithOutcomes(outcomes.rows, outcomes.actual), known.rows)
    return found.n_equal if found.are_copies else 0


def _told(notes: InputNotes, denied: DenyList) -> InputNotes:
    """Leave out how many values of denied columns are unlike the training data: a file of one row finds their range."""
    return msgspec.structs.replace(
        notes,
        out_of_range=denied.visible(notes.out_of_range),
        unseen_levels=denied.visible(notes.unseen_levels),
        decimals=denied.visible(notes.decimals),
    )
