"""`profile.json` of a version: what its model learned from, in so few figures that a check needs no row of it.

The file holds counts and values of single columns: no row, and of two columns together only means by slice. A column of
numbers takes about 2.5 KiB, a column of few levels some dozen bytes a level. The same rows give the same bytes.
"""

import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from core.arrays import IntArray
from core.errors import UsageError
from core.json_documents import decode_json
from core.monitoring.number_sketch import NumberSketch
from core.tables.signature import ColumnKind

PROFILE_NAME = "profile.json"
MOST_BYTES = 32 << 20
MOST_LEVELS = 400  # of a column that keeps each level by name
N_BUCKETS = 256
DIGITS = 6
HOURS, WEEKDAYS = 24, 7
MOMENTS = ("missing", "mean", "sd", "mean year", "sd days")
"""The figures of a column that are no value of its cells."""
FEW_LEVELS = 12  # of a category, from which a comparison of versions shows the shares

_DAY = 86_400e6  # microseconds

Count = Annotated[int, Meta(ge=0, le=1 << 53)]


class ProfileError(UsageError):
    """A version has no profile, or one that cannot be read."""

    def __init__(self, place: object, problem: str, cure: str) -> None:
        self.place, self.problem = str(place), problem
        super().__init__(f"{place}: {problem}. {cure}")


class NoProfileError(ProfileError):
    """A version has no profile."""


class ColumnProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One column.

    Attributes:
        name: Of the column.
        kind: Its kind.
        rows: Rows, empty cells included.
        missing: Empty cells.
        unreadable: Filled cells that could not be read as the kind, infinite ones included.
        infinite: Infinite cells.
        mean: Of numbers.
        sd: Of numbers.
        points: Of numbers: values or edges in ascending order, the least and the greatest included.
        below: How many numbers are smaller than each point.
        equal: How many are equal to it.
        levels: Of a category with at most 400 levels: the rows of each.
        buckets: Of a category with more levels: the rows of each of 256 hashes of their names.
        n_levels: How many levels there were.
        alone: Of grouped rows: the rows of each level, or of each bucket by its number, one row a group.
        design_effect: How many rows are worth one independent row; 0: too few groups to know.
        missing_effect: The same of which cells are empty.
        by_hour: The rows of each hour of the day, UTC, by coarse cell, the empty cells last; empty without a time.
        by_weekday: The same by weekday, Monday first.
    """

    name: str
    kind: ColumnKind
    rows: Count
    missing: Count = 0
    unreadable: Count = 0
    infinite: Count = 0
    mean: float | None = None
    sd: float | None = None
    points: tuple[float, ...] = ()
    below: tuple[Count, ...] = ()
    equal: tuple[Count, ...] = ()
    levels: dict[str, Count] = {}
    buckets: tuple[Count, ...] = ()
    n_levels: Count = 0
    alone: dict[str, Count] = {}
    design_effect: Annotated[float, Meta(ge=0)] = 1.0
    missing_effect: Annotated[float, Meta(ge=1)] = 1.0
    by_hour: tuple[tuple[Count, ...], ...] = ()
    by_weekday: tuple[tuple[Count, ...], ...] = ()

    @property
    def n(self) -> int:
        """Cells with a value."""
        return self.rows - self.missing - self.unreadable

    @property
    def effect(self) -> float:
        """How many rows are worth one independent row; infinite if that is unknown."""
        return self.design_effect or math.inf

    def sketch(self) -> NumberSketch:
        """Return the numbers."""
        below = np.array(self.below, dtype=np.int64)
        return NumberSketch(np.array(self.points), below, below + np.array(self.equal, dtype=np.int64), self.n)

    def level_rows(self) -> tuple[IntArray, IntArray] | None:
        """Return the numbers of the buckets, and the rows of each; None if levels have names."""
        if not self.buckets:
            return None
        rows = np.array(self.buckets, dtype=np.int64)
        there = np.flatnonzero(rows)
        return there, rows[there]

    def figures(self) -> dict[str, float]:
        """Return what a comparison of versions shows: shares of missing cells and levels, mean, sd and median.

        Those of instants are years, such as 2016.5, and days.
        """
        found = {"missing": self.missing / self.rows} if self.missing else {}
        if self.mean is not None and self.sd is not None:
            median = float(self.sketch().value(np.array([(self.n - 1) // 2, self.n // 2])).mean())
            if self.kind is ColumnKind.TIME:  # microseconds say nothing to a reader
                found |= {"mean year": _year(self.mean), "sd days": self.sd / _DAY, "median year": _year(median)}
            else:
                found |= {"mean": self.mean, "sd": self.sd, "median": median}
        elif self.n_levels > FEW_LEVELS:
            return {}
        found |= {f"share of {level}": rows / self.n for level, rows in self.levels.items()}
        return {figure: float(f"{value:.{DIGITS}g}") for figure, value in found.items()}

    def fault(self) -> str:
        """Say what contradicts itself; empty if nothing does."""
        if self.n < 0 or self.infinite > self.unreadable:
            return "counts more empty and unreadable cells than rows"
        figures = (self.design_effect, self.missing_effect, self.mean or 0.0, self.sd or 0.0, *self.points)
        if not all(map(math.isfinite, figures)):
            return "holds a number that is not finite"
        for rows, n, what in ((self.by_hour, HOURS, "hours"), (self.by_weekday, WEEKDAYS, "weekdays")):
            if rows and (len(rows) != n or len({len(row) for row in rows}) > 1 or sum(map(sum, rows)) > self.rows):
                return f"has counts by {what} that do not fit its rows"
        if self.kind is ColumnKind.CATEGORY:
            return self._fault_of_levels()
        if self.levels or self.buckets:
            return "has levels but is not a category"
        if not len(self.points) == len(self.below) == len(self.equal):
            return "has points without counts"
        if bool(self.points) != bool(self.n):
            return "has no points for its numbers"
        if any(a >= b for a, b in pairwise(self.points)):
            return "has points out of order"
        ends = [low + same for low, same in zip(self.below, self.equal, strict=True)]
        if any(end > low for end, low in zip(ends, self.below[1:], strict=False)) or 0 in self.equal:
            return "has counts out of order"
        if self.points and (self.below[0] or ends[-1] != self.n):
            return "has counts that do not add up to its rows"
        return ""

    def _fault_of_levels(self) -> str:
        if self.points or self.below or self.equal:
            return "has points, but is a category"
        if self.buckets and (self.levels or len(self.buckets) != N_BUCKETS):
            return f"has levels in {len(self.buckets)} buckets; there must be {N_BUCKETS}, or names"
        if len(self.levels) > MOST_LEVELS:
            return f"has {len(self.levels)} levels; it may name {MOST_LEVELS}"
        if sum(self.buckets) + sum(self.levels.values()) != self.n:
            return "has counts that do not add up to its rows"
        return ""


class CalibrationBin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Held-out rows of about the same predicted probability."""

    rows: Count
    predicted: float  # mean probability
    observed: float  # share of events


class SliceProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Held-out rows of one slice."""

    rows: Count
    prediction: float | None = None  # mean
    residual: float | None = None  # mean
    residual_sd: float | None = None
    features: dict[str, float] = {}  # mean of each feature of numbers; of the first slices alone


class DataProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a version learned from, and what it answered on rows held out.

    Attributes:
        format: Of the file.
        rows: Rows that it learned from.
        features: The columns that it reads.
        target: The column that it predicts.
        held_out: Rows that it was tested on.
        prediction: Its answers to them.
        residual: What these were off by.
        calibration: Of probabilities, by tenths of the answers.
        slices: The same rows by slice.
        group: The column whose rows depend on each other.
        time: The column whose hours and weekdays the counts by season are of.
    """

    format: Literal[1]
    rows: Count
    features: tuple[ColumnProfile, ...]
    target: ColumnProfile | None = None
    held_out: Count = 0
    prediction: ColumnProfile | None = None
    residual: ColumnProfile | None = None
    calibration: tuple[CalibrationBin, ...] = ()
    slices: dict[str, SliceProfile] = {}
    group: str | None = None
    time: str | None = None

    @property
    def data_columns(self) -> tuple[ColumnProfile, ...]:
        """The columns of the data: the features, and the target."""
        return (*self.features, *([self.target] if self.target is not None else []))

    @property
    def columns(self) -> tuple[ColumnProfile, ...]:
        """All columns."""
        own = (self.prediction, self.residual)
        return (*self.data_columns, *(column for column in own if column is not None))

    def to_bytes(self) -> bytes:
        """Return the canonical bytes."""
        return msgspec.json.encode(self, order="deterministic") + b"\n"

    @classmethod
    def from_bytes(cls, content: bytes, place: object) -> "DataProfile":
        """Read a profile strictly.

        Raises:
            ProfileError: It is none, or contradicts itself.
        """
        cure = "Train the version again, or check its folder: bondx registry verify"
        try:
            if len(content) > MOST_BYTES:
                raise ProfileError(place, f"it has more than {MOST_BYTES:,} bytes", cure)
            profile = decode_json(content, type=cls)
        except msgspec.DecodeError as error:
            raise ProfileError(place, f"it is not the profile of a version ({error})", cure) from error
        for column in profile.columns:
            if fault := column.fault():
                raise ProfileError(place, f"its column {column.name!r} {fault}", cure)
        names = [column.name for column in profile.features]
        if len(set(names)) < len(names):
            raise ProfileError(place, "it has two features of one name", cure)
        return profile


def _year(instant: float) -> float:
    """Turn microseconds since 1970 into a year, such as 2016.5."""
    return 1970 + instant / (365.2425 * _DAY)


def figures_of(
    columns: Iterable[ColumnProfile], *, masks: Callable[[str], bool] = lambda name: False
) -> dict[str, dict[str, float]]:
    """Return the figures of columns for reports; columns of names are left out.

    Args:
        columns: The columns.
        masks: Says of which columns no value may appear: their figures are shares of empty cells and moments.
    """
    found = {column.name: column.figures() for column in columns}
    for name in filter(masks, found):
        found[name] = {figure: value for figure, value in found[name].items() if figure in MOMENTS}
    return {name: figures for name, figures in found.items() if figures}
