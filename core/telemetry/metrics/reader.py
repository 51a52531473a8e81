"""Reading recorded series: what is asked for again and again from memory, what is older from the file."""

import json
import logging
import os
import sqlite3
import sys
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.clock import Clock, utc_now
from core.telemetry.errors import translated
from core.telemetry.metrics.held import EVERY_NAME, HeldSeries, Scrape, name_of
from core.telemetry.metrics.packing import (
    SampleTimes,
    SampleValues,
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
SLACK_MS = 2 * 60_000
"""How much more is held than is asked for, and again as much before the oldest samples are dropped."""
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

_Parts = dict[int, list[tuple[SampleTimes, SampleValues]]]


class _Wish(NamedTuple):
    """How much of a name is to be held, and when it was last asked for."""

    held_ms: int
    asked_at_ms: int


class MetricReader:
    """Answers from `telemetry/metrics.db`; a file that is not there yet gives no series. Safe for several threads.

    The arrays that it returns must not be changed. Of each name that it is asked for, it holds the decoded samples of
    the time that is asked for, up to the past hour, and two to four minutes more; a name that nobody has asked for in
    an hour is dropped. Everything else is read from the file. It knows the labels of the series that it holds: each
    version and each rollout has series of its own, so the file knows ever more that have ended.

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
        self._wishes: dict[str, _Wish] = {}
        self._held = HeldSeries()
        self._seq, self._changes = 0, -1
        self._begin_anew(-1)

    def select(self, matchers: Sequence[SeriesMatcher], from_ms: int, to_ms: int) -> list[RecordedSeries]:
        """Return the series that fulfil all matchers and have samples in (from_ms, to_ms], with these samples."""
        with self._lock, translated(self._file):
            try:
                connection = self._opened()
                if connection is None:
                    return []
                window = self._hold(matchers, from_ms)
                connection.execute("BEGIN")  # one state of the file, while others write
                try:
                    if self._refresh(connection):
                        self._fill(connection, window)
                    edge, labels = self._held.after_ms(window), self._held.labels
                    older: _Parts = {}
                    if edge is None or from_ms < edge:
                        labels = _labels_in_file(connection, matchers)
                        ids = _fulfilling(matchers, labels, labels)
                        older = _stored(connection, ids, from_ms, to_ms if edge is None else min(to_ms, edge))
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
                if (recent := self._held.between(window, series, from_ms, to_ms)) is not None:
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

    @property
    def n_held(self) -> int:
        """How many series are held in memory."""
        return len(self._held.labels)

    def _hold(self, matchers: Sequence[SeriesMatcher], from_ms: int) -> str:
        """Wish that as much is held as is asked for, up to the past hour; a look at what is older is a rare one.

        Returns:
            The name of the window that answers, if it is held.
        """
        now_ms = self._now_ms()
        for name in [name for name, wish in self._wishes.items() if abs(now_ms - wish.asked_at_ms) > WINDOW_MS]:
            del self._wishes[name]
            self._held.drop(name)
        named = _named(matchers)
        if named is None and EVERY_NAME not in self._wishes:
            longest_ms = max((wish.held_ms for wish in self._wishes.values()), default=0)
            self._wishes = {EVERY_NAME: _Wish(longest_ms, now_ms)}
            self._held = HeldSeries()
        name = EVERY_NAME if named is None or EVERY_NAME in self._wishes else named
        asked_ms = max(now_ms - from_ms, 0)
        if asked_ms <= WINDOW_MS:
            known = self._wishes.get(name)
            if known is None or known.held_ms < asked_ms:
                self._held.drop(name)
                known = _Wish(min(asked_ms + SLACK_MS, WINDOW_MS), now_ms)
            self._wishes[name] = known._replace(asked_at_ms=now_ms)
        return name

    def _fill(self, connection: sqlite3.Connection, name: str) -> None:
        """Read what a window is to hold, unless it is there."""
        if (wish := self._wishes.get(name)) is None or self._held.after_ms(name) is not None:
            return
        # What is repacked is read from the file.
        (packed_until,) = fetch(connection, "SELECT coalesce(max(until_ms), 0) FROM hour")[0]
        after_ms = max(self._now_ms() - wish.held_ms, packed_until)
        scrapes = self._scrapes(connection, 0, after_ms)
        rows = fetch(connection, _ALL_LABELS) if name == EVERY_NAME else _rows_named(connection, name)
        present = {series for _, ids, _ in scrapes for series in ids.tolist()}
        labels = self._decoded(row for row in rows if row[0] in present)
        if name != EVERY_NAME:
            labels = {series: found for series, found in labels.items() if name_of(found) == name}
        self._held.add(name, RecentWindow(after_ms, wish.held_ms, SLACK_MS), scrapes, labels)
        self._selections.clear()

    def _refresh(self, connection: sqlite3.Connection) -> bool:
        """Take what was written since the last look; return whether there is anything to read."""
        state = fetch(connection, "SELECT packed_seq, changes FROM state")
        if not state:
            return False  # a writer has made the file and not the tables yet
        packed_seq, changes = state[0]
        if changes != self._changes or packed_seq > self._seq:
            self._begin_anew(changes)
        oldest_ms = self._held.oldest_ms()
        if oldest_ms is None:
            (self._seq,) = fetch(connection, "SELECT coalesce(max(seq), 0) FROM scrape")[0]
        elif self._held.take(
            self._scrapes(connection, self._seq, oldest_ms), lambda series: self._labels_of(connection, series)
        ):
            self._selections.clear()
        self._seq = max(self._seq, packed_seq)
        return True

    def _scrapes(self, connection: sqlite3.Connection, after_seq: int, after_ms: int) -> list[Scrape]:
        """Return the scrapes that are later than both, in the order of their times."""
        scrapes: list[Scrape] = []
        for seq, at_ms, body in fetch(connection, _NEW, after_seq, after_ms):
            self._seq = max(self._seq, seq)
            try:
                scrapes.append((at_ms, *unpack_scrape(body)))
            except ValueError as error:
                log.warning("%s: %s", self._file.name, error)
        return scrapes

    def _labels_of(self, connection: sqlite3.Connection, series: Collection[int]) -> dict[int, RecordedLabels]:
        if len(series) > _FEW:
            return self._decoded(row for row in fetch(connection, _ALL_LABELS) if row[0] in series)
        return self._decoded((each, labels) for each in series for (labels,) in fetch(connection, _LABELS, each))

    def _decoded(self, rows: Iterable[tuple[int, str]]) -> dict[int, RecordedLabels]:
        if len(self._pairs) > _MOST_PAIRS:
            self._pairs.clear()  # many are of series that are forgotten by now
        return {series: _decoded(labels, self._pairs) for series, labels in rows}

    def _begin_anew(self, changes: int) -> None:
        self._held = HeldSeries()
        self._seq, self._changes = 0, changes
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self._selections: dict[tuple[tuple[str, str, str], ...], list[int]] = {}

    def _now_ms(self) -> int:
        return round(self._clock().timestamp() * 1000)

    def _matching(self, matchers: Sequence[SeriesMatcher]) -> list[int]:
        key = tuple((each.name, each.op, each.value) for each in matchers)
        if (known := self._selections.get(key)) is not None:
            return known
        found = _fulfilling(matchers, self._held.labels, self._held.candidates(_named(matchers)))
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
    named = _named(matchers)
    rows = fetch(connection, _ALL_LABELS) if named is None else _rows_named(connection, named)
    pairs: dict[tuple[str, str], tuple[str, str]] = {}
    return {series: _decoded(labels, pairs) for series, labels in rows}


def _decoded(labels: str, pairs: dict[tuple[str, str], tuple[str, str]]) -> RecordedLabels:
    """Return the labels of a series; a pair of name and value that another series has, too, is one object."""
    return tuple(pairs.setdefault(pair := (sys.intern(name), value), pair) for name, value in json.loads(labels))


def _rows_named(connection: sqlite3.Connection, name: str) -> list[tuple[int, str]]:
    """Return the series whose labels have a name, and perhaps others that have it as another label."""
    return fetch(connection, _LABELS_WITH, json.dumps([NAME, name], separators=(",", ":")))


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
