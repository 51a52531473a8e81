"""Holding out rows: whole groups, the latest rows, the same share of each class, or at random."""

from dataclasses import dataclass

import numpy as np

from core.arrays import AnyArray, BoolArray, IntArray

LEAST_GROUPS = 4


@dataclass(frozen=True, slots=True)
class Split:
    """The rows to learn from and the rows held out; rows on neither side would leak between the two.

    Attributes:
        learn: Rows to learn from, shape (n,).
        held: Rows to test on, shape (n,).
        method: How the rows were split, in words.
    """

    learn: BoolArray
    held: BoolArray
    method: str


def hold_out(
    n_rows: int,
    share: float,
    *,
    seed: int,
    group: IntArray | None = None,
    time: AnyArray | None = None,
    classes: IntArray | None = None,
) -> Split:
    """Hold out a share of rows, such that the rest says as little about them as about future rows.

    Args:
        n_rows: The number of rows.
        share: The share of groups, time or rows to hold out.
        seed: Seed of the random draw; a split by time is not random.
        group: Group of each row as a code from 0, shape (n,): no group is on both sides.
        time: Of each row, shape (n,): every held-out row is later than every training row.
        classes: Class of each row as a code, shape (n,): both sides have the same mix, if groups and time allow it.
    Returns:
        The split. With group and time, late rows of some groups are held out, and early rows of the others are for
        training; the remaining rows are on neither side.
    Raises:
        ValueError: There are too few groups or instants for two sides; the message says which.

    >>> split = hold_out(4, 0.5, seed=1, time=np.array([3, 1, 2, 4]))
    >>> split.held.tolist()
    [True, False, False, True]
    """
    if group is None and time is None:
        return _of_rows(n_rows, share, classes, seed)
    learn, held = np.ones(n_rows, dtype=np.bool_), np.ones(n_rows, dtype=np.bool_)
    words = []
    if group is not None:
        # Two conditions cut the held-out side, so each takes more: √0.2 = 45 % of groups and of time are 20 % of rows.
        chosen = _some_groups(group, share if time is None else np.sqrt(share), seed)
        learn, held = learn & ~chosen, held & chosen
        words.append("whole groups")
    if time is not None:
        late = _late(time, share if group is None else np.sqrt(share))
        learn, held = learn & ~late, held & late
        words.append("the latest rows")
    if not learn.any() or not held.any():
        raise ValueError("groups and times leave one side without rows")
    return Split(learn, held, " and ".join(words))


def _some_groups(group: IntArray, share: float, seed: int) -> BoolArray:
    """Choose groups until they hold the wanted share of rows."""
    present, code = np.unique(group, return_inverse=True)
    if len(present) < LEAST_GROUPS:
        raise ValueError(f"there are only {len(present)} groups; at least {LEAST_GROUPS} are needed to hold some out")
    order = np.random.default_rng(seed).permutation(len(present))
    sizes = np.bincount(code)[order]
    # At least one group on each side, whatever the sizes.
    n_chosen = int(np.clip(np.searchsorted(np.cumsum(sizes), share * len(group)) + 1, 1, len(present) - 1))
    chosen = np.zeros(len(present), dtype=np.bool_)
    chosen[order[:n_chosen]] = True
    return chosen[code]


def _late(time: AnyArray, share: float) -> BoolArray:
    """Choose the rows after an instant; rows of one instant stay together."""
    instants, counts = np.unique(time, return_counts=True)
    if len(instants) < 2:
        raise ValueError("all rows have the same time")
    early = np.cumsum(counts) <= (1 - share) * len(time)
    last_early = int(np.clip(early.sum() - 1, 0, len(instants) - 2))
    return np.asarray(time > instants[last_early])


def _of_rows(n_rows: int, share: float, classes: IntArray | None, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    ticket = rng.random(n_rows)
    held = np.zeros(n_rows, dtype=np.bool_)
    strata = np.zeros(n_rows, dtype=np.int64) if classes is None else classes
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        n_held = int(np.clip(round(share * len(rows)), 1, max(1, len(rows) - 1)))
        held[rows[np.argsort(ticket[rows], kind="stable")[:n_held]]] = True
    return Split(~held, held, "rows at random" if classes is None else "the same share of each class")
