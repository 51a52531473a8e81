"""Writing the metrics of epochs: each value, the newest of each metric, and the spans of many epochs.

What is appended is merged into the open span of each level. A value that replaces an earlier one, or that comes late,
has its spans folded anew from the level below: the stored spans are always those of the stored values.
"""

import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from core.telemetry.spans import LEVEL_BITS, N_LEVELS, EpochSpan, folded, merged, span_of, start_of

TABLES = """
CREATE TABLE IF NOT EXISTS epoch (
    run TEXT NOT NULL, epoch INTEGER NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (run, epoch, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epoch_span (
    run TEXT NOT NULL, level INTEGER NOT NULL, epoch INTEGER NOT NULL, name TEXT NOT NULL, n INTEGER NOT NULL,
    first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, total REAL NOT NULL,
    first_epoch INTEGER NOT NULL, first REAL NOT NULL, last_epoch INTEGER NOT NULL, last REAL NOT NULL,
    low_epoch INTEGER NOT NULL, low REAL NOT NULL, high_epoch INTEGER NOT NULL, high REAL NOT NULL,
    PRIMARY KEY (run, level, epoch, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epoch_series (
    run TEXT NOT NULL, name TEXT NOT NULL, epoch INTEGER NOT NULL, value REAL NOT NULL, n INTEGER NOT NULL,
    first_epoch INTEGER NOT NULL, finite_epoch INTEGER, finite_value REAL, revision INTEGER NOT NULL,
    PRIMARY KEY (run, name)) WITHOUT ROWID;
"""
SPAN_COLUMNS = ", ".join(EpochSpan._fields)
OUTSIDE_RUNS = "~"
"""What stands under a name that begins so is no history: it has no spans."""

_SLICE = 10_000
_PUT = "INSERT OR REPLACE INTO epoch (run, epoch, name, at, value) VALUES (?, ?, ?, ?, ?)"
_PUT_SPAN = f"""
INSERT OR REPLACE INTO epoch_span (run, level, epoch, name, {SPAN_COLUMNS})
VALUES ({", ".join("?" * (4 + len(EpochSpan._fields)))})"""
_DROP_SPAN = "DELETE FROM epoch_span WHERE run = ? AND level = ? AND epoch = ? AND name = ?"
_PUT_SERIES = """
INSERT OR REPLACE INTO epoch_series
(run, name, epoch, value, n, first_epoch, finite_epoch, finite_value, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_SERIES = """
SELECT name, epoch, value, n, first_epoch, finite_epoch, finite_value, revision FROM epoch_series WHERE run = ?"""
_SPANS_AT = f"SELECT name, {SPAN_COLUMNS} FROM epoch_span WHERE run = ? AND level = ? AND epoch = ?"
_VALUES_IN = "SELECT epoch, at, value FROM epoch WHERE run = ? AND epoch >= ? AND epoch < ? AND name = ?"
_SPANS_IN = f"""
SELECT {SPAN_COLUMNS} FROM epoch_span WHERE run = ? AND level = ? AND epoch >= ? AND epoch < ? AND name = ?"""
_TOP_SPANS = f"SELECT {SPAN_COLUMNS} FROM epoch_span WHERE run = ? AND level = {N_LEVELS} AND name = ?"


class EpochMetric(NamedTuple):
    """One metric of one epoch of a run."""

    run_id: str
    epoch: int
    name: str
    at_us: int
    value: float


class StoredSeries(NamedTuple):
    """One metric of a run: its newest value, which may be infinite for one without a value, and how many it has."""

    newest_epoch: int
    newest: float
    n: int  # finite values
    first_epoch: int
    finite_epoch: int | None  # of the newest finite value
    finite: float | None
    revision: int  # grows whenever an earlier value changes; otherwise values are only appended

    def followed_by(self, epoch: int, value: float) -> "StoredSeries":
        """Return the series with one value appended."""
        if not math.isfinite(value):
            return self._replace(newest_epoch=epoch, newest=value)
        return self._replace(newest_epoch=epoch, newest=value, n=self.n + 1, finite_epoch=epoch, finite=value)


_Values = dict[int, tuple[int, float]]  # epoch -> (at, value)


def put_epochs(connection: sqlite3.Connection, metrics: Sequence[EpochMetric]) -> None:
    """Store the metrics of epochs; within a transaction.

    Args:
        connection: Writes to the store.
        metrics: The values. One that is there already is replaced; an infinite one marks a gap.
    """
    connection.executemany(_PUT, metrics)
    by_run: dict[str, dict[str, _Values]] = defaultdict(lambda: defaultdict(dict))
    for run_id, epoch, name, at_us, value in metrics:
        if not run_id.startswith(OUTSIDE_RUNS):
            by_run[run_id][name][epoch] = at_us, value
    for run_id, by_name in by_run.items():
        _roll_up(connection, run_id, by_name)


def _roll_up(connection: sqlite3.Connection, run_id: str, by_name: Mapping[str, _Values]) -> None:
    known = {name: StoredSeries(*row) for name, *row in connection.execute(_SERIES, (run_id,)).fetchall()}
    series: dict[str, StoredSeries] = {}
    appended: dict[tuple[int, str], EpochSpan] = {}
    rewritten: dict[str, _Values] = {}
    for name, values in by_name.items():
        before = known.get(name)
        for epoch in sorted(values):
            at_us, value = values[epoch]
            if before is not None and epoch <= before.newest_epoch:
                rewritten.setdefault(name, {})[epoch] = values[epoch]
                continue
            now = series.get(name, before) or StoredSeries(epoch, value, 0, epoch, None, None, 0)
            series[name] = now.followed_by(epoch, value)
            if math.isfinite(value):
                appended[epoch, name] = span_of(epoch, at_us, value)
    _append(connection, run_id, appended, {name: one.newest_epoch for name, one in known.items()})
    for name, values in rewritten.items():
        _fold_anew(connection, run_id, name, values)
        series[name] = _recounted(connection, run_id, name, series.get(name, known[name]), values)
    connection.executemany(_PUT_SERIES, [(run_id, name, *one) for name, one in series.items()])


def _append(
    connection: sqlite3.Connection,
    run_id: str,
    spans: Mapping[tuple[int, str], EpochSpan],
    newest: Mapping[str, int],
) -> None:
    """Merge new epochs, by (epoch, name), into the spans that are open at each level."""
    for level in range(1, N_LEVELS + 1):
        spans = _widened(spans, level * LEVEL_BITS)
        is_open = {start for start, name in spans if name in newest and start <= newest[name]}
        stored = {
            (start, name): EpochSpan(*row)
            for start in is_open
            for name, *row in connection.execute(_SPANS_AT, (run_id, level, start)).fetchall()
        }
        whole = {key: merged(stored[key], span) if key in stored else span for key, span in spans.items()}
        connection.executemany(
            _PUT_SPAN, [(run_id, level, start, name, *span) for (start, name), span in whole.items()]
        )


def _widened(spans: Mapping[tuple[int, str], EpochSpan], bits: int) -> dict[tuple[int, str], EpochSpan]:
    """Merge the spans that lie in the same span of 2**bits epochs."""
    wider: dict[tuple[int, str], EpochSpan] = {}
    for (epoch, name), span in spans.items():
        key = start_of(epoch, bits), name
        wider[key] = merged(wider[key], span) if key in wider else span
    return wider


def _fold_anew(connection: sqlite3.Connection, run_id: str, name: str, epochs: Iterable[int]) -> None:
    """Replace the spans of some epochs, level by level, by what the level below says now."""
    for level in range(1, N_LEVELS + 1):
        bits = level * LEVEL_BITS
        for start in sorted({start_of(epoch, bits) for epoch in epochs}):
            within = (start, start + (1 << bits), name)
            if level == 1:
                values = connection.execute(_VALUES_IN, (run_id, *within)).fetchall()
                whole = folded(span_of(*value) for value in values if math.isfinite(value[2]))
                whole = _with_pruned(connection, (run_id, level, start, name), whole)
            else:
                whole = folded(map(EpochSpan._make, connection.execute(_SPANS_IN, (run_id, level - 1, *within))))
            if whole is None:
                connection.execute(_DROP_SPAN, (run_id, level, start, name))
            else:
                connection.execute(_PUT_SPAN, (run_id, level, start, name, *whole))


def _with_pruned(
    connection: sqlite3.Connection, key: tuple[str, int, int, str], whole: EpochSpan | None
) -> EpochSpan | None:
    """Keep the part of a span whose values were pruned: a value that comes late must not replace all of them."""
    run_id, level, start, name = key
    for other, *row in connection.execute(_SPANS_AT, (run_id, level, start)).fetchall():
        stored = EpochSpan._make(row)
        if other == name and whole is not None and stored.n > whole.n + 1:
            return merged(stored, whole)._replace(n=stored.n)
    return whole


def _recounted(
    connection: sqlite3.Connection, run_id: str, name: str, series: StoredSeries, rewritten: _Values
) -> StoredSeries:
    """Count a series anew after earlier values changed."""
    whole = folded(map(EpochSpan._make, connection.execute(_TOP_SPANS, (run_id, name))))
    newest = rewritten.get(series.newest_epoch, (0, series.newest))[1]
    return series._replace(
        newest=newest,
        n=whole.n if whole else 0,
        first_epoch=min(series.first_epoch, *rewritten),
        finite_epoch=whole.last_epoch if whole else None,
        finite=whole.last if whole else None,
        revision=series.revision + 1,
    )


def build_spans(connection: sqlite3.Connection) -> None:
    """Make the spans and the newest values of all runs from the values of their epochs; within a transaction."""
    for (run_id,) in connection.execute("SELECT DISTINCT run FROM epoch").fetchall():
        if not run_id.startswith(OUTSIDE_RUNS):
            _build_run(connection, run_id)


def _build_run(connection: sqlite3.Connection, run_id: str) -> None:
    series: dict[str, list[Any]] = {}
    rows: list[tuple[object, ...]] = []
    for row in _all_spans(connection, run_id, series):
        rows.append(row)
        if len(rows) >= _SLICE:
            connection.executemany(_PUT_SPAN, rows)
            rows.clear()
    connection.executemany(_PUT_SPAN, rows)
    connection.executemany(_PUT_SERIES, [(run_id, name, *one) for name, one in series.items()])


def _all_spans(
    connection: sqlite3.Connection, run_id: str, series: dict[str, list[Any]]
) -> Iterator[tuple[object, ...]]:
    """Yield the rows of all spans of a run from one pass over its values, and collect the fields of its series.

    All writers wait for this pass, so a value changes lists in place: an object for each would take three times longer.
    """
    lowest: dict[str, list[Any]] = {}  # the fields of the open spans of the lowest level, by name
    above: list[dict[str, EpochSpan]] = [{} for _ in range(N_LEVELS - 1)]  # the open spans of the other levels
    previous: int | None = None
    statement = "SELECT epoch, name, at, value FROM epoch WHERE run = ? ORDER BY epoch, name"
    for epoch, name, at_us, value in connection.execute(statement, (run_id,)):
        if previous is not None and epoch >> LEVEL_BITS != previous >> LEVEL_BITS:
            yield from _closed(run_id, lowest, above, _n_ended(previous, epoch))
        previous = epoch
        one = series.get(name)
        if one is None:
            one = series[name] = list(StoredSeries(epoch, value, 0, epoch, None, None, 0))
        one[0], one[1] = epoch, value
        if math.isfinite(value):
            one[2], one[4], one[5] = one[2] + 1, epoch, value
            span = lowest.get(name)
            if span is None:
                lowest[name] = list(span_of(epoch, at_us, value))
            else:
                _extend(span, epoch, at_us, value)
    yield from _closed(run_id, lowest, above, N_LEVELS)


def _extend(span: list[Any], epoch: int, at_us: int, value: float) -> None:
    """Add a later epoch to the fields of a span, as `merged` does."""
    span[0] += 1
    if at_us < span[1]:
        span[1] = at_us
    if at_us > span[2]:
        span[2] = at_us
    span[3] += value
    span[6], span[7] = epoch, value
    if value < span[9]:
        span[8], span[9] = epoch, value
    if value > span[11]:
        span[10], span[11] = epoch, value


def _n_ended(previous: int, epoch: int) -> int:
    """Count the levels whose span ends between two epochs."""
    return sum(previous >> level * LEVEL_BITS != epoch >> level * LEVEL_BITS for level in range(1, N_LEVELS + 1))


def _closed(
    run_id: str, lowest: dict[str, list[Any]], above: list[dict[str, EpochSpan]], n_levels: int
) -> Iterator[tuple[object, ...]]:
    """Close the spans of the lowest levels: yield their rows, and pass each on to the level above."""
    closing = {name: EpochSpan._make(fields) for name, fields in lowest.items()} if n_levels else {}
    for level in range(1, n_levels + 1):
        for name, span in closing.items():
            yield run_id, level, start_of(span.first_epoch, level * LEVEL_BITS), name, *span
            if level < N_LEVELS:
                wider = above[level - 1]
                wider[name] = merged(wider[name], span) if name in wider else span
        (lowest if level == 1 else above[level - 2]).clear()
        closing = dict(above[level - 1]) if level < n_levels else {}
