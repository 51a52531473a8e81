"""The folds on which the candidates compete: repeated cross-validation on small tables, one hold-out on large ones.

One hold-out of a small table is a lottery: its few rows would decide otherwise under another seed. On a large table
one hold-out is certain enough, and leaves the candidates nearly as many rows as the final fit has. With times it is
not: the latest fifth of a year is one season, however many rows it has, so several windows decide at every size.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from core.arrays import AnyArray, FloatArray, IntArray
from core.errors import UsageError
from core.models.learners.samples import JudgingFold, group_folds
from core.seeds import SEED_BITS
from core.tables.held_rows import groups_of, split_rows
from core.tables.signature import TableSignature, Task
from core.tables.split import LEAST_GROUPS

LARGE = 5_000  # rows from which one hold-out is certain enough
MANY_CELLS = 400_000  # from here a cross-validation costs too much
HELD_SHARE = 0.2
MOST_JUDGED = 200_000  # rows of a hold-out
N_FOLDS = 5
WINDOWS = (0.4, 0.55, 0.7, 0.85)  # shares of the rows, by time, at which a window begins
FEW_WINDOWS = WINDOWS[1::2]
MOST_CELLS = 4_000_000  # for all windows; beyond, few windows keep the choice below twice the cost of one hold-out


@dataclass(frozen=True, slots=True)
class JudgingFolds:
    """The folds of one table.

    Attributes:
        folds: The folds.
        is_exhaustive: Whether every row is judged by the same number of folds, so that they measure all rows.
        method: The method in words.
    """

    folds: Sequence[JudgingFold]
    is_exhaustive: bool
    method: str


def folds_of(frame: pd.DataFrame, signature: TableSignature, target: FloatArray, *, seed: int) -> JudgingFolds:
    """Choose the folds by the size of a table, its groups and its times.

    Raises:
        UsageError: The rows cannot be split, or a fold would lack a class.
    """
    n_rows = len(frame)
    if not is_small(n_rows, signature) or n_rows * len(signature.columns) > MANY_CELLS:
        if signature.time is not None and signature.group is None and signature.task is not Task.ANOMALY:
            found = _by_time(frame, signature, target, 1, seed=seed)
            _require_classes(found.folds, target, signature)
            return found
        split = split_rows(frame, signature, target, HELD_SHARE, seed=seed)
        judged = at_most(np.flatnonzero(split.held), MOST_JUDGED, seed=seed)
        return JudgingFolds(
            [JudgingFold(np.flatnonzero(split.learn), judged)], False, f"{len(judged)} rows held out ({split.method})"
        )
    n_repeats = _n_repeats(n_rows, n_rows * len(signature.columns) * max(len(signature.classes), 1))
    if signature.time is not None:
        found = _by_time(frame, signature, target, n_repeats, seed=seed)
    else:
        seeds = [seed + repeat for repeat in range(n_repeats)]
        found = JudgingFolds(
            [fold for each in seeds for fold in _across(frame, signature, target, each)],
            True,
            f"{n_rows} rows, each predicted without it ({n_repeats} x {N_FOLDS} folds"
            f"{' of whole groups' if signature.group else ''}, dealt by the data)",
        )
    _require_classes(found.folds, target, signature)
    return found


def is_small(n_rows: int, signature: TableSignature) -> bool:
    """Return whether a table is so small that its verdict would depend on how its rows are dealt."""
    return n_rows < LARGE and signature.task is not Task.ANOMALY


def cross_validates(n_rows: int, signature: TableSignature) -> bool:
    """Return whether the folds of a table judge all of its rows."""
    return is_small(n_rows, signature) and n_rows * len(signature.columns) <= MANY_CELLS and signature.time is None


def seed_of(*rows: AnyArray) -> int:
    """Return a seed that depends on arrays alone."""
    digest = hashlib.sha256()
    for array in rows:
        digest.update(np.ascontiguousarray(array).tobytes())
    return int.from_bytes(digest.digest()[:8], "big") >> (64 - SEED_BITS)


def _n_repeats(n_rows: int, cost: int) -> int:
    """Return how often the cross-validation is repeated: the choice on few rows depends on how they are dealt."""
    if cost > MANY_CELLS // 4:
        return 1
    return 5 if n_rows < 600 else 2 if n_rows < 2_000 else 1


def _across(frame: pd.DataFrame, signature: TableSignature, target: FloatArray, seed: int) -> list[JudgingFold]:
    group = groups_of(frame, signature)
    if signature.group is not None:
        if len(np.unique(group)) < LEAST_GROUPS:
            split_rows(frame, signature, target, HELD_SHARE, seed=seed)  # which refuses them with its reason
        masks = group_folds(group, N_FOLDS, seed=seed)
    else:
        strata = target if signature.task is Task.CLASSIFICATION else np.zeros(len(frame))
        code = _stratified(strata, seed)
        masks = [code == k for k in range(N_FOLDS)]
    return [JudgingFold(np.flatnonzero(~mask), np.flatnonzero(mask)) for mask in masks]


def _stratified(strata: FloatArray, seed: int) -> IntArray:
    """Give each row a fold, such that every fold has the same share of each stratum."""
    ticket = np.random.default_rng(seed).random(len(strata))
    order = np.lexsort((ticket, strata))
    fold = np.empty(len(strata), dtype=np.int64)
    fold[order] = np.arange(len(strata)) % N_FOLDS
    return fold


def _by_time(
    frame: pd.DataFrame, signature: TableSignature, target: FloatArray, n_repeats: int, *, seed: int
) -> JudgingFolds:
    """Judge later rows by earlier ones: in successive windows, or where there are groups in several draws of them."""
    if signature.group is not None:
        splits = [
            split_rows(frame, signature, target, HELD_SHARE, seed=seed + k) for k in range(max(n_repeats, N_FOLDS))
        ]
        folds = [JudgingFold(np.flatnonzero(split.learn), np.flatnonzero(split.held)) for split in splits]
        return JudgingFolds(folds, False, f"{len(folds)} draws of later rows of other groups")
    instant = np.unique(frame[str(signature.time)].to_numpy(), return_inverse=True)[1]
    rank = np.searchsorted(np.sort(instant), instant, side="left") / len(instant)  # rows of one instant share it
    edges = WINDOWS if len(frame) * len(signature.columns) <= MOST_CELLS else FEW_WINDOWS
    starts = {float(rank[rank >= edge].min()) for edge in edges if (rank >= edge).any()}
    folds = [
        JudgingFold(
            np.flatnonzero(rank < first),
            at_most(np.flatnonzero((rank >= first) & (rank < after)), MOST_JUDGED // len(edges), seed=seed),
        )
        for first, after in pairwise((*sorted(starts), np.inf))
        if (rank < first).any()
    ]
    if not folds:
        split_rows(frame, signature, target, HELD_SHARE, seed=seed)  # which refuses the times with its reason
    if signature.task is Task.CLASSIFICATION:
        folds = [fold for fold in folds if len(np.unique(target[fold.learn])) == len(signature.classes)] or folds[-1:]
    n_judged = sum(len(fold.judge) for fold in folds)
    return JudgingFolds(folds, False, f"{n_judged} later rows, in {len(folds)} windows predicted by the rows before")


def at_most(rows: IntArray, most: int, *, seed: int) -> IntArray:
    """Draw some of the rows where there are more than needed."""
    return rows if len(rows) <= most else np.sort(np.random.default_rng(seed).permutation(rows)[:most])


def _require_classes(folds: Sequence[JudgingFold], target: FloatArray, signature: TableSignature) -> None:
    if signature.task is not Task.CLASSIFICATION:
        return
    for fold in folds:
        found = np.unique(target[fold.learn])
        if len(found) < len(signature.classes):
            lacking = next(label for code, label in enumerate(signature.classes) if code not in found)
            raise UsageError(
                f"No row for training has the class {lacking!r} of {signature.target}, after holding out rows. "
                "Give more rows of this class, or leave out --group or --time."
            )


def mean_losses(folds: Sequence[JudgingFold], losses: Sequence[FloatArray], n_rows: int) -> tuple[FloatArray, AnyArray]:
    """Average each row's losses over the folds that judge it.

    Returns:
        The mean losses of the judged rows, and their positions.
    """
    total, count = np.zeros(n_rows), np.zeros(n_rows)
    for fold, loss in zip(folds, losses, strict=True):
        total[fold.judge] += loss
        count[fold.judge] += 1
    judged = np.flatnonzero(count)
    return total[judged] / count[judged], judged
