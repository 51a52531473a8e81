"""Recording series: one transaction a scrape."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from core.clock import Clock, utc_now
from core.telemetry.errors import translated
from core.telemetry.metrics.packing import SeriesIds, pack_scrape, unpack_scrape
from core.telemetry.metrics.samples import NAME, STALE, STALE_BITS
from core.telemetry.metrics.schema import open_store
from core.telemetry.metrics.upkeep import MetricUpkeep
from core.telemetry.schema import place_of
from core.telemetry.writing import WriteConnection

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]

_UPKEEP_MS = 60_000
_SERIES = """
INSERT INTO series (labels, seen_ms) VALUES (?, ?) ON CONFLICT (labels) DO UPDATE SET seen_ms = excluded.seen_ms
RETURNING id"""
_NEWEST = "SELECT at_ms, body FROM scrape WHERE writer = ? ORDER BY at_ms DESC, seq DESC LIMIT 1"
_TAKE_BACK = "DELETE FROM scrape WHERE writer = ? AND at_ms >= ?"
_ADD = "INSERT INTO scrape (writer, at_ms, body) VALUES (?, ?, ?)"


class MetricWriter:
    """Stores what one process measures, as a Prometheus that scrapes it would. Safe for several threads.

    Several processes may each have a writer on the same file; they take turns. A scrape is stored whole or not at all,
    and what is stored survives the end of the process, however it ends. A series that was in the writer's last scrape,
    also in that of an earlier process with the same job and instance, and is not in this one, gets a staleness marker.
    If the clock was set back, scrapes from then on replace those of this writer that lie after them.
    """

    def __init__(
        self,
        file: Path,
        clock: Clock = utc_now,
        *,
        job: str,
        instance: str,
        adds_labels: bool = True,
        retention_days: float = 15.0,
    ) -> None:
        """Prepare; the file is opened, and made if there is none, by the first scrape.

        Args:
            file: The store; `Workspace.metrics_file`.
            clock: For retention.
            job: The label of all series, as in a Prometheus.
            instance: Likewise.
            adds_labels: Whether series get these two, as scraped ones do; results of rules have their own labels.
            retention_days: How long samples are kept.
        """
        self._file, self._clock = file, clock
        self._own = {"job": job, "instance": instance} if adds_labels else {}
        self._writer = f"{job}|{instance}"
        self._upkeep = MetricUpkeep(file)
        self.retention_days = retention_days
        self._lock = threading.Lock()
        self._connection: WriteConnection | None = None
        self._place: tuple[int, int] | None = None
        self._ids: dict[_Key, int] = {}  # of the series of the last scrape
        self._last: tuple[int, SeriesIds] | None = None  # its time, and which series had a value in it
        self._changes = -1
        self._kept_up_ms = 0

    def record(self, at: datetime, families: "Iterable[Metric]") -> int:
        """Store one scrape.

        Args:
            at: Its time.
            families: What was measured. Without any, all series of this writer end.
        Returns:
            How many samples were stored.
        Raises:
            TelemetryDamagedError: The file is damaged; the message names the way back.
            TelemetryError: It cannot be written now; the scrape is lost, the next one is stored if it can be.
        """
        at_ms = round(at.timestamp() * 1000)
        found: dict[_Key, float] = {}
        for family in families:
            for sample in family.samples:
                found[sample.name, tuple(sample.labels.items())] = float(sample.value)
        with self._lock:
            try:
                with translated(self._file):
                    self._store(self._opened(), at_ms, found)
            except BaseException:
                self._disconnect()
                raise
        return len(found)

    def keep_up(self) -> None:
        """Repack the hours that are over and delete what is too old; at most once a minute, a part at a time.

        Raises:
            TelemetryError: The store cannot be written now; nothing is lost.
        """
        now_ms = round(self._clock().timestamp() * 1000)
        with self._lock:
            if self._connection is None or abs(now_ms - self._kept_up_ms) < _UPKEEP_MS:
                return
            self._kept_up_ms = now_ms
            try:
                self._upkeep.work(self._connection, now_ms, self.retention_days)
            except BaseException:
                self._disconnect()
                raise

    def close(self) -> None:
        """Close the store; the next scrape opens it again."""
        with self._lock:
            self._disconnect()

    def _opened(self) -> WriteConnection:
        if self._connection is not None and place_of(self._file) != self._place:
            self._disconnect()  # moved aside, or restored
        if self._connection is None:
            self._connection = open_store(self._file)
            self._place = place_of(self._file)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._place = None, None
        self._ids, self._last, self._changes = {}, None, -1

    def _store(self, connection: WriteConnection, at_ms: int, found: Mapping[_Key, float]) -> None:
        with connection.transaction():
            (changes,) = connection.execute("SELECT changes FROM state").fetchone()
            known = self._ids if changes == self._changes else {}  # series may have been forgotten
            last_ms, last_ids = self._last if self._last is not None else self._stored_last(connection)
            if at_ms <= last_ms and connection.execute(_TAKE_BACK, (self._writer, at_ms)).rowcount:
                connection.execute("UPDATE state SET changes = changes + 1")
                changes += 1
            ids = {key: known[key] if key in known else self._series_id(connection, key, at_ms) for key in found}
            by_id = {ids[key]: value for key, value in found.items()}
            measured = np.array(sorted(by_id), dtype=np.uint32)
            ended = np.setdiff1d(last_ids, measured)
            by_id.update((int(series), STALE) for series in ended)
            stored = np.array(sorted(by_id), dtype=np.uint32)
            values = np.array([by_id[series] for series in stored.tolist()], dtype=np.float64)
            connection.execute(_ADD, (self._writer, at_ms, pack_scrape(stored, values)))
        self._ids, self._last, self._changes = ids, (at_ms, measured), changes

    def _series_id(self, connection: sqlite3.Connection, key: _Key, at_ms: int) -> int:
        name, labels = key
        own = {f"exported_{label}" if label in self._own else label: value for label, value in labels if value}
        encoded = json.dumps(sorted({**own, **self._own, NAME: name}.items()), separators=(",", ":"))
        (series,) = connection.execute(_SERIES, (encoded, at_ms)).fetchone()
        return int(series)

    def _stored_last(self, connection: sqlite3.Connection) -> tuple[int, SeriesIds]:
        """Return the time of the writer's newest scrape, and which series had a value in it."""
        row = connection.execute(_NEWEST, (self._writer,)).fetchone()
        if row is None:
            return -1, np.array([], dtype=np.uint32)
        try:
            ids, values = unpack_scrape(row[1])
        except ValueError:  # what cannot be read ends by the look-back instead
            return int(row[0]), np.array([], dtype=np.uint32)
        return int(row[0]), ids[values.view(np.uint64) != STALE_BITS]
