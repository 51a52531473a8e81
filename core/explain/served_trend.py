"""How what a version relies on moved while it served: importances by bucket of time, and which moves are changes.

A bucket's sampling error says how far its mean may be from that of all rows that it stands for. It does not say how
much buckets differ anyway, as callers and hours do; so a change is judged by the buckets themselves, which are the
units of the test: the earlier half of the time that a version served against the later half, by ratio estimates and
Student's t. All columns of all versions, and all steps from one version to the next, are looked at together: each
interval has the level that Bonferroni leaves to it, and only an interval without zero is called a change.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np

from core.arrays import BoolArray, FloatArray
from core.explain.deny_list import NONE_DENIED, DenyList, left_out_note
from core.explain.served_sketch import ContributionBasis, ContributionSketch, add_sketches
from core.explain.trend_moves import LEAST_BLOCKS, ImportanceMove, RatioEstimate, compared, ratio_estimate
from core.natural_order import natural

ERROR_RATE: Final = 0.05  # that anything at all is called a change where nothing changed
SHORT: Final = timedelta(days=2)
_STEPS: Final = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60, 180, 360, 720, 1_440, 10_080, 43_200)
)
_MOST_BUCKETS: Final = 32


class ServedBucket(msgspec.Struct, frozen=True, kw_only=True):
    """The answers of one version within one bucket of time.

    Attributes:
        at: When it begins.
        n_rows: Rows that the explained rows stand for.
        n_explained: Rows that were explained.
    """

    at: datetime
    n_rows: int
    n_explained: int


class FeatureTrend(msgspec.Struct, frozen=True, kw_only=True):
    """How much one column moved the answers over time.

    Attributes:
        feature: The column.
        importance: The mean size of its contributions over the window.
        error: Its standard error from the choice of the explained rows.
        share: Of the sum over columns.
        mean: The mean contribution, with its sign.
        sizes: The importance in each bucket; None where nothing was explained.
        errors: Its standard error in each bucket from the choice of the explained rows.
        move: From the earlier to the later half of the version's buckets; None where these are too few to say.
    """

    feature: str
    importance: float
    error: float
    share: float
    mean: float
    sizes: tuple[float | None, ...]
    errors: tuple[float | None, ...]
    move: ImportanceMove | None = None


class ServedTrend(msgspec.Struct, frozen=True, kw_only=True):
    """What one version relied on while it served, explained in one way.

    Attributes:
        version: The version.
        algorithm: How contributions were computed, in words.
        scale: The scale of the contributions, in words.
        output: Of a classification the class that is explained.
        reference: What the base is the mean of, in words.
        n_rows: Rows that the explained rows stand for.
        n_explained: Rows that were explained.
        buckets: Of the window, in order.
        features: By importance, the largest first.
        notes: What a reader must know, a sentence each.
    """

    version: str
    algorithm: str
    scale: str
    output: str | None
    reference: str
    n_rows: int
    n_explained: int
    buckets: tuple[ServedBucket, ...]
    features: tuple[FeatureTrend, ...]
    notes: tuple[str, ...] = ()


class ShareMove(msgspec.Struct, frozen=True, kw_only=True):
    """How one column's share of the importance moved from one version to the next; None: that one does not read it."""

    feature: str
    before: float | None
    after: float | None
    move: ImportanceMove | None


class VersionStep(msgspec.Struct, frozen=True, kw_only=True):
    """What a version relied on while it served, against the one before: shares, since scales may differ."""

    before: str
    after: str
    features: tuple[ShareMove, ...]


class TrendReport(msgspec.Struct, frozen=True, kw_only=True):
    """The trends of a model over a window.

    Attributes:
        trends: One for each version and each way in which its answers were explained, by the bucket of their first
            rows, and within one bucket by the number of the version.
        steps: From each version to the next.
        n_compared: How many figures were looked at, which share the error rate of 5 %.
        notes: What a reader must know, a sentence each.
    """

    trends: tuple[ServedTrend, ...]
    steps: tuple[VersionStep, ...]
    n_compared: int
    notes: tuple[str, ...] = ()


def bucket_step(window: timedelta) -> timedelta:
    """Return the length of the buckets of a window: at most 32 of them, and whole minutes, hours or days.

    >>> str(bucket_step(timedelta(days=7))), str(bucket_step(timedelta(hours=1)))
    ('6:00:00', '0:05:00')
    """
    return next((step for step in _STEPS if window / step <= _MOST_BUCKETS), _STEPS[-1])


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The buckets of one version that have explained rows, as arrays.

    Attributes:
        basis: How contributions were computed.
        places: Their positions in the window.
        explained: Rows of each that were explained.
        rows: Rows that each stands for, shape (n,).
        sizes: Total sizes by bucket and column, shape (n, columns).
        sums: The same with signs.
        variances: Of `sizes`, from the choice of rows.
    """

    basis: ContributionBasis
    places: list[int]
    explained: list[int]
    rows: FloatArray
    sizes: FloatArray
    sums: FloatArray
    variances: FloatArray

    @property
    def totals(self) -> FloatArray:
        """The size of all columns together, by bucket."""
        return np.asarray(self.sizes.sum(axis=1))


def trend_report(
    sketches: Mapping[str, Sequence[tuple[datetime, ContributionSketch]]],
    *,
    start: datetime,
    end: datetime,
    step: timedelta,
    denied: DenyList = NONE_DENIED,
) -> TrendReport:
    """Say how importances moved.

    Args:
        sketches: By version the stored sketches, each with the beginning of its minute or hour.
        start: The beginning of the first bucket.
        end: The end of the window.
        step: The length of a bucket.
        denied: Columns that must not appear, also if they were explained before they were denied.
    """
    times = [start + place * step for place in range(max(-((start - end) // step), 1))]
    kept: list[tuple[str, _Blocks]] = []
    for version, stored in sketches.items():
        by_basis: dict[ContributionBasis, dict[int, list[ContributionSketch]]] = defaultdict(lambda: defaultdict(list))
        for at, sketch in stored:
            if start <= at < end:
                by_basis[sketch.basis][(at - start) // step].append(sketch)
        kept += [(version, _blocks(basis, parts)) for basis, parts in by_basis.items()]
    kept.sort(key=lambda each: (each[1].places[0], natural(each[0])))
    pairs = list(pairwise(kept))
    n_compared = sum(len(blocks.basis.names) for _, blocks in kept)
    n_compared += sum(len(_either(one, other)) for (_, one), (_, other) in pairs)
    tail = 1.0 - ERROR_RATE / max(n_compared, 1) / 2.0
    notes = []
    if end - start < SHORT:
        notes.append("A window of less than two days holds the rhythm of a day: its halves may differ by that alone.")
    return TrendReport(
        trends=tuple(_trend(version, blocks, times, tail, denied) for version, blocks in kept),
        steps=tuple(
            VersionStep(before=before, after=after, features=_step(one, other, tail, denied))
            for (before, one), (after, other) in pairs
        ),
        n_compared=n_compared,
        notes=tuple(notes),
    )


def _blocks(basis: ContributionBasis, parts: Mapping[int, list[ContributionSketch]]) -> _Blocks:
    places = sorted(parts)
    added = [add_sketches(parts[place]) for place in places]
    return _Blocks(
        basis,
        places,
        [each.n_explained for each in added],
        np.array([each.n for each in added], dtype=np.float64),
        np.array([each.sizes for each in added]),
        np.array([each.sums for each in added]),
        np.array([each.variances for each in added]),
    )


def _trend(version: str, blocks: _Blocks, times: list[datetime], tail: float, denied: DenyList) -> ServedTrend:
    n_rows, total = blocks.rows.sum(), blocks.sizes.sum()
    at = {place: k for k, place in enumerate(blocks.places)}
    is_later = np.array(blocks.places) >= (blocks.places[0] + blocks.places[-1] + 1) / 2
    features = []
    for column, name in enumerate(blocks.basis.names):
        if denied.denies(name):
            continue
        sizes, errors = blocks.sizes[:, column], np.sqrt(blocks.variances[:, column])
        features.append(
            FeatureTrend(
                feature=name,
                importance=float(sizes.sum() / n_rows),
                error=float(np.sqrt(blocks.variances[:, column].sum()) / n_rows),
                share=float(sizes.sum() / total) if total else 0.0,
                mean=float(blocks.sums[:, column].sum() / n_rows),
                sizes=_by_place(sizes / blocks.rows, at, len(times)),
                errors=_by_place(errors / blocks.rows, at, len(times)),
                move=_halves(sizes, blocks.rows, is_later, tail),
            )
        )
    features.sort(key=lambda entry: (-entry.importance, entry.feature))
    notes = []
    if n_hidden := len(blocks.basis.names) - len(features):
        notes.append(left_out_note(n_hidden, len(blocks.basis.names)))
    if features and all(entry.move is None for entry in features):
        notes.append(
            "Too few buckets with explained rows to say whether anything changed: each half needs "
            f"{LEAST_BLOCKS:.0f} that weigh alike."
        )
    if blocks.basis.is_sampled:
        notes.append(
            "Contributions were sampled, which adds noise to their sizes: small importances are overstated, alike in "
            "all buckets."
        )
    return ServedTrend(
        version=version,
        algorithm=blocks.basis.algorithm,
        scale=denied.scale_of_answers(blocks.basis.scale),
        output=blocks.basis.output,
        reference=blocks.basis.reference,
        n_rows=int(n_rows),
        n_explained=sum(blocks.explained),
        buckets=tuple(
            ServedBucket(
                at=time,
                n_rows=int(blocks.rows[at[place]]) if place in at else 0,
                n_explained=blocks.explained[at[place]] if place in at else 0,
            )
            for place, time in enumerate(times)
        ),
        features=tuple(features),
        notes=tuple(notes),
    )


def _by_place(values: FloatArray, at: Mapping[int, int], n_places: int) -> tuple[float | None, ...]:
    return tuple(float(values[at[place]]) if place in at else None for place in range(n_places))


def _halves(sizes: FloatArray, rows: FloatArray, is_later: BoolArray, tail: float) -> ImportanceMove | None:
    return compared(
        ratio_estimate(sizes[~is_later], rows[~is_later]), ratio_estimate(sizes[is_later], rows[is_later]), tail
    )


def _step(one: _Blocks, other: _Blocks, tail: float, denied: DenyList) -> tuple[ShareMove, ...]:
    found = []
    for name in _either(one, other):
        if denied.denies(name):
            continue
        shares = [
            ratio_estimate(blocks.sizes[:, blocks.basis.names.index(name)], blocks.totals)
            if name in blocks.basis.names
            else None
            for blocks in (one, other)
        ]
        before, after = shares
        move = compared(before or _nothing(one), after or _nothing(other), tail)
        found.append(
            ShareMove(
                feature=name,
                before=None if before is None else before.value,
                after=None if after is None else after.value,
                move=move,
            )
        )
    return tuple(sorted(found, key=lambda entry: (-abs((entry.after or 0.0) - (entry.before or 0.0)), entry.feature)))


def _either(one: _Blocks, other: _Blocks) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*other.basis.names, *one.basis.names]))


def _nothing(blocks: _Blocks) -> RatioEstimate:
    """The share of a column that the version does not read: zero in each bucket."""
    return ratio_estimate(np.zeros(len(blocks.rows)), blocks.totals)
