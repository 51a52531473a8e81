"""Rows from served requests, files or a command, divided into rows to learn from and the newest rows.

The same source, window and instant give the same rows, so an attempt after a crash collects the same again.
"""

import functools
import io
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import AnyArray, BoolArray, FloatArray
from core.domains.catalogue import judged_by_its_domain, load_model
from core.errors import UsageError
from core.escape import shown
from core.files import remove_file, write_file
from core.losses import Actual, class_index
from core.natural_order import natural
from core.own_python import die_with_parent
from core.plain_files import read_file
from core.registry import ModelVersion, Registry, Stage
from core.retraining.errors import NotPassedError
from core.retraining.files import has_open_end, is_newer, source_files
from core.retraining.results import COMMAND_OUTPUT, LEARN, LEARNED_UNTIL, NEWEST
from core.retraining.served_rows import (
    ServedRows,
    half_life_weights,
    selection_chances,
    served_rows,
    window_start,
)
from core.sealed_files import seal
from core.seeds import derive_seed
from core.settings.encryption import SealedKind
from core.settings.retraining import RetrainingPolicy
from core.settings.sealing import sealer_to_write
from core.state import Workspace
from core.tables import ReadingRules, Table, TableSignature
from core.tables.data_files import arrow_table, write_parquet
from core.tables.periods import with_instants
from core.tables.signature import ColumnKind
from core.tables.task import has_target
from core.text_limits import cut

NO_SIGNATURE = (
    "{} was not trained on a file, so nothing says which columns to train on. If a session trained it, set "
    "retraining.source.kind to generator"
)
OPEN_END = "{} does not end with a line break: if it was still being written, the last value of its last row is cut off"
_DAY_SECONDS = 86_400.0
_LONGEST_SAID = 300
_MOST_READ = 1 << 16


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Labelled rows in the columns of a signature, with its target, and its group and time where they are known.

    Attributes:
        frame: The rows.
        at: The place of each in time, by which the newest are found: seconds since 1970, or a count from the first.
        has_times: Whether `at` is a time.
        is_new: The rows that the live version has not learned from.
        chance: To keep each row, where it was seen more often for the answer it had; None: all alike.
        notes: What was noticed, a sentence each.
        figures: What was counted.
    """

    frame: pd.DataFrame
    at: FloatArray
    has_times: bool
    is_new: BoolArray
    notes: tuple[str, ...]
    figures: dict[str, Any]
    chance: FloatArray | None = None


def collect(
    workspace: Workspace, live: ModelVersion, policy: RetrainingPolicy, *, as_of: datetime, seed: int, folder: Path
) -> dict[str, Any]:
    """Collect the rows of a source into two files.

    Args:
        workspace: The workspace.
        live: The live version: its signature says which columns are read, and how.
        policy: Source, window, and which share of the newest rows is held out.
        as_of: Rows up to then count.
        seed: Of the draw where older rows are kept less often.
        folder: Where the files are written.
    Returns:
        What was found, for the record.
    Raises:
        NotPassedError: There are too few labelled rows.
        CoreError: The source cannot be read.
    """
    registry, sealer = Registry(workspace), sealer_to_write(workspace.root, SealedKind.DATASETS)
    with registry.opened(live.model, live.version) as artifact:
        signature = TableSignature.read(artifact)
        if signature is None or signature.target is None:
            raise NotPassedError(NO_SIGNATURE.format(live.key), {})
        if policy.source.kind == "served":
            found = _served(workspace, live, signature, policy, as_of)
        elif policy.source.kind == "files":
            files = source_files(policy.source.path, root=workspace.root)
            found = _from_files(files, load_model(artifact), signature, policy, as_of, learned_until(live))
        else:
            file = _written_by(policy.source.command, folder, workspace.root)
            if sealer is not None:
                write_file(file, seal(read_file(file), sealer))
            found = _from_files([file], load_model(artifact), signature, policy, as_of, learned_until(live))
    found = _thinned(found, policy, as_of, seed)
    n_rows = len(found.frame)
    evidence = {**found.figures, "n_rows": n_rows, "needed": policy.min_samples, "notes": list(found.notes)}
    if n_rows < policy.min_samples:
        raise NotPassedError(f"{n_rows:,} of {policy.min_samples:,} labelled rows", evidence)
    is_newest = newest(found.at, found.frame, signature.group, policy.validation.held_out_share)
    if not 10 <= is_newest.sum() <= n_rows - 10:
        raise NotPassedError("the rows are of too few groups to hold the newest out", evidence)
    learn: AnyArray = np.flatnonzero(~is_newest)
    if policy.start == "warm":  # the rows that are new to the live version come last
        learn = learn[np.argsort(found.is_new[learn], kind="stable")]
        evidence["n_new"] = int(found.is_new[learn].sum())
    if found.has_times:
        evidence[LEARNED_UNTIL] = datetime.fromtimestamp(float(found.at[learn].max()), UTC).isoformat()
    for name, rows in ((LEARN, learn), (NEWEST, np.flatnonzero(is_newest))):
        table = arrow_table(found.frame.iloc[rows].reset_index(drop=True), metadata={})
        if sealer is None:
            write_parquet(table, folder / name)
            continue
        content = io.BytesIO()  # rows never lie on the disk unsealed
        write_parquet(table, content)
        write_file(folder / name, seal(content.getvalue(), sealer))
    return {**evidence, "n_learn": len(learn), "n_newest": int(is_newest.sum())}


def learned_until(live: ModelVersion) -> datetime:
    """Return until when a version has learned at most: its retraining recorded it, or it was registered then."""
    recorded = live.lineage.get("retraining", {}).get(LEARNED_UNTIL)
    return live.created_at if recorded is None else datetime.fromisoformat(str(recorded))


def newest(at: FloatArray, frame: pd.DataFrame, group: str | None, share: float) -> BoolArray:
    """Choose the newest rows; a group that reaches into them belongs to them as a whole.

    Args:
        at: The place of each row in time.
        frame: The rows.
        group: The column whose rows depend on each other, if it is there.
        share: Of the rows, about how many.
    """
    n_wanted = max(round(share * len(at)), 1)
    if group is None or group not in frame:
        chosen = np.zeros(len(at), dtype=np.bool_)
        chosen[np.argsort(at, kind="stable")[-n_wanted:]] = True
        return chosen
    codes = pd.factorize(frame[group])[0]
    codes = np.where(codes < 0, codes.max(initial=-1) + 1, codes)
    last = np.full(int(codes.max()) + 1, -np.inf)
    np.maximum.at(last, codes, at)
    sizes = np.bincount(codes, minlength=len(last))
    order = np.argsort(-last, kind="stable")
    n_groups = int(np.searchsorted(np.cumsum(sizes[order]), n_wanted)) + 1
    return np.isin(codes, order[:n_groups])


def _served(
    workspace: Workspace, live: ModelVersion, signature: TableSignature, policy: RetrainingPolicy, as_of: datetime
) -> LabelledRows:
    moved = Registry(workspace).went_live(live.model)
    start = window_start(policy.window, live_since=moved.at if moved else None, as_of=as_of)
    found = served_rows(workspace, live, start=start, as_of=as_of)
    logged = found.logged
    if not len(logged):
        raise NotPassedError(
            "no served rows are recorded: set serving.log_features.share to record some, or another source", {}
        )
    if lacking := [name for name in signature.names if name not in logged.columns]:
        raise NotPassedError(
            f"the recorded rows lack {', '.join(map(shown, lacking[:5]))}: serving.log_features.mask leaves such "
            "columns out. Record them, or use another source (policy, retraining.source)",
            {},
        )
    values = [_label(signature, each) for each in found.actual]
    keep = np.array([value is not None for value in values], dtype=np.bool_)
    roles = [name for name in (signature.group, signature.time) if name is not None and name in logged.columns]
    columns = {
        name: _cells(logged.columns[name], signature.kinds.get(name))
        for name in dict.fromkeys((*signature.names, *roles))
    }
    assert signature.target is not None
    columns[signature.target] = _cells(values, signature.target_kind)
    frame = pd.DataFrame(columns)[keep].reset_index(drop=True)
    notes = [found.selection(), _of_candidates(workspace, live, found)]
    if signature.group is not None and signature.group not in logged.columns:
        notes.append(f"{signature.group} was not recorded, so each row counts by itself")
    n_unknown = int(found.labelled.sum() - keep.sum())
    if n_unknown:
        notes.append(f"{n_unknown:,} outcomes are of no class of {live.key} and were left out")
    at = np.array([each.timestamp() for each in logged.at], dtype=np.float64)[keep]
    figures = {
        "source": "served",
        "n_served": len(logged),
        "n_labelled": int(found.labelled.sum()),
        "versions": sorted(set(logged.versions), key=natural),
        "from": None if not len(at) else float(at.min()),
        "to": None if not len(at) else float(at.max()),
    }
    is_new = at > learned_until(live).timestamp()
    chance = None
    if policy.window.correct_selection:
        bands = found.answer_bands()
        chance = selection_chances(bands)[keep]
        figures["shares_with_outcomes"] = [round(band.share, 4) for band in bands]
        n_unseen = sum(int(band.rows.sum()) for band in bands if not band.share)
        if n_unseen:
            notes.append(
                f"{n_unseen:,} rows have answers of which no outcome is known: the correction leaves them as they are"
            )
    return LabelledRows(frame, at, True, is_new, tuple(filter(None, notes)), figures, chance)


def _of_candidates(workspace: Workspace, live: ModelVersion, found: ServedRows) -> str:
    """Say how many outcomes follow from answers of versions that were never live; empty where none does."""
    moves = Registry(workspace).history(live.model)
    were_live = {change.version for move in moves for change in move.changes if change.after is Stage.PRODUCTION}
    others = [
        version
        for version, is_labelled in zip(found.logged.versions, found.labelled.tolist(), strict=True)
        if is_labelled and version not in were_live
    ]
    if not others:
        return ""
    names = sorted(set(others), key=natural)
    was = "which was" if len(names) == 1 else "which were"
    return f"selection: {len(others):,} outcomes came after answers of {', '.join(names)}, {was} never live"


def _label(signature: TableSignature, actual: Actual | None) -> float | str | None:
    """Spell an outcome as the training data does; None if it is unknown, or no outcome of this model."""
    if actual is None:
        return None
    if not signature.classes:
        number = actual.number
        return number if number is not None and np.isfinite(number) else None
    index = class_index(signature.classes, actual)
    if index is None:
        return None
    name = signature.classes[index]
    return name if signature.target_kind is ColumnKind.CATEGORY else float(name)


def _cells(values: Sequence[Any], kind: ColumnKind | None) -> "pd.Series[Any]":
    """Return recorded cells as a column of their kind."""
    if kind in (ColumnKind.NUMBER, ColumnKind.INTEGER, ColumnKind.FLAG):
        return pd.Series([np.nan if each is None else float(each) for each in values], dtype=np.float64)
    if kind is ColumnKind.TIME:
        return pd.to_datetime(pd.Series(values, dtype=object), utc=True, errors="coerce", format="ISO8601")
    return pd.Series([None if each is None else str(each) for each in values], dtype=object)


def _from_files(
    files: Sequence[Path],
    model: Any,
    signature: TableSignature,
    policy: RetrainingPolicy,
    as_of: datetime,
    since: datetime,
) -> LabelledRows:
    frames, n_unlabelled, sources, is_of_new_file = [], 0, [], []
    assert signature.target is not None
    for file in files:
        table = _read(file, model, signature)
        is_filled = has_target(table, signature.target)
        n_unlabelled += int((~is_filled).sum())
        frames.append(table.take(is_filled).frame)
        is_of_new_file.append(np.full(len(frames[-1]), is_newer(file, since)))
        sources.append({"file": file.name, "sha256": table.source.sha256, "n_rows": len(table)})
    roles = (signature.target, signature.group, signature.time)
    wanted = [*signature.names, *(name for name in roles if name is not None and name not in signature.names)]
    present = [name for name in wanted if all(name in frame for frame in frames)]
    if lacking := [name for name in (*signature.names, signature.target) if name not in present]:
        raise UsageError(f"{files[0]} lacks {', '.join(map(shown, lacking[:5]))}, which {model.name} models read.")
    frame = _joined([frame[present] for frame in frames])
    at, has_times = _times(frame, signature.time)
    keep = np.isfinite(at)
    notes = []
    if n_timeless := int((~keep).sum()):
        notes.append(f"{n_timeless:,} rows have no {shown(str(signature.time))} and were left out")
    if has_times:
        keep &= at <= as_of.timestamp()  # of no time: False
        if policy.window.days is not None:
            keep &= at >= as_of.timestamp() - policy.window.days * _DAY_SECONDS
    elif policy.window.days is not None or policy.window.half_life_days is not None:
        notes.append("the rows have no times: the last ones in the order of the files are taken as the newest")
    if policy.source.kind == "files":
        notes += [OPEN_END.format(shown(file.name)) for file in files if has_open_end(file)]
    figures = {
        "source": policy.source.kind,
        "n_files": len(files),
        "files": sources[-20:],
        "n_labelled": len(frame),
        "n_unlabelled": n_unlabelled,
    }
    is_new = at > since.timestamp() if has_times else np.concatenate(is_of_new_file)
    return LabelledRows(frame[keep].reset_index(drop=True), at[keep], has_times, is_new[keep], tuple(notes), figures)


def _read(file: Path, model: Any, signature: TableSignature) -> Table:
    judged = judged_by_its_domain(model, signature, file, ReadingRules())
    if judged is None:
        raise UsageError(f"{model.name} models cannot be trained on a file.")
    table = with_instants(judged.table, signature.time)
    return table if table.frame is judged.frame else replace(table, frame=table.frame)


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put the rows of files below each other; categories of different files are joined by their words."""
    plain = []
    for frame in frames:
        texts = [name for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)]
        plain.append(frame.astype(dict.fromkeys(texts, object)))
    return pd.concat(plain, ignore_index=True)


def _times(frame: pd.DataFrame, name: str | None) -> tuple[FloatArray, bool]:
    """Return the place of each row in time, NaN for an empty cell, and whether it is a time."""
    if name is not None and name in frame and pd.api.types.is_datetime64_any_dtype(frame[name]):
        instants = pd.to_datetime(frame[name], utc=True).dt.tz_localize(None).to_numpy().astype("datetime64[us]")
        seconds = np.where(np.isnat(instants), np.nan, instants.astype(np.int64).astype(np.float64) / 1e6)
        if np.isfinite(seconds).any():
            return seconds, True
    return np.arange(len(frame), dtype=np.float64), False


def _written_by(command: Sequence[str], folder: Path, root: Path) -> Path:
    """Run the command of a source; return the file that it wrote.

    Raises:
        UsageError: It failed, or wrote no file.
    """
    out = folder / COMMAND_OUTPUT
    remove_file(out)
    words = [word.replace("{out}", str(out)) for word in command]
    with tempfile.TemporaryFile() as complaints:  # of a pipe, every process that it left would be waited for
        try:
            done = subprocess.run(
                words,
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                check=False,
                preexec_fn=functools.partial(die_with_parent, os.getpid()),  # this process has one thread
            )
        except OSError as error:
            raise UsageError(
                f"{shown(words[0])} cannot be started: {error.strerror} (policy, retraining.source)."
            ) from None
        complaints.seek(0)
        text = complaints.read(_MOST_READ).decode(errors="replace").strip()
    if done.returncode or not out.is_file():
        said = shown(cut(text, _LONGEST_SAID)) if text else "nothing"
        what = f"ended with exit code {done.returncode}" if done.returncode else "wrote no file"
        raise UsageError(f"{shown(words[0])} {what}; it said {said}.")
    return out


def _thinned(rows: LabelledRows, policy: RetrainingPolicy, as_of: datetime, seed: int) -> LabelledRows:
    """Keep older rows less often, and then the newest rows that the window allows."""
    keep = np.ones(len(rows.frame), dtype=np.bool_)
    if policy.window.half_life_days is not None and rows.has_times:
        age_days = (as_of.timestamp() - rows.at) / _DAY_SECONDS
        random = np.random.default_rng(derive_seed(seed, "half-life"))
        keep = random.random(len(keep)) < half_life_weights(age_days, policy.window.half_life_days)
    if rows.chance is not None:
        random = np.random.default_rng(derive_seed(seed, "selection"))
        keep &= random.random(len(keep)) < rows.chance
    chosen: AnyArray = np.flatnonzero(keep)
    chosen = np.sort(chosen[np.argsort(rows.at[chosen], kind="stable")][-policy.window.rows :])
    return replace(
        rows,
        frame=rows.frame.iloc[chosen].reset_index(drop=True),
        at=rows.at[chosen],
        is_new=rows.is_new[chosen],
    )
