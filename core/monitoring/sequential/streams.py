"""The bets of a whole version side by side, and how the budget for false alarms is split over what they follow."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import msgspec
import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.monitoring.data_profile import DataProfile
from core.monitoring.sequential.bets import (
    SHARE_DOWNS,
    SHARE_UPS,
    TILTS,
    Band,
    ColumnBets,
    Instant,
    aspects_of,
    bets_by_direction,
    n_directions,
)
from core.monitoring.sequential.layout import ColumnKey, ColumnLayout, columns_of, layouts_of
from core.monitoring.sequential.scores import Aspect, Followed, followed_in
from core.monitoring.sequential.warm_up import ScoreSpread
from core.monitoring.verdicts import DriftType

KIND_WEIGHTS = {
    DriftType.FEATURE: 3.0,
    DriftType.PREDICTION: 1.0,
    DriftType.TARGET: 1.0,
    DriftType.RESIDUAL: 1.0,
    DriftType.QUALITY: 1.0,
}
FORMAT = 4  # of the bets
EVEN_SHARE = 0.5  # of the weights of features, whatever their importance: an unimportant feature is watched, too
REFERENCE_LEVEL = 0.05
"""The probability that the reference is so unusual a sample that the truth lies outside the band of some bet."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What has one verdict: the values of a column, or the quality of its cells.

    Attributes:
        key: The column.
        type: Its kind, or quality.
        weight: Its share of the budget for false alarms.
    """

    key: ColumnKey
    type: DriftType
    weight: float


class Streams:
    """All bets on one version, row by row; they follow from its profile alone.

    Attributes:
        layouts: By column, the cells of its rows.
        columns: The same in order.
        column_numbers: The place of each column in it.
        unwatched: Columns whose values are not followed, since the reference has too few of them.
        streams: What has a verdict of its own.
    """

    def __init__(
        self, profile: DataProfile, importance: Mapping[str, float] | None = None, *, harmless: float = 0.02
    ) -> None:
        """Prepare the bets.

        Args:
            profile: What the version learned from.
            importance: Share of each feature in its answers.
            harmless: The move that is never reported, in standard deviations.
        """
        self.layouts = layouts_of(profile)
        self._identity = (profile.to_bytes(), sorted((importance or {}).items()), harmless)
        self.columns: tuple[ColumnLayout, ...] = tuple(self.layouts.values())
        self.unwatched = tuple(
            name
            for kind, name in columns_of(profile)
            if (layout := self.layouts.get((kind, name))) is None or not layout.has_enough_values
        )
        self.column_numbers = {layout.key: k for k, layout in enumerate(self.columns)}
        self._followed = tuple(followed_in(layout, harmless) for layout in self.columns)
        level = REFERENCE_LEVEL / max(n_directions(self._followed), 1)
        from scipy.special import ndtri

        band = Band(float(-ndtri(level)), level, harmless)
        self._bets = tuple(ColumnBets(each, band) for each in self._followed)
        self.width = max((layout.width for layout in self.columns), default=0)
        self.streams = _streams(self.columns, self._followed, importance or {})
        self._by_stream = {(stream.key, stream.type is DriftType.QUALITY): k for k, stream in enumerate(self.streams)}
        self._known: dict[Instant, FloatArray] = {}
        columns, streams, aspects, weights = [], [], [], []
        directions: list[int] = []
        directed: list[int] = []
        for k, each in enumerate(self._followed):
            for n in bets_by_direction(each):
                directions += [len(directed)] * n
                directed.append(k)
            for aspect, weight in aspects_of(each):
                columns.append(k)
                streams.append(self._by_stream[each.layout.key, aspect is not Aspect.VALUES])
                aspects.append(aspect)
                weights.append(weight)
        self.column_of: IntArray = np.array(columns, dtype=np.int64)
        self.stream_of: IntArray = np.array(streams, dtype=np.int64)
        self.aspects: tuple[Aspect, ...] = tuple(aspects)
        self.weights: FloatArray = np.array(weights)
        self.direction_of: IntArray = np.array(directions, dtype=np.int64)
        self.directed: IntArray = np.array(directed, dtype=np.int64)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of all that the bets follow from: a state belongs to one of them."""
        profile, importance, harmless = self._identity
        rules = msgspec.json.encode((FORMAT, importance, harmless, TILTS, SHARE_UPS, SHARE_DOWNS))
        return hashlib.sha256(profile + rules).hexdigest()

    @property
    def n_bets(self) -> int:
        """All bets."""
        return len(self.weights)

    @cached_property
    def untimed(self) -> tuple[str, ...]:
        """The columns whose reference does not tell hours apart."""
        return tuple(each.layout.key[1] for each in self._followed if not each.layout.stored.by_hour)

    @cached_property
    def is_untimed(self) -> BoolArray:
        """By score and share, whether its reference does not tell hours apart."""
        return np.array([not layout.stored.by_hour for layout in self.columns], np.bool_)[self.directed]

    def scored(self, rows: IntArray, at: Instant) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return, by score and share, its rows, the sum of their scores less what is usual, and the sum of squares.

        Args:
            rows: By column and cell.
            at: When.
        """
        scores, among = self._by_direction
        usual = np.concatenate([bets.usual(at) for bets in self._bets]) if self._bets else np.zeros(0)
        own = rows[self.directed]
        n = (among * own).sum(axis=1)
        sums, squares = (scores * own).sum(axis=1), (scores**2 * own).sum(axis=1)
        return n, sums - n * usual, squares - 2 * usual * sums + n * usual**2

    @cached_property
    def spread(self) -> ScoreSpread:
        """How much rows of the reference differ, by score and share."""
        scores, among = self._by_direction
        reference = np.zeros((len(self.columns), self.width))
        for k, layout in enumerate(self.columns):
            reference[k, : layout.width] = layout.reference
        rows = among * reference[self.directed]
        share = rows / np.maximum(rows.sum(axis=1, keepdims=True), 1.0)
        apart = scores - (share * scores).sum(axis=1, keepdims=True)
        variance, fourth = (np.asarray((share * apart**power).sum(axis=1)) for power in (2, 4))
        kurtosis = np.divide(fourth, variance**2, out=np.full_like(fourth, np.inf), where=variance > 0)
        return ScoreSpread(variance, kurtosis)

    @cached_property
    def _by_direction(self) -> tuple[FloatArray, FloatArray]:
        scores = np.zeros((len(self.directed), self.width))
        among = np.zeros_like(scores)
        followed: list[tuple[FloatArray, BoolArray]] = []
        for each in self._followed:
            followed += [(score.by_cell, score.among) for score in each.scores]
            followed += [(share.hits.astype(np.float64), share.among) for share in each.shares]
        for k, (by_cell, there) in enumerate(followed):
            scores[k, : len(by_cell)], among[k, : len(by_cell)] = by_cell * there, there
        return scores, among

    @cached_property
    def design_effects(self) -> FloatArray:
        """By column, how many rows are worth one independent row, as the reference shows it."""
        return np.array([max(layout.stored.effect, layout.stored.missing_effect) for layout in self.columns])

    def table(self, counts: Mapping[ColumnKey, IntArray]) -> IntArray:
        """Arrange the rows of a minute, shape (n_columns, width); columns without counts have no rows.

        Raises:
            ValueError: A column has counts of another layout.
        """
        found = np.zeros((len(self.columns), self.width), dtype=np.int64)
        for k, layout in enumerate(self.columns):
            if (own := counts.get(layout.key)) is not None:
                if own.shape != (layout.width,):
                    raise ValueError(f"{layout.key[1]} has counts of {own.shape} cells, not {layout.width}")
                found[k, : layout.width] = own
        return found

    def increments(self, at: Instant) -> FloatArray:
        """Return what a row of each cell adds to the logarithm of each bet, shape (n_bets, width)."""
        if (found := self._known.get(at)) is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            found = self._known[at] = self._computed(at)
        return found

    def expected(self, key: ColumnKey, at: datetime) -> FloatArray:
        """Return the share of each cell of values in the reference at the hour of an instant."""
        return self._bets[self.column_numbers[key]].expected(Instant(at.hour, at.weekday()))

    @cached_property
    def _starts(self) -> IntArray:
        return np.searchsorted(self.column_of, np.arange(len(self.columns) + 1)).astype(np.int64)

    @cached_property
    def _seasonal(self) -> tuple[int, ...]:
        return tuple(k for k, each in enumerate(self._bets) if each.is_seasonal)

    @cached_property
    def _flat(self) -> FloatArray:
        found = np.zeros((self.n_bets, self.width))
        for k in range(len(self.columns)):
            if k not in self._seasonal:
                self._fill(found, k, Instant(0, 0))
        return found

    def _computed(self, at: Instant) -> FloatArray:
        found = self._flat.copy()
        for k in self._seasonal:
            self._fill(found, k, at)
        return found

    def _fill(self, found: FloatArray, k: int, at: Instant) -> None:
        found[self._starts[k] : self._starts[k + 1], : self.columns[k].width] = self._bets[k].increments(at)


MOST_KNOWN = 4  # hours whose bets are kept: the newest matter


def _streams(
    columns: tuple[ColumnLayout, ...], followed: tuple[Followed, ...], importance: Mapping[str, float]
) -> tuple[Stream, ...]:
    """Split the budget over kinds, then over columns: features by their importance, half of it evenly."""
    features = [layout.key[1] for layout in columns if layout.key[0] is DriftType.FEATURE]
    known = sum(max(importance.get(name, 0.0), 0.0) for name in features)
    raw: list[tuple[ColumnKey, DriftType, float]] = []
    for layout, each in zip(columns, followed, strict=True):
        kind, name = layout.key
        weight = 1.0
        if kind is DriftType.FEATURE:
            weight = 1.0 / len(features)
            if known > 0:
                share = max(importance.get(name, 0.0), 0.0) / known
                weight = EVEN_SHARE * weight + (1 - EVEN_SHARE) * share
        if each.scores or any(share.aspect is Aspect.VALUES for share in each.shares):
            raw.append((layout.key, kind, weight))
        raw.append((layout.key, DriftType.QUALITY, 1.0 / len(columns)))
    kinds = {kind for _, kind, _ in raw}
    sums = {kind: sum(weight for _, of, weight in raw if of is kind) for kind in kinds}
    total = sum(KIND_WEIGHTS[kind] for kind in kinds)
    return tuple(Stream(key, kind, KIND_WEIGHTS[kind] / total * weight / sums[kind]) for key, kind, weight in raw)
