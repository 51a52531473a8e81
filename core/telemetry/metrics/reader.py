"""Reading recorded series: what is asked for again and again from memory, what is older from the file."""

import json
import logging
import os
import sqlite3
import sys
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from core.clock import Clock, utc_now
from core.telemetry.errors import translated
from core.telemetry.metrics.packing import (
    SampleTimes,
    SampleValues,
    SeriesIds,
    unpack_scrape,
    unpack_times,
    unpack_values,
)
from core.telemetry.metrics.samples import ABSENT_BITS, NAME, RecordedLabels, RecordedSeries, SeriesMatcher
from core.telemetry.metrics.schema import SERIES_BITS
from core.telemetry.metrics.window import RecentWindow
from core.telemetry.schema import connect_to_read, fetch

log = logging.getLogger(__name__)

WINDOW_MS = 65 * 60_000
"""What is held in memory at most: an hour, and the look-back of five minutes. 3,000 series at 15 s take up to 20 MB."""
_LEAST_WINDOW_MS = 20 * 60_000
"""What is held in any case: the ready-made rules look at a quarter of an hour, and at the five minutes before."""
_SLACK_MS = 5 * 60_000
_MOST_SELECTIONS = 2_000
_MOST_PAIRS = 4_096
"""Of names and values of labels, as many are shared by new series; most series have theirs in common with others."""

_NEW = "SELECT seq, at_ms, body FROM scrape WHERE seq > ? AND at_ms > ? ORDER BY at_ms, seq"
_BETWEEN = "SELECT at_ms, body FROM scrape WHERE at_ms > ? AND at_ms <= ? ORDER BY at_ms, seq"
_HOURS = "SELECT id, times FROM hour WHERE until_ms > ? AND from_ms <= ? ORDER BY from_ms"
_BLOCK = "SELECT body FROM block WHERE hour_and_series = ?"
_BLOCKS = "SELECT hour_and_series, body FROM block WHERE hour_and_series >= ? AND hour_and_series < ?"
_LABELS = "SELECT labels FROM series WHERE id = ?"
_ALL_LABELS = "SELECT id, labels FROM series ORDER BY id"
_LABELS_WITH = "SELECT id, labels FROM series WHERE instr(labels, ?) ORDER BY id"
_FEW = 200  # series up to here are looked up one by one

_BULK = 8
"""From this number of scrapes on, sorting them by series is faster than to append them sample by sample."""

_Scrape = tuple[int, SeriesIds, SampleValues]
_Parts = dict[int, list[tuple[SampleTimes, SampleValues]]]


class MetricReader:
    """Answers from `telemetry/metrics.db`; a file that is not there yet gives no series. Safe for several threads.

    The arrays that it returns must not be changed. It holds the decoded samples of the last 20 to 25 minutes, counted
    from the newest scrape that it has seen; once it was asked for more of the past hour, it holds as much from then on.
    It knows the labels of series that have samples there: each version and each rollout has series of its own, so the
    file knows ever more that have ended.

    Raises (all methods):
        TelemetryDamagedError: The file is damaged; the message names the way back.
        TelemetryError: It cannot be read now.
    """

    def __init__(self, file: Path, clock: Clock = utc_now) -> None:
        """Prepare; nothing is read yet.

        Args:
            file: The store; `Workspace.metrics_file`.
            clock: The time, of which the window in memory is the last hour.
        """
        self._file, self._clock = file, clock
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file_id: tuple[int, int] | None = None
        self._seq, self._changes = 0, -1
        self._held_ms = _LEAST_WINDOW_MS
        self._begin_anew(-1)

    def select(self, matchers: Sequence[SeriesMatcher], from_ms: int, to_ms: int) -> list[RecordedSeries]:
        """Return the series that fulfil all matchers and have samples in (from_ms, to_ms], with these samples."""
        with self._lock, translated(self._file):
            try:
                connection = self._opened()
                if connection is None:
                    return []
                self._hold(from_ms)
                connection.execute("BEGIN")  # one state of the file, while others write
                try:
                    self._refresh(connection)
                    edge, labels = self._window.after_ms, self._labels
                    older: _Parts = {}
                    if from_ms < edge:
                        labels = _labels_in_file(connection, matchers)
                        ids = _fulfilling(matchers, labels, labels)
                        older = _stored(connection, ids, from_ms, min(to_ms, edge))
                    else:
                        ids = self._matching(matchers)
                finally:
                    connection.execute("COMMIT")
            except sqlite3.Error:
                self._disconnect()
                raise
            selected = []
            for series in ids:
                parts = older.get(series, [])
                if (recent := self._window.between(series, max(from_ms, edge), to_ms)) is not None:
                    parts = [*parts, recent]
                if parts:
                    selected.append(RecordedSeries(labels[series], *_joined(parts)))
            return selected

    def names(self) -> frozenset[str]:
        """Return the names of all series in the file, also of those that have ended."""
        with self._lock, translated(self._file):
            try:
                connection = self._opened()
                rows = [] if connection is None else fetch(connection, _ALL_LABELS)
            except sqlite3.Error:
                self._disconnect()
                raise
        return frozenset(dict(json.loads(labels)).get(NAME, "") for _, labels in rows)

    def close(self) -> None:
        """Close the store and drop the window; the next call opens it again."""
        with self._lock:
            self._disconnect()

    def _hold(self, from_ms: int) -> None:
        """Hold as much as is asked for, up to the past hour; a look at what is older still is a rare one."""
        asked_ms = round(self._clock().timestamp() * 1000) - from_ms
        if self._held_ms < asked_ms <= WINDOW_MS:
            self._held_ms = min(asked_ms + _SLACK_MS, WINDOW_MS)
            self._begin_anew(self._changes)

    def _refresh(self, connection: sqlite3.Connection) -> None:
        """Take what was written since the last look."""
        state = fetch(connection, "SELECT packed_seq, changes FROM state")
        if not state:
            return  # a writer has made the file and not the tables yet
        packed_seq, changes = state[0]
        if changes != self._changes or packed_seq > self._seq:
            self._begin_anew(changes)
            (packed_until,) = fetch(connection, "SELECT coalesce(max(until_ms), 0) FROM hour")[0]
            self._window.after_ms = max(self._window.after_ms, packed_until)  # what is repacked is read from the file
        scrapes: list[_Scrape] = []
        for seq, at_ms, body in fetch(connection, _NEW, self._seq, self._window.after_ms):
            self._seq = max(self._seq, seq)
            try:
                scrapes.append((at_ms, *unpack_scrape(body)))
            except ValueError as error:
                log.warning("%s: %s", self._file.name, error)
        if len(scrapes) < _BULK:
            for scrape in scrapes:
                self._window.add(*scrape)
        else:
            self._window.add_all(scrapes)
        self._seq = max(self._seq, packed_seq)
        if scrapes:
            self._name_series(connection)

    def _name_series(self, connection: sqlite3.Connection) -> None:
        """Read the labels of series that are new in the window, and forget those of series that have left it."""
        held = self._window.series()
        gone, new = self._labels.keys() - held, held - self._labels.keys()
        if not gone and not new:
            return
        self._selections.clear()
        for series in gone:
            self._by_name[_name_of(self._labels.pop(series))].discard(series)
        if len(new) > _FEW:
            rows = [row for row in fetch(connection, _ALL_LABELS) if row[0] in new]
        else:
            rows = [(series, labels) for series in new for (labels,) in fetch(connection, _LABELS, series)]
        if len(self._pairs) > _MOST_PAIRS:
            self._pairs.clear()  # many are of series that are forgotten by now
        for series, labels in rows:
            found = self._labels[series] = _decoded(labels, self._pairs)
            self._by_name.setdefault(_name_of(found), set()).add(series)

    def _begin_anew(self, changes: int) -> None:
        now_ms = round(self._clock().timestamp() * 1000)
        self._window = RecentWindow(now_ms - self._held_ms, self._held_ms, _SLACK_MS)
        self._seq, self._changes = 0, changes
        self._labels: dict[int, RecordedLabels] = {}
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self._by_name: dict[str, set[int]] = {}
        self._selections: dict[tuple[tuple[str, str, str], ...], list[int]] = {}

    def _matching(self, matchers: Sequence[SeriesMatcher]) -> list[int]:
        key = tuple((each.name, each.op, each.value) for each in matchers)
        if (known := self._selections.get(key)) is not None:
            return known
        named = _named(matchers)
        found = _fulfilling(matchers, self._labels, self._labels if named is None else self._by_name.get(named, ()))
        if len(self._selections) >= _MOST_SELECTIONS:
            self._selections.clear()
        self._selections[key] = found
        return found

    def _opened(self) -> sqlite3.Connection | None:
        try:
            status = os.stat(self._file)
        except FileNotFoundError:
            self._disconnect()
            return None
        if (status.st_dev, status.st_ino) != self._file_id:
            self._disconnect()
            self._connection = connect_to_read(self._file)
            self._file_id = status.st_dev, status.st_ino
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._file_id = None, None
        self._begin_anew(-1)


def _labels_in_file(connection: sqlite3.Connection, matchers: Sequence[SeriesMatcher]) -> dict[int, RecordedLabels]:
    """Return the labels of all series that could fulfil the matchers, also of those that have ended."""
    if (named := _named(matchers)) is None:
        rows = fetch(connection, _ALL_LABELS)
    else:
        rows = fetch(connection, _LABELS_WITH, json.dumps([NAME, named], separators=(",", ":")))
    pairs: dict[tuple[str, str], tuple[str, str]] = {}
    return {series: _decoded(labels, pairs) for series, labels in rows}


def _decoded(labels: str, pairs: dict[tuple[str, str], tuple[str, str]]) -> RecordedLabels:
    """Return the labels of a series; a pair of name and value that another series has, too, is one object."""
    return tuple(pairs.setdefault(pair := (sys.intern(name), value), pair) for name, value in json.loads(labels))


def _name_of(labels: RecordedLabels) -> str:
    return dict(labels).get(NAME, "")


def _named(matchers: Sequence[SeriesMatcher]) -> str | None:
    """Return the one name that series must have; None if they may have several."""
    return next((each.value for each in matchers if each.name == NAME and each.op == "="), None)


def _fulfilling(
    matchers: Sequence[SeriesMatcher], labels: Mapping[int, RecordedLabels], candidates: Collection[int]
) -> list[int]:
    """Return those candidates that fulfil all matchers, in the order in which they were first recorded."""
    found = sorted(candidates)
    for matcher in matchers:
        fulfils: dict[str, bool] = {}
        kept = []
        for series in found:
            value = dict(labels[series]).get(matcher.name, "")
            if value not in fulfils:
                fulfils[value] = matcher.matches(value)
            if fulfils[value]:
                kept.append(series)
        found = kept
    return found


def _stored(connection: sqlite3.Connection, ids: Sequence[int], from_ms: int, to_ms: int) -> _Parts:
    """Return the samples in (from_ms, to_ms] that are in the file."""
    wanted = set(ids)
    found: _Parts = {}
    for hour, times in fetch(connection, _HOURS, from_ms, to_ms):
        at_ms = unpack_times(times)
        is_inside = (at_ms > from_ms) & (at_ms <= to_ms)
        for series, body in _blocks(connection, hour, ids):
            if series not in wanted:
                continue
            values = unpack_values(body)
            is_there = is_inside & (values.view(np.uint64) != ABSENT_BITS)
            if is_there.any():
                found.setdefault(series, []).append((at_ms[is_there], values[is_there]))
    in_order = np.array(sorted(wanted), dtype=np.uint32)
    for at, body in fetch(connection, _BETWEEN, from_ms, to_ms):
        here, column = unpack_scrape(body)
        _, places, _ = np.intersect1d(here, in_order, assume_unique=True, return_indices=True)
        for place in places.tolist():
            part = np.array([at], dtype=np.int64), column[place : place + 1]
            found.setdefault(int(here[place]), []).append(part)
    return found


def _blocks(connection: sqlite3.Connection, hour: int, ids: Sequence[int]) -> list[tuple[int, bytes]]:
    if len(ids) > _FEW:
        first = hour << SERIES_BITS
        return [(key - first, body) for key, body in fetch(connection, _BLOCKS, first, (hour + 1) << SERIES_BITS)]
    return [(series, body) for series in ids for (body,) in fetch(connection, _BLOCK, (hour << SERIES_BITS) + series)]


def _joined(parts: Sequence[tuple[SampleTimes, SampleValues]]) -> tuple[SampleTimes, SampleValues]:
    if len(parts) == 1:
        return parts[0]
    at_ms, values = np.concatenate([at for at, _ in parts]), np.concatenate([each for _, each in parts])
    if (np.diff(at_ms) > 0).all():
        return at_ms, values
    # a clock that was set back: of two samples of one time, the one stored later
    last = len(at_ms) - 1 - np.unique(at_ms[::-1], return_index=True)[1]
    return at_ms[last], values[last]
