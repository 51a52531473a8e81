"""The recent window in memory: the decoded samples of each series, to which new scrapes are appended."""

from collections.abc import KeysView, Sequence

import numpy as np

from core.telemetry.metrics.packing import SampleTimes, SampleValues, SeriesIds

_LEAST = 16


class _Column:
    """The samples of one series; arrays that were handed out are never changed."""

    __slots__ = ("at_ms", "n", "values")

    def __init__(self) -> None:
        self.n = 0
        self.at_ms, self.values = np.empty(_LEAST, np.int64), np.empty(_LEAST, np.float64)

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
        self._columns: dict[int, _Column] = {}

    def add(self, at_ms: int, ids: SeriesIds, values: SampleValues) -> None:
        """Append a scrape."""
        columns = self._columns
        for series, value in zip(ids.tolist(), values, strict=True):
            if (column := columns.get(series)) is None:
                column = columns[series] = _Column()
            column.append(at_ms, value)
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
            if (column := columns.get(each)) is None:
                column = columns[each] = _Column()
            column.extend(at_ms[start:end], values[start:end])
        self._drop_what_is_old(scrapes[-1][0])

    def series(self) -> KeysView[int]:
        """Return the numbers of the series that have samples here."""
        return self._columns.keys()

    def between(self, series: int, from_ms: int, to_ms: int) -> tuple[SampleTimes, SampleValues] | None:
        """Return the samples of a series in (from_ms, to_ms]; None if there are none."""
        if (column := self._columns.get(series)) is None:
            return None
        at_ms = column.at_ms[: column.n]
        first, end = at_ms.searchsorted((from_ms, to_ms), side="right").tolist()
        return (at_ms[first:end], column.values[first:end]) if first < end else None

    def _drop_what_is_old(self, at_ms: int) -> None:
        if at_ms - self.after_ms > self._kept_ms + self._slack_ms:
            self._drop_before(at_ms - self._kept_ms)

    def _drop_before(self, before_ms: int) -> None:
        self.after_ms = before_ms
        for series, column in list(self._columns.items()):
            column.trim(before_ms)
            if not column.n:
                del self._columns[series]
