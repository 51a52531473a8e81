"""Adding up the differences between the answers of both versions, over all rows and by level of each slice."""

import zlib
from collections.abc import Sequence

import msgspec
import numpy as np

from core.arrays import FloatArray, IntArray
from core.rollout.disagreement import Disagreement
from core.rollout.slices import Slice, levels_of, places_of_many
from core.telemetry.predictions import AnswerPair

_BINS_AN_OCTAVE = 8  # the middle of a bin is right to within 4.4 %
_OCTAVES = 60  # on either side of 1
_N_BINS = 2 * _OCTAVES * _BINS_AN_OCTAVE + 1  # the first is for no difference at all
_LEAST_ROWS = 20  # of a level that is ranked by its share, which would say nothing of fewer
_HALF = 0.5
_LARGEST = 1e100  # its sums stay numbers


class StoredDifferences(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of differences as they are written to a file."""

    counts: bytes
    totals: bytes


class DifferenceSums:
    """The differences of answers: counts by size, and their sum, for all rows and each level."""

    def __init__(
        self, slices: Sequence[Slice], tolerance: float | None, before: StoredDifferences | None = None
    ) -> None:
        """Continue from earlier sums.

        Args:
            slices: The slice columns of the plan.
            tolerance: Answers that differ by more are different; None if any difference counts.
            before: The earlier sums.
        Raises:
            ValueError: The earlier sums do not fit the slices.
        """
        self._slices, self._levels, self._tolerance = tuple(slices), levels_of(slices), tolerance or 0.0
        n = 1 + len(self._levels)
        self._counts = np.zeros((n, _N_BINS), dtype=np.int64)
        # Sum of differences, rows that differ, rows whose class changed, rows on which an answer is no probability.
        self._totals = np.zeros((n, 4))
        if before is not None:
            self._counts = _array(before.counts, np.int64, self._counts.shape)
            self._totals = _array(before.totals, np.float64, self._totals.shape)

    def add(self, pairs: Sequence[AnswerPair]) -> None:
        """Add the answers of both versions to some rows."""
        if not pairs:
            return
        stable = np.array([pair.stable for pair in pairs])
        candidate = np.array([pair.candidate for pair in pairs])
        with np.errstate(over="ignore"):
            distance = np.minimum(np.abs(candidate - stable), _LARGEST)
        has_changed = (stable >= _HALF) != (candidate >= _HALF)
        is_outside = (np.minimum(stable, candidate) < 0) | (np.maximum(stable, candidate) > 1)
        facts = np.stack([distance, distance > self._tolerance, has_changed, is_outside], axis=1)
        bins = _bins(distance)
        self._add(np.zeros(len(pairs), dtype=np.int64), bins, facts)
        if not self._slices:
            return
        sliced = np.array([pair.slices is not None for pair in pairs])
        codes = np.array([pair.slices or 0 for pair in pairs], dtype=np.int64)[sliced]
        for places in places_of_many(self._slices, codes):
            self._add(1 + places, bins[sliced], facts[sliced])

    @property
    def stored(self) -> StoredDifferences:
        """The sums to write to a file."""
        return StoredDifferences(
            counts=zlib.compress(self._counts.tobytes(), 1), totals=zlib.compress(self._totals.tobytes(), 1)
        )

    def summary(self) -> tuple[Disagreement, ...]:
        """Return all rows first, then every level that was seen, the one with the largest share of differences first.

        A level of very few rows comes last, whatever its share.
        """
        if not self._counts[0].any():
            return ()
        everything = [self._summed(row) for row in range(len(self._counts)) if self._counts[row].any()]
        levels = sorted(everything[1:], key=lambda each: (each.n < _LEAST_ROWS, -each.share_different, -each.mean))
        return (everything[0], *levels)

    def _add(self, rows: IntArray, bins: IntArray, facts: FloatArray) -> None:
        where = np.bincount(rows * _N_BINS + bins, minlength=self._counts.size)
        self._counts += where.reshape(self._counts.shape)
        np.add.at(self._totals, rows, facts)

    def _summed(self, row: int) -> Disagreement:
        n = int(self._counts[row].sum())
        total, n_different, n_class_changed, _ = self._totals[row].tolist()
        place = int(np.searchsorted(np.cumsum(self._counts[row]), 0.95 * n))
        return Disagreement(
            level=self._levels[row - 1] if row else None,
            n=n,
            n_different=int(n_different),
            n_class_changed=0 if self._totals[0, 3] else int(n_class_changed),  # numbers have no classes
            mean=total / n,
            p95=float(2 ** ((place - 0.5) / _BINS_AN_OCTAVE - _OCTAVES)) if place else 0.0,
        )


def _bins(distance: FloatArray) -> IntArray:
    logs = np.log2(np.maximum(distance, 2.0**-_OCTAVES))
    bins = np.floor((logs + _OCTAVES) * _BINS_AN_OCTAVE).astype(np.int64) + 1
    return np.asarray(np.where(distance > 0, np.clip(bins, 1, _N_BINS - 1), 0))


def _array(stored: bytes, kind: type, shape: tuple[int, ...]) -> np.ndarray:
    try:
        return np.frombuffer(zlib.decompress(stored), dtype=kind).reshape(shape).copy()
    except (zlib.error, ValueError) as error:
        raise ValueError(f"sums of differences cannot be read: {error}") from error
