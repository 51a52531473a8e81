"""The rows that a version answered within some minutes, counted in the bins of its profile."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from core.arrays import IntArray
from core.monitoring.compare_numbers import bin_numbers, count_in_tenths
from core.monitoring.data_profile import ColumnProfile, DataProfile
from core.monitoring.levels import align_levels
from core.monitoring.live.level_counts import LevelCounts, LevelIndex
from core.monitoring.live.number_counts import NumberCounts, NumberGrid
from core.tables.signature import ColumnKind

PREDICTION, RESIDUAL, TARGET = "prediction", "residual", "target"

ColumnCounts = NumberCounts | LevelCounts
ColumnIndex = NumberGrid | LevelIndex


@dataclass(slots=True)
class SliceCounts:
    """The rows of one slice of the profile.

    Attributes:
        rows: How many.
        answered: Those with a number as their prediction.
        steps: Sum of these predictions, in steps of the prediction's column.
    """

    rows: int = 0
    answered: int = 0
    steps: int = 0

    def add(self, other: "SliceCounts") -> None:
        """Add other rows."""
        self.rows += other.rows
        self.answered += other.answered
        self.steps += other.steps


@dataclass(slots=True)
class SliceMoves:
    """Features of numbers in the slices of a profile that has their means.

    Attributes:
        rows: Cells with a number, shape (n_slices, n_features).
        steps: Sums of these numbers, in steps of their columns, of the same shape.
    """

    rows: IntArray
    steps: IntArray

    def add(self, other: "SliceMoves") -> None:
        """Add other rows.

        Raises:
            ValueError: They are of another profile.
        """
        if other.rows.shape != self.rows.shape:
            raise ValueError("the counts are of two profiles")
        self.rows = self.rows + other.rows
        self.steps = self.steps + other.steps

    def only(self, at: int) -> "SliceMoves":
        """Return the counts of one feature alone."""
        rows, steps = np.zeros_like(self.rows), np.zeros_like(self.steps)
        rows[:, at], steps[:, at] = self.rows[:, at], self.steps[:, at]
        return SliceMoves(rows, steps)


class ProfileIndex:
    """A profile, prepared for counting: one for each version, shared by all of its sketches.

    Attributes:
        profile: The profile.
        columns: How to count each feature, by name.
        answers: How to count the predictions, the residuals and the target, by `PREDICTION`, `RESIDUAL`, `TARGET`.
        measured_slices: The slices whose means of features the profile has.
        measured_features: These features, in the order in which they are counted by slice.
    """

    def __init__(self, profile: DataProfile) -> None:
        """Prepare.

        Args:
            profile: Of the version.
        """
        self.profile = profile
        self.stored = {stored.name: stored for stored in profile.features}
        own = {PREDICTION: profile.prediction, RESIDUAL: profile.residual, TARGET: profile.target}
        self.stored_answers = {name: stored for name, stored in own.items() if stored is not None}
        self.columns = {name: index_of(stored) for name, stored in self.stored.items()}
        self.answers = {name: index_of(stored) for name, stored in self.stored_answers.items()}
        self.measured_slices = tuple(name for name, each in profile.slices.items() if each.features)
        known = {name for each in profile.slices.values() for name in each.features}
        self.measured_features = tuple(
            name for name, how in self.columns.items() if name in known and isinstance(how, NumberGrid) and how.has_sums
        )

    def numbers(self, name: str) -> NumberGrid:
        """Return how to count a feature of numbers.

        Raises:
            KeyError: There is no such feature.
        """
        found = self.columns[name]
        if not isinstance(found, NumberGrid):
            raise KeyError(name)
        return found

    def levels(self, name: str) -> LevelIndex:
        """Return how to count a category.

        Raises:
            KeyError: There is no such feature.
        """
        found = self.columns[name]
        if not isinstance(found, LevelIndex):
            raise KeyError(name)
        return found


def index_of(stored: ColumnProfile) -> ColumnIndex:
    """Return how to count a column."""
    return LevelIndex(stored) if stored.kind is ColumnKind.CATEGORY else NumberGrid(stored)


@dataclass(slots=True)
class LiveSketch:
    """Rows of one version, counted; sketches of the same version add up.

    Attributes:
        n: Rows counted.
        features: The counts of each feature, by name; a feature that requests do not carry is left out.
        answers: The counts of the predictions, and of the residuals and the target where they are known.
        slices: The rows of each slice of the profile.
        moves: The features of numbers by slice; None where they are not counted.
    """

    n: int = 0
    features: dict[str, ColumnCounts] = field(default_factory=dict)
    answers: dict[str, ColumnCounts] = field(default_factory=dict)
    slices: dict[str, SliceCounts] = field(default_factory=dict)
    moves: SliceMoves | None = None

    def merge(self, other: "LiveSketch") -> "LiveSketch":
        """Add the rows of another sketch of the same version; return this sketch."""
        self.n += other.n
        _merge(self.features, other.features)
        _merge(self.answers, other.answers)
        for name, counts in other.slices.items():
            self.slices.setdefault(name, SliceCounts()).add(counts)
        if other.moves is not None:
            if self.moves is None:
                self.moves = SliceMoves(np.zeros_like(other.moves.rows), np.zeros_like(other.moves.steps))
            self.moves.add(other.moves)
        return self

    def bins(self, index: ProfileIndex, name: str) -> IntArray:
        """Return the rows of the reference and of now in the bins that the PSI compares, shape (2, n_bins).

        Args:
            index: The profile.
            name: A feature, or `PREDICTION`, `RESIDUAL`, `TARGET`.
        Raises:
            KeyError: The sketch does not count it.
        """
        is_answer = name in self.answers and name not in self.features
        counts = self.answers[name] if is_answer else self.features[name]
        stored = index.stored_answers[name] if is_answer else index.stored[name]
        how = (index.answers if is_answer else index.columns)[name]
        if isinstance(how, NumberGrid) and isinstance(counts, NumberCounts):
            return bin_numbers(stored.sketch(), how.counted(counts))
        assert isinstance(how, LevelIndex)
        assert isinstance(counts, LevelCounts)
        before = stored.level_rows() or (
            np.array(list(stored.levels), dtype=object),
            np.array(list(stored.levels.values()), dtype=np.int64),
        )
        found, unnamed = align_levels(before, how.counted(counts)), how.unnamed(counts)
        return np.column_stack((found, [0, unnamed.rows])) if unnamed.rows else found

    def tenths(self, index: ProfileIndex, name: str) -> IntArray:
        """Return the rows of now in the tenths of the reference, however few they are, shape (n_bins,).

        Unlike `bins`, the same bins for every sketch of a profile, so that parts can be weighed before they are added.

        Args:
            index: The profile.
            name: `PREDICTION`, `RESIDUAL`, `TARGET`.
        Raises:
            KeyError: The sketch does not count it, or not as numbers.
        """
        counts, how = self.answers[name], index.answers[name]
        if not (isinstance(how, NumberGrid) and isinstance(counts, NumberCounts)):
            raise KeyError(name)
        _, now = count_in_tenths(index.stored_answers[name].sketch(), how.counted(counts))
        return np.asarray(now)

    def prediction_mean(self, index: ProfileIndex) -> float | None:
        """Return the mean prediction; None where the predictions are not numbers, or there are none."""
        counts, how = self.answers.get(PREDICTION), index.answers.get(PREDICTION)
        if not isinstance(counts, NumberCounts) or not isinstance(how, NumberGrid):
            return None
        mean = how.mean(counts)
        return mean if mean is not None and math.isfinite(mean) else None

    def missing_share(self) -> float | None:
        """Return the share of empty cells in all features; None without cells."""
        n_cells = sum(counts.rows for counts in self.features.values())
        return sum(counts.missing for counts in self.features.values()) / n_cells if n_cells else None

    def feature_means(self, index: ProfileIndex, name: str) -> dict[str, tuple[float, int]]:
        """Return, by slice, the mean of a feature and how many numbers it is of; empty where that is not counted."""
        how = index.columns.get(name)
        if self.moves is None or name not in index.measured_features or not isinstance(how, NumberGrid):
            return {}
        at = index.measured_features.index(name)
        found = zip(
            index.measured_slices, self.moves.rows[:, at].tolist(), self.moves.steps[:, at].tolist(), strict=True
        )
        return {of: (how.value(steps / rows), rows) for of, rows, steps in found if rows}

    def slice_mean(self, index: ProfileIndex, name: str) -> float | None:
        """Return the mean prediction of a slice; None where it has no numbers."""
        counts, how = self.slices.get(name), index.answers.get(PREDICTION)
        if counts is None or not counts.answered or not isinstance(how, NumberGrid):
            return None
        mean = how.value(counts.steps / counts.answered)
        return mean if math.isfinite(mean) else None


def _merge(own: dict[str, ColumnCounts], other: Mapping[str, ColumnCounts]) -> None:
    for name, counts in other.items():
        known = own.get(name)
        if known is None:
            known = own[name] = _empty_like(counts)
        if isinstance(known, NumberCounts) and isinstance(counts, NumberCounts):
            known.add(counts)
            continue
        if not (isinstance(known, LevelCounts) and isinstance(counts, LevelCounts)):
            raise ValueError(f"{name} is counted as numbers in one sketch and as levels in the other")
        known.add(counts)


def _empty_like(counts: ColumnCounts) -> ColumnCounts:
    if isinstance(counts, NumberCounts):
        return NumberCounts(np.zeros_like(counts.cells))
    return LevelCounts(np.zeros_like(counts.levels))
