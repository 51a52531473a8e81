"""The profile of a registered version: what it says, and a profile made later, of a version that has none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from msgspec.structs import replace

from core.access.door import Door
from core.actor import Actor
from core.domains.catalogue import judged_by_its_domain, load_model
from core.errors import CoreError, UsageError
from core.escape import spelled_out
from core.explain.deny_list import DenyList, withholds_cells
from core.governance.audit import require_access
from core.models import Model
from core.models.outcomes import Outcomes, outcomes_by
from core.monitoring.data_profile import CalibrationBin, ColumnProfile, DataProfile
from core.monitoring.profiling import kinds_of, profile_columns, profile_of, time_of
from core.progress import begins
from core.registry import ModelVersion, Registry
from core.registry.contents import NO_MODEL
from core.registry.errors import OwnProfileError
from core.registry.made_profiles import MAKE, OWN_NAME, ProfileFile
from core.registry.tested_rows import files_learned_from
from core.state import Workspace
from core.tables import ReadingRules, Table, TableSignature, conform, read_table, require_target
from core.tables.limits import LEAST_ROWS
from core.tables.magnitude import require_scale
from core.tables.signature import ColumnKind
from core.tables.task import has_target
from core.text_limits import require_reason
from core.training.own_data.given_rows import rows_as_file, sha256_of_rows
from core.training.own_data.learned_rows import UNKNOWN, counts_digest, is_described, learned_files
from core.training.own_data.request import rules_of_training
from core.training.own_data.version_choice import chosen_version
from core.training.version_profile import profile_and_file, profile_file

_MOST_NOTES = 20


class ProfiledColumn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One column of a profile."""

    name: str
    kind: ColumnKind
    rows: int
    missing_share: float = 0.0
    n_edges: int = 0  # of numbers: values and edges between which rows are counted
    mean: float | None = None
    sd: float | None = None
    least: float | None = None
    most: float | None = None
    n_levels: int = 0
    levels: dict[str, int] = {}  # of a category with at most 400 levels: the rows of each


class MakingOfProfile(msgspec.Struct, frozen=True, kw_only=True):
    """Who made a profile later, when, why, and of what."""

    at: datetime
    by: str
    reason: str
    data_sha256: str
    n_rows: int
    is_held_out: bool
    is_unchecked: bool = False  # of held-out rows: whether the version learned from them is not known
    na: tuple[str, ...] = ()  # how the file was to be read, as a person said with --na and --read
    read: tuple[str, ...] = ()


class VersionProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What a version learned from."""

    model: str
    version: str
    stage: str
    file: str  # relative to the workspace
    sha256: str
    n_bytes: int
    made: MakingOfProfile | None  # None of a profile in the artifact, which is never replaced
    rows: int
    features: tuple[ProfiledColumn, ...]
    target: ProfiledColumn | None
    group: str | None
    time: str | None
    held_out: int  # rows that the version did not learn from, to which it answered
    prediction: ProfiledColumn | None
    residual: ProfiledColumn | None
    calibration: tuple[CalibrationBin, ...]
    slices: tuple[str, ...]
    notes: tuple[str, ...] = ()  # about the rows that it was made of


def version_profile(workspace: Workspace, model: str, *, version: str | None = None) -> VersionProfile:
    """Return the profile of a version.

    Args:
        workspace: Where the version is registered.
        model: Its model.
        version: Its number; by default the live version, else the newest.
    Raises:
        NotFoundError: There is no such model or version.
        ProfileError: The version has no profile, or none that can be read.
        ChangedFileError: The files of its artifact differ from the registered files.
    """
    registry = Registry(workspace)
    chosen = chosen_version(registry, model, version, None)
    denied = DenyList.in_force(workspace.root)
    return _shown(chosen, *profile_and_file(registry, chosen.model, chosen.version), denied)


def make_profile(
    workspace: Workspace,
    model: str,
    data: Path,
    *,
    actor: Actor,
    version: str | None = None,
    held_out: bool = False,
    reason: str = "",
    reading: ReadingRules | None = None,
    data_sha256: str | None = None,
) -> VersionProfile:
    """Make the profile of a version that was registered without one, and keep it.

    Args:
        workspace: Where the version is registered.
        model: Its model.
        data: The rows that it learned from; its columns are read as those of the training data.
        actor: Who makes it.
        version: Its number; by default the live version, else the newest.
        held_out: Whether these are rows that it did not learn from: predictions, errors, calibration and slices are
            then taken from its answers to them.
        reason: Why; needed to replace a profile that was made before.
        reading: How columns are to be read, beyond what the signature says.
        data_sha256: The hash that is recorded of the rows, by default that of the file.
    Raises:
        NotFoundError: There is no such model or version.
        AccessRefusedError: The actor may not make it; no row was read.
        RefusedError: The artifact holds a profile, or the version's files differ from the registered files.
        TableError: The file cannot be used.
        UsageError: The rows are too few or cannot be answered, the version holds no model, or a profile was made before
            and there is no reason to replace it.
    """
    chosen = chosen_version(Registry(workspace), model, version, None)
    require_reason(reason)
    require_access(workspace, actor, MAKE, object=chosen.key, model=chosen.model, stage=chosen.stage)
    rules = reading or ReadingRules()
    return _made(workspace, chosen, data, rules, actor=actor, held_out=held_out, reason=reason, data_sha256=data_sha256)


@withholds_cells
def _made(
    workspace: Workspace,
    chosen: ModelVersion,
    data: Path,
    rules: ReadingRules,
    *,
    actor: Actor,
    held_out: bool = False,
    reason: str = "",
    data_sha256: str | None = None,
    is_known: bool = False,
) -> VersionProfile:
    """Make the profile of a version, of rows that are known to be those that it learned from or said to be some."""
    registry, learned_from = Registry(workspace), files_learned_from(chosen)
    with registry.opened(chosen.model, chosen.version) as folder:
        if (folder / OWN_NAME).exists():
            raise OwnProfileError(chosen.model, chosen.version)
        if not registry.holds_model(chosen.model, chosen.version):
            raise UsageError(f"No profile of {chosen.key} can be made: {NO_MODEL}.")
        loaded, signature = load_model(folder), TableSignature.read(folder)
    denied, cells = DenyList.in_force(workspace.root), DenyList.of_cells_in_force(workspace.root)
    rows = _rows(loaded, signature, data, rules, cells)
    if is_known and rows.unlike:
        raise rows.table.error(f"it is not read as its training read it: {'; '.join(rows.unlike)}", _by_hand(chosen))
    profile = _profile(rows, held_out=held_out)
    is_unchecked = held_out and not _told_apart(registry, chosen, rows, profile, data_sha256)
    content = profile.to_bytes()
    DataProfile.from_bytes(content, str(data))  # what is kept can be read again
    about_rows = denied.silent(rows.notes, map(str, rows.table.kinds))
    notes = [*([UNKNOWN] if is_unchecked else []), *about_rows]
    target = profile.target is None and rows.signature is not None and rows.signature.target
    if target and not held_out:
        notes.append(f"the file has no column {target!r}, so the target is not watched")
    if not held_out and learned_from and rows.table.source.sha256 not in learned_from:
        notes.append(f"{chosen.key} learned from a file with other bytes; its rows are taken for those of this file")
    elif not held_out and len(learned_from) > 1:
        notes.append(f"{chosen.key} learned from {len(learned_from)} files; its rows are taken for those of this file")
    if held_out and profile.residual is None and profile.prediction is not None:
        notes.append("the file has no outcomes, so errors are not watched")
    registry.make_profile(
        chosen.model,
        chosen.version,
        content,
        data_sha256=data_sha256 or rows.table.source.sha256,
        n_rows=len(rows.frame),
        is_held_out=held_out,
        notes=_shortened(notes),
        actor=actor,
        reason=reason,
        is_unchecked=is_unchecked,
        counts=counts_digest(profile.features),
        na=rules.missing,
        read=rules.said_manners(),
    )
    return _shown(chosen, *profile_and_file(registry, chosen.model, chosen.version), denied)


def make_profile_of_rows(
    workspace: Workspace,
    model: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    actor: Actor,
    version: str | None = None,
    held_out: bool = False,
    reason: str = "",
) -> VersionProfile:
    """Make the profile of a version of rows that come with the request, as `make_profile` does of a file."""
    with rows_as_file(rows) as file:
        return make_profile(
            workspace,
            model,
            file,
            actor=actor,
            version=version,
            held_out=held_out,
            reason=reason,
            data_sha256=sha256_of_rows(rows),
        )


def profile_from_its_file(
    workspace: Workspace, version: ModelVersion, data: Path, *, actor: Actor, reading: ReadingRules | None = None
) -> str:
    """Make the profile of a version from the file that it learned from, if it has none; say so in one sentence.

    The file is read as the training read it. Rules that say anything else, a signature that describes other rows, or
    further files leave the profile to a person. Nothing but the sentence depends on it: what prevents the profile
    prevents nothing else. Whoever may not make it did not ask for it either, so no refusal is recorded.

    Returns:
        What was done, or why it was not; empty if the version has a profile.
    """
    registry = Registry(workspace)
    try:
        if profile_file(registry, version.model, version.version) is not None:
            return ""
        may = Door(workspace).may(actor, MAKE, model=version.model, stage=version.stage)
        if not may.is_allowed:
            why = f"{actor.name} may not do {MAKE}: {may.reason}"
            return f"no profile was made of what {version.key} learned from: {why}"
        own = rules_of_training(version)
        if reading is not None and not reading.says_no_more_than(own):
            problem = "its training did not read the file by these --na and --read"
            raise UsageError(f"{problem}. {_by_hand(version)}")
        if (n_files := len(files_learned_from(version))) > 1:
            raise UsageError(f"this is one of {n_files} files. {_by_hand(version)}")
        made = _made(workspace, version, data, own, actor=actor, is_known=True)
    except CoreError as error:
        return f"no profile was made of what {version.key} learned from: {error}"
    return (
        f"{version.key} had no profile of what it learned from: one was made of this file ({made.rows:,} rows), and "
        "its drift can be watched now"
    )


def _shortened(notes: Sequence[str]) -> list[str]:
    """Return the first notes about rows, and how many more there are: a table may have a thousand columns.

    >>> _shortened(["a"] * 50)[-2:]
    ['a', 'and 31 more notes']
    """
    n_more = len(notes) - _MOST_NOTES
    return list(notes) if n_more <= 0 else [*notes[: _MOST_NOTES - 1], f"and {n_more + 1} more notes"]


def _by_hand(version: ModelVersion) -> str:
    return f"Make it by hand: bondx drift profile {version.model} --version {version.version} --data FILE"


def _told_apart(
    registry: Registry, version: ModelVersion, rows: "_Rows", profile: DataProfile, data_sha256: str | None
) -> bool:
    """Return whether enough is known of what a version learned from to tell held-out rows from it in another order.

    Raises:
        TableError: It learned from these rows.
    """
    files, before = learned_files(registry, version), registry.made_profile(version.model, version.version)
    known, counts = (before.learned_file, before.learned_counts) if before is not None else ("", "")
    is_same, problem = is_described(rows.frame, rows.signature), ""
    if rows.table.source.sha256 in files:
        problem = f"{version.key} learned from this very file"
    elif known in (rows.table.source.sha256, data_sha256):
        problem = f"the profile of what {version.key} learned from was made of this very file"
    elif is_same or counts == counts_digest(profile.features):
        problem = f"all figures of its columns are those of the rows that {version.key} learned from"
    if problem:
        raise rows.table.error(
            f"{problem}, so its answers to them would flatter it",
            "Give rows that it did not learn from, or do not call these held out.",
        )
    return bool(files or known) and (bool(counts) or is_same is not None)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a file in the layout of a model."""

    model: Any
    signature: TableSignature | None
    table: Table
    frame: pd.DataFrame
    notes: tuple[str, ...]
    unlike: tuple[str, ...]  # how its values differ from those that the signature describes


def _rows(loaded: Model, written: TableSignature | None, data: Path, rules: ReadingRules, cells: DenyList) -> _Rows:
    model: Any
    found = judged_by_its_domain(loaded, written, data, rules, needs_target=False)
    if found is None:
        table = read_table(data, kinds=written.kinds if written is not None else None, rules=rules)
        model, signature, frame = loaded, written, table.frame
    else:
        model, signature, table, frame = found.model, found.signature, found.table, found.frame
    notes = list(table.without_quotes(cells.patterns).notes)
    target = signature.target if signature is not None else None
    if target is not None and target in table.frame:
        is_filled = has_target(table, target)
        if n_lost := int(np.count_nonzero(~is_filled)):
            notes.append(f"{n_lost:,} rows without a target are left out")
            n_all, table, frame = len(frame), table.take(is_filled), frame[is_filled].reset_index(drop=True)
            if len(frame) < LEAST_ROWS:
                cure = f"Fill it in, or leave the column out. At least {LEAST_ROWS} rows are needed for a profile."
                raise table.error(f"{len(frame)} of its {n_all:,} rows have a target", cure, column=target)
    group = signature.group if signature is not None else None
    if group is not None and group not in table.frame:
        notes.append(f"the file has no column {group!r}, so its rows are taken for independent")
    if len(frame) < LEAST_ROWS:
        raise table.error(f"it has {len(frame)} rows", f"At least {LEAST_ROWS} are needed for a profile.")
    unlike = conform(table, signature).sentences() if signature is not None else []
    for name in (*signature.names, *([target] if target is not None else [])) if signature is not None else ():
        if name in table.kinds:
            require_scale(table, name)
    if signature is not None and target is not None and target in table.frame:
        require_target(table, signature)
    return _Rows(model, signature, table, frame, (*notes, *unlike), tuple(unlike))


def _profile(rows: _Rows, *, held_out: bool) -> DataProfile:
    """Profile the columns that the version reads, as its training would have done."""
    frame, signature = rows.frame, rows.signature
    if signature is not None:
        features = tuple(name for name in signature.names if name != signature.group)
        kinds = {name: signature.kinds[name] for name in features}
        target, group, time = signature.target, signature.group, signature.time or time_of(signature.kinds)
        if target is not None and signature.target_kind is not None and target in frame:
            kinds[target] = signature.target_kind
    else:
        known = kinds_of(frame)
        label = getattr(rows.model, "label", None)
        target, group, time = label if isinstance(label, str) and label in known else None, None, time_of(known)
        read = rows.model.feature_importance()
        features = tuple(name for name in read if name in known and name != target)
        if not features:
            raise rows.table.error(
                "it holds no column that the version is known to read",
                "Give a file with the columns that it learned from.",
            )
        kinds = {name: known[name] for name in (*features, *([target] if target is not None else []))}
    columns = profile_columns(frame, kinds, group, time)
    for column in columns.values():
        if column.unreadable:
            what = "infinite numbers" if column.infinite else "cells of another type"
            problem = f"it holds {column.unreadable:,} {what}"
            raise rows.table.error(problem, "Correct or empty these cells.", column=column.name)
    answers = _answers(rows) if held_out else None
    return profile_of(columns, features=features, target=target, group=group, held_out=answers, time=time)


def _answers(rows: _Rows) -> Outcomes:
    begins("the answers of the version")
    try:
        found = outcomes_by(rows.model, rows.frame)
        answers = np.asarray(found.answer, dtype=np.float64)
    except (CoreError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        problem = f"the version cannot answer its rows: {spelled_out(str(error))}"
        raise rows.table.error(problem, "Give rows with the columns that it learned from.") from error
    if not np.isfinite(answers).all():
        row = int(np.argmax(~np.isfinite(answers).reshape(len(rows.frame), -1).all(axis=1)))
        problem = "the version answers no finite number here"
        raise rows.table.error(problem, "Correct this row or leave it out.", row=row)
    return found


def _shown(version: ModelVersion, profile: DataProfile, file: ProfileFile, denied: DenyList) -> VersionProfile:
    made = file.made
    names = (*(each.name for each in profile.features), *filter(None, (profile.group, profile.time)))
    return VersionProfile(
        model=version.model,
        version=version.version,
        stage=version.stage,
        file=f"artifacts/{file.path}",
        sha256=file.sha256,
        n_bytes=len(file.content),
        made=None
        if made is None
        else MakingOfProfile(
            at=made.made_at,
            by=made.made_by,
            reason=made.reason,
            data_sha256=made.data_sha256,
            n_rows=made.n_rows,
            is_held_out=made.is_held_out,
            is_unchecked=made.is_unchecked,
            na=made.na,
            read=made.read,
        ),
        rows=profile.rows,
        features=tuple(_as_shown(column, denied) for column in profile.features),
        target=None if profile.target is None else _as_shown(profile.target, denied),
        group=profile.group,
        time=profile.time,
        held_out=profile.held_out,
        prediction=None if profile.prediction is None else _column(profile.prediction),
        residual=None if profile.residual is None else _column(profile.residual),
        calibration=profile.calibration,
        slices=tuple(denied.visible_slices(profile.slices)),
        notes=() if made is None else denied.silent(made.notes, names),
    )


def _as_shown(column: ColumnProfile, denied: DenyList) -> ProfiledColumn:
    if denied.denies(column.name):
        return _without_values(column)
    found = _column(column)
    return replace(found, least=None, most=None, levels={}) if denied.hides_values(column.name) else found


def _without_values(column: ColumnProfile) -> ProfiledColumn:
    return ProfiledColumn(
        name=column.name,
        kind=column.kind,
        rows=column.rows,
        missing_share=column.missing / column.rows if column.rows else 0.0,
        n_edges=len(column.points),
        n_levels=column.n_levels,
    )


def _column(column: ColumnProfile) -> ProfiledColumn:
    return replace(
        _without_values(column),
        mean=column.mean,
        sd=column.sd,
        least=column.points[0] if column.points else None,
        most=column.points[-1] if column.points else None,
        levels=column.levels,
    )
