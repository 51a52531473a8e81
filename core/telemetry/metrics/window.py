"""The recent window in memory: the decoded samples of each series, to which new scrapes are appended.

Each version and each rollout has series of its own, and most of them end after a few scrapes. As two arrays, their few
samples would take ten times as much as the samples themselves: a series is one piece of bytes until it has more.
"""

import sys
from collections.abc import KeysView, Sequence

import numpy as np

from core.telemetry.metrics.packing import SampleTimes, SampleValues, SeriesIds

_LEAST = 16
_SHORT = 32
"""The number of samples up to which a series is held as bytes."""

_SAMPLE = np.dtype([("at_ms", np.int64), ("value", np.float64)])
_SIZE = _SAMPLE.itemsize


class _Column:
    """The samples of one series; arrays that were handed out are never changed."""

    __slots__ = ("at_ms", "n", "values")

    def __init__(self) -> None:
        self.n = 0
        self.at_ms, self.values = np.empty(_LEAST, np.int64), np.empty(_LEAST, np.float64)

    @classmethod
    def of(cls, packed: bytes) -> "_Column":
        column = cls()
        column.extend(*_unpacked(packed))
        return column

    def packed(self) -> bytes:
        return _packed(self.at_ms[: self.n], self.values[: self.n])

    def append(self, at_ms: int, value: float) -> None:
        n = self.n
        if n == len(self.at_ms):
            self._move(0, n + n // 2)
        if n and at_ms <= self.at_ms[n - 1]:
            return  # of a clock that was set back after the hour was repacked
        self.at_ms[n], self.values[n] = at_ms, value
        self.n = n + 1

    def extend(self, at_ms: SampleTimes, values: SampleValues) -> None:
        """Append samples, in the order of their times; of several of one time, the first is kept."""
        last = self.at_ms[self.n - 1] if self.n else np.int64(-1)
        is_later = np.diff(at_ms, prepend=last) > 0
        is_later &= at_ms > last
        if not is_later.all():
            at_ms, values = at_ms[is_later], values[is_later]
        end = self.n + len(at_ms)
        if end > len(self.at_ms):
            self._move(0, end + end // 2)
        self.at_ms[self.n : end], self.values[self.n : end] = at_ms, values
        self.n = end

    def trim(self, before_ms: int) -> None:
        if first := int(self.at_ms[: self.n].searchsorted(before_ms, side="right")):
            self._move(first, max(_LEAST, self.n - first + _LEAST))

    def _move(self, first: int, capacity: int) -> None:
        n = self.n - first
        at_ms, values = np.empty(capacity, np.int64), np.empty(capacity, np.float64)
        at_ms[:n], values[:n] = self.at_ms[first : self.n], self.values[first : self.n]
        self.at_ms, self.values, self.n = at_ms, values, n


def _packed(at_ms: SampleTimes | int, values: SampleValues) -> bytes:
    samples = np.empty(len(values), _SAMPLE)
    samples["at_ms"], samples["value"] = at_ms, values
    return samples.tobytes()


def _unpacked(packed: bytes) -> tuple[SampleTimes, SampleValues]:
    samples = np.frombuffer(packed, _SAMPLE)
    return np.ascontiguousarray(samples["at_ms"]), np.ascontiguousarray(samples["value"])


def _first_ms(packed: bytes) -> int:
    return int.from_bytes(packed[:8], sys.byteorder, signed=True)


def _last_ms(packed: bytes) -> int:
    return int.from_bytes(packed[-_SIZE : 8 - _SIZE], sys.byteorder, signed=True)


class RecentWindow:
    """The samples after a time, `after_ms`; a sample takes 16 bytes, and half as much again is kept free at most."""

    def __init__(self, after_ms: int, kept_ms: int, slack_ms: int) -> None:
        """Begin empty.

        Args:
            after_ms: Samples up to here are not held.
            kept_ms: How much is held at least.
            slack_ms: How much more before the oldest are dropped.
        """
        self.after_ms = after_ms
        self._kept_ms, self._slack_ms = kept_ms, slack_ms
        self._columns: dict[int, _Column | bytes] = {}

    def add(self, at_ms: int, ids: SeriesIds, values: SampleValues) -> None:
        """Append a scrape."""
        columns, packed = self._columns, _packed(at_ms, values)
        for place, (series, value) in enumerate(zip(ids.tolist(), values, strict=True)):
            held = columns.get(series, b"")
            if isinstance(held, bytes) and len(held) < _SHORT * _SIZE:
                if not held or at_ms > _last_ms(held):  # else of a clock that was set back
                    columns[series] = held + packed[place * _SIZE : (place + 1) * _SIZE]
                continue
            if isinstance(held, bytes):
                held = columns[series] = _Column.of(held)
            held.append(at_ms, value)
        self._drop_what_is_old(at_ms)

    def add_all(self, scrapes: Sequence[tuple[int, SeriesIds, SampleValues]]) -> None:
        """Append scrapes in the order of their times, series by series: an hour of scrapes at once.

        Args:
            scrapes: The time of each, which series it has, and their values.
        """
        if not any(len(ids) for _, ids, _ in scrapes):
            return
        lengths = [len(ids) for _, ids, _ in scrapes]
        at_ms = np.repeat(np.array([at for at, _, _ in scrapes], np.int64), lengths)
        ids, values = (np.concatenate(parts) for parts in zip(*(scrape[1:] for scrape in scrapes), strict=True))
        order = np.argsort(ids, kind="stable")
        ids, at_ms, values = ids[order], at_ms[order], values[order]
        series, first = np.unique(ids, return_index=True)
        columns = self._columns
        ends = [*first[1:].tolist(), len(ids)]
        for each, start, end in zip(series.tolist(), first.tolist(), ends, strict=True):
            held = columns.get(each, b"")
            column = _Column.of(held) if isinstance(held, bytes) else held
            column.extend(at_ms[start:end], values[start:end])
            columns[each] = column if column.n > _SHORT else column.packed()
        self._drop_what_is_old(scrapes[-1][0])

    def series(self) -> KeysView[int]:
        """Return the numbers of the series that have samples here."""
        return self._columns.keys()

    def between(self, series: int, from_ms: int, to_ms: int) -> tuple[SampleTimes, SampleValues] | None:
        """Return the samples of a series in (from_ms, to_ms]; None if there are none."""
        if (held := self._columns.get(series)) is None:
            return None
        if isinstance(held, bytes):
            at_ms, values = _unpacked(held)
        else:
            at_ms, values = held.at_ms[: held.n], held.values
        first, end = at_ms.searchsorted((from_ms, to_ms), side="right").tolist()
        return (at_ms[first:end], values[first:end]) if first < end else None

    def _drop_what_is_old(self, at_ms: int) -> None:
        if at_ms - self.after_ms > self._kept_ms + self._slack_ms:
            self._drop_before(at_ms - self._kept_ms)

    def _drop_before(self, before_ms: int) -> None:
        self.after_ms = before_ms
        for series, held in list(self._columns.items()):
            if isinstance(held, bytes):
                if _first_ms(held) > before_ms:
                    continue
                if _last_ms(held) <= before_ms:
                    del self._columns[series]
                    continue
            column = _Column.of(held) if isinstance(held, bytes) else held
            column.trim(before_ms)
            if not column.n:
                del self._columns[series]
            else:
                self._columns[series] = column if column.n > _SHORT else column.packed()
