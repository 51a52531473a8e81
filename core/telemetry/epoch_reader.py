"""Reading the metrics of epochs: the newest, the new, a page, and spans of any width; never more than is asked for.

A store of format 1 has no spans. As long as no engine has brought it to the present format, its answers are the same,
from every value that it has.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from core.telemetry.epoch_store import SPAN_COLUMNS, StoredSeries
from core.telemetry.packed import PackedRow
from core.telemetry.spans import LEVEL_BITS, N_LEVELS, EpochSpan, merged, span_of, start_of

FOREVER_US = (1 << 63) - 1
_FIRST, _LAST = -(1 << 62), 1 << 62
_BLOCK = 64
"""Epochs, or spans, that one statement reads: with fifty metrics, half a megabyte of rows."""
_LONGEST = 1 << 13
"""A longer stretch is read by one statement: a chart and a page of epochs ask for less."""

_FORMAT = "PRAGMA user_version"
_SERIES = """
SELECT name, epoch, value, n, first_epoch, finite_epoch, finite_value, revision
FROM epoch_series WHERE run = ? ORDER BY name"""
_IS_FINITE = "abs(value) < 9e999"  # beyond every float: SQLite reads it as infinity
# In these, SQLite takes `value` from the row that has the maximum.
_NEWEST_OF_1 = "SELECT name, max(epoch), value FROM epoch WHERE run = ? GROUP BY name ORDER BY name"
_FIRST_OF_1 = "SELECT name, min(epoch) FROM epoch WHERE run = ? GROUP BY name"
_FINITE_OF_1 = f"SELECT name, count(*), max(epoch), value FROM epoch WHERE run = ? AND {_IS_FINITE} GROUP BY name"
_FIRST_VALUE = "SELECT epoch FROM epoch WHERE run = ? ORDER BY epoch LIMIT 1"
_NEWEST = "SELECT epoch FROM epoch WHERE run = ? ORDER BY epoch DESC LIMIT 1"
_END_OF_PAGE = "SELECT DISTINCT epoch FROM epoch WHERE run = ? AND epoch > ? ORDER BY epoch LIMIT 1 OFFSET ?"
_VALUES = """
SELECT epoch, name, at, value FROM epoch
WHERE run = ? AND epoch >= ? AND epoch <= ? AND at <= ? ORDER BY epoch, name"""
_SPANS = f"""
SELECT epoch, name, {SPAN_COLUMNS} FROM epoch_span
WHERE run = ? AND level = ? AND epoch >= ? AND epoch <= ? AND first_at <= ? ORDER BY epoch, name"""

Fetch = Callable[..., list[Any]]
"""Runs a statement with its parameters, and returns all rows."""
EpochValue = tuple[int, str, int, float]
"""An epoch, a metric, the time in µs, and a value."""
EpochRow = Mapping[str, float]
"""The metrics of one epoch."""
Spans = dict[str, dict[int, EpochSpan]]
"""By metric and first epoch."""


class EpochReader:
    """Reads the epochs of runs from one store."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    @property
    def has_spans(self) -> bool:
        """Whether the store is of a format with spans."""
        ((version,),) = self._fetch(_FORMAT) or [(0,)]
        return bool(version >= 2)

    def series(self, run_id: str) -> dict[str, StoredSeries]:
        """Return what is known of each metric of a run, by its name."""
        if self.has_spans:
            return {name: StoredSeries(*row) for name, *row in self._fetch(_SERIES, run_id)}
        first = dict(self._fetch(_FIRST_OF_1, run_id))
        finite = {name: row for name, *row in self._fetch(_FINITE_OF_1, run_id)}
        return {
            name: StoredSeries(epoch, value, n, first[name], finite_epoch, finite_value, revision=0)
            for name, epoch, value in self._fetch(_NEWEST_OF_1, run_id)
            for n, finite_epoch, finite_value in (finite.get(name, (0, None, None)),)
        }

    def newest(self, run_id: str) -> int | None:
        """Return the newest epoch of a run."""
        return next((epoch for (epoch,) in self._fetch(_NEWEST, run_id)), None)

    def values(
        self, run_id: str, first: int = _FIRST, last: int = _LAST, *, until_us: int = FOREVER_US
    ) -> list[EpochValue]:
        """Return the finite values of some epochs, in order of epochs and metrics."""
        rows = self._fetch(_VALUES, run_id, first, last, until_us)
        return [row for row in rows if math.isfinite(row[3])]

    def page_after(self, run_id: str, after: int | None, n_epochs: int) -> tuple[list[EpochValue], int | None]:
        """Return the finite values of the next epochs of a run, and the epoch after which more follow, if any do.

        Args:
            run_id: The run.
            after: The epoch before the first; by default the page is the first.
            n_epochs: How many epochs.
        """
        first = _FIRST if after is None else after + 1
        end = next((epoch for (epoch,) in self._fetch(_END_OF_PAGE, run_id, first - 1, n_epochs)), None)
        return self.values(run_id, first, _LAST if end is None else end - 1), None if end is None else end - 1

    def rows(
        self, run_id: str, first: int = _FIRST, last: int = _LAST, *, until_us: int = FOREVER_US
    ) -> dict[int, EpochRow]:
        """Return the finite values of some epochs by epoch, in order of epochs."""
        rows: dict[int, EpochRow] = {}
        for begin, end in _blocks(first, last, 0):
            block: dict[int, dict[str, float]] = {}
            for epoch, name, _, value in self.values(run_id, begin, end, until_us=until_us):
                block.setdefault(epoch, {})[name] = value
            rows.update((epoch, PackedRow(row)) for epoch, row in block.items())
        return rows

    def spans(
        self,
        run_id: str,
        bits: int,
        *,
        first: int = _FIRST,
        last: int = _LAST,
        until_us: int = FOREVER_US,
        names: Collection[str] | None = None,
    ) -> Spans:
        """Return the spans of 2**bits epochs that have values.

        Args:
            run_id: The run.
            bits: The width of a span.
            first: An epoch of the first span.
            last: An epoch of the last span.
            until_us: Leave out what came after this instant.
            names: The metrics; by default all.
        """
        level = min(N_LEVELS, bits // LEVEL_BITS) if self.has_spans else 0
        first, last = start_of(first, bits), start_of(last, bits) + (1 << bits) - 1
        found: Spans = {}
        for epoch, name, span in self._at(level, run_id, first, last, until_us):
            if names is None or name in names:
                spans, start = found.setdefault(name, {}), start_of(epoch, bits)
                spans[start] = merged(spans[start], span) if start in spans else span
        return found

    def _at(
        self, level: int, run_id: str, first: int, last: int, until_us: int
    ) -> Iterable[tuple[int, str, EpochSpan]]:
        """Yield the spans of one level; for a span that an instant cuts, its parts of the level below."""
        if level == 0:
            if self.has_spans:
                yield from self._pruned(run_id, first, last, until_us)
            for begin, end in _blocks(first, last, 0):
                for epoch, name, at_us, value in self.values(run_id, begin, end, until_us=until_us):
                    yield epoch, name, span_of(epoch, at_us, value)
            return
        cut: dict[int, set[str]] = {}
        for begin, end in _blocks(first, last, level * LEVEL_BITS):
            for epoch, name, *row in self._fetch(_SPANS, run_id, level, begin, end, until_us):
                span = EpochSpan._make(row)
                if span.last_at <= until_us:
                    yield epoch, name, span
                else:
                    cut.setdefault(epoch, set()).add(name)
        for epoch, names in cut.items():
            width = 1 << level * LEVEL_BITS
            for part in self._at(level - 1, run_id, epoch, epoch + width - 1, until_us):
                if part[1] in names:
                    yield part

    def _pruned(self, run_id: str, first: int, last: int, until_us: int) -> Iterable[tuple[int, str, EpochSpan]]:
        """Yield the spans of the lowest level of those epochs whose single values were pruned."""
        kept = next((epoch for (epoch,) in self._fetch(_FIRST_VALUE, run_id)), _LAST)
        if first < kept:
            for epoch, name, *row in self._fetch(_SPANS, run_id, 1, start_of(first, LEVEL_BITS), last, until_us):
                if epoch < start_of(kept, LEVEL_BITS):
                    yield epoch, name, EpochSpan._make(row)

    def missing(self, run_id: str, name: str, last: int) -> list[int]:
        """Return the epochs from 1 to `last` that have no finite value of a metric, reading only around the gaps."""
        return self._missing(run_id, name, 1, last, N_LEVELS if self.has_spans else 0)

    def _missing(self, run_id: str, name: str, first: int, last: int, level: int) -> list[int]:
        bits = level * LEVEL_BITS
        spans = self.spans(run_id, bits, first=first, last=last, names=(name,)).get(name, {})
        found: list[int] = []
        for start in range(start_of(first, bits), last + 1, 1 << bits):
            begin, end = max(first, start), min(last, start + (1 << bits) - 1)
            span = spans.get(start)
            if span is None:
                found += range(begin, end + 1)
            elif span.n < 1 << bits and (span.n, span.first_epoch, span.last_epoch) != (end - begin + 1, begin, end):
                found += self._missing(run_id, name, begin, end, level - 1)
        return found


def _blocks(first: int, last: int, bits: int) -> Iterator[tuple[int, int]]:
    """Divide epochs into blocks, each read by one statement: the rows of all of them would take megabytes at once."""
    if last - first > _LONGEST << bits:  # no end was given
        yield first, last
        return
    begin, step = first, _BLOCK << bits
    while begin <= last:
        end = start_of(begin, bits) + step - 1
        yield begin, min(end, last)
        begin = end + 1


def newest_values(series: Mapping[str, StoredSeries]) -> dict[str, float]:
    """Return the newest finite value of each metric."""
    return {name: one.finite for name, one in series.items() if one.finite is not None}


def unmeasured(series: Mapping[str, StoredSeries]) -> tuple[str, ...]:
    """Return the metrics whose newest value is not finite, by name."""
    return tuple(sorted(name for name, one in series.items() if not math.isfinite(one.newest)))


def range_of(series: Iterable[StoredSeries]) -> tuple[int, int] | None:
    """Return the first and the newest epoch of a run, or None if it has none."""
    known = list(series)
    if not known:
        return None
    return min(one.first_epoch for one in known), max(one.newest_epoch for one in known)
