"""Categories counted by the levels of a profile, and the levels that it has never seen, in bounded memory."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from core.arrays import IntArray
from core.monitoring.data_profile import N_BUCKETS, ColumnProfile
from core.monitoring.levels import NONE_UNNAMED, LevelRows, UnnamedLevels

MOST_UNSEEN = 256
_HASHES = 1 << 64
_MOST_REMEMBERED = 4_096


@dataclass(slots=True)
class LevelCounts:
    """One category.

    Unseen levels are kept by the hash of their names, those with the smallest hashes only: a sample of the levels that
    does not depend on the order of the rows, with the exact rows of each, from which the number of all follows. Of a
    file all are kept.

    Source:
        The k smallest hashes: Bar-Yossef et al., RANDOM 2002; Beyer et al., SIGMOD 2007 (unbiased with k - 1).

    Attributes:
        levels: Rows of each level of the profile in its order, or of each bucket.
        missing: Empty cells.
        unseen: Rows by hash, of the unseen levels with the smallest hashes.
        rest: Rows of the other unseen levels.
    """

    levels: IntArray
    missing: int = 0
    unseen: dict[int, int] = field(default_factory=dict)
    rest: int = 0

    unreadable = infinite = 0  # any cell is a level

    @property
    def n(self) -> int:
        """Cells with a level."""
        return int(self.levels.sum()) + self.n_unseen_rows

    @property
    def rows(self) -> int:
        """All cells."""
        return self.n + self.missing

    @property
    def n_unseen_rows(self) -> int:
        """Cells with a level that the profile does not have."""
        return sum(self.unseen.values()) + self.rest

    @property
    def n_unseen_levels(self) -> int:
        """How many different levels these have: exact up to 256, then estimated."""
        if not self.rest:
            return len(self.unseen)
        estimate = (len(self.unseen) - 1) * _HASHES / max(*self.unseen, 1)
        return len(self.unseen) + min(max(round(estimate) - len(self.unseen), 1), self.rest)

    def add(self, other: "LevelCounts") -> None:
        """Add the counts of other rows.

        Raises:
            ValueError: They are of another profile.
        """
        if len(other.levels) != len(self.levels):
            raise ValueError("the counts are of two profiles")
        self.levels = self.levels + other.levels
        self.missing += other.missing
        self.rest += other.rest
        self.add_unseen(other.unseen)

    def add_unseen(self, found: Mapping[int, int]) -> None:
        """Count rows of unseen levels by hash."""
        for number, n in found.items():
            self.unseen[number] = self.unseen.get(number, 0) + n
        for number in sorted(self.unseen)[MOST_UNSEEN:]:
            self.rest += self.unseen.pop(number)


class LevelIndex:
    """Counts the levels of one profiled column."""

    def __init__(self, stored: ColumnProfile) -> None:
        """Prepare.

        Args:
            stored: The profile of the column.
        """
        self.names = list(stored.levels)
        self.is_bucketed = bool(stored.buckets)
        self._index = {name: number for number, name in enumerate(self.names)}
        self._buckets: dict[str, int] = {}

    def nothing(self) -> LevelCounts:
        """Return the counts of no rows."""
        return LevelCounts(np.zeros(N_BUCKETS if self.is_bucketed else len(self.names), dtype=np.int64))

    def count(
        self, names: Iterable[str], n_rows: Iterable[int], missing: int = 0, *, keeps_all: bool = False
    ) -> LevelCounts:
        """Count levels.

        Args:
            names: Of the levels, as text.
            n_rows: Rows of each.
            missing: Empty cells.
            keeps_all: Whether all unseen levels are kept: of rows that are in memory anyway, and judged once.
        """
        found = self.nothing()
        found.missing = missing
        by_name = dict(zip(names, n_rows, strict=True))
        index = self._bucket_index(by_name) if self.is_bucketed else self._index
        unseen: dict[int, int] = {}
        for name, n in by_name.items():
            at = index.get(name)
            if at is not None:
                found.levels[at] += n
            else:
                unseen[_hash(name)] = int(n)
        if keeps_all:
            found.unseen = unseen
        else:
            found.add_unseen(unseen)
        return found

    def counted(self, counts: LevelCounts) -> LevelRows:
        """Return the levels that occur, and the rows of each, but of those that `unnamed` gives.

        Unseen levels get names of their own.
        """
        there = np.flatnonzero(counts.levels)
        if self.is_bucketed:
            return there, counts.levels[there]
        names = [self.names[at] for at in there] + [f"\0{number:016x}" for number in sorted(counts.unseen)]
        rows = [*counts.levels[there].tolist(), *(counts.unseen[number] for number in sorted(counts.unseen))]
        return np.array(names, dtype=object), np.array(rows, dtype=np.int64)

    def unnamed(self, counts: LevelCounts) -> UnnamedLevels:
        """Return the rows of the levels that are not known one by one."""
        if not counts.rest:
            return NONE_UNNAMED
        return UnnamedLevels(counts.rest, counts.n_unseen_levels - len(counts.unseen))

    def _bucket_index(self, names: Iterable[str]) -> dict[str, int]:
        """Return the bucket of each name; the last few thousand are remembered."""
        from core.monitoring.profiling import buckets_of

        if missing := [name for name in names if name not in self._buckets]:
            if len(self._buckets) > _MOST_REMEMBERED:
                self._buckets = {}
                missing = list(names)
            self._buckets |= dict(zip(missing, buckets_of(missing).tolist(), strict=True))
        return self._buckets


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
