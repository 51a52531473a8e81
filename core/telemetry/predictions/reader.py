"""Reading predictions and outcomes on from where one left off, as the judges of a rollout do."""

import os
import sqlite3
import threading
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from core.telemetry.chunk import to_us
from core.telemetry.errors import translated
from core.telemetry.predictions.records import Arm, request_number
from core.telemetry.schema import connect_to_read

MAX_ROWS = 20_000
_N_RECENT = 5_000
_RECENT_REACH = 200_000

_STORE = "SELECT store FROM identity"
_ENDS = """
SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'prediction'), 0),
       coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outcome'), 0)"""
_ROUTES = "SELECT id, arm, share FROM route WHERE rollout = ?"
_SERVED = """
SELECT seq, route, latency_ms, error, unit FROM prediction
WHERE seq > ? AND seq <= ? AND route IN ({routes}) ORDER BY seq LIMIT ?"""
_PAIRS = """
SELECT copy.seq, copy.route, copy.latency_ms, copy.error, copy.unit,
       answer.route, answer.latency_ms, answer.error, answer.unit
FROM prediction copy JOIN prediction answer ON answer.seq = (
    SELECT max(seq) FROM prediction WHERE request = copy.request AND route IN ({answering}))
WHERE copy.seq > ? AND copy.seq <= ? AND copy.route IN ({shadow}) ORDER BY copy.seq LIMIT ?"""
_SETTLED = "SELECT coalesce(min(seq) - 1, ?2) FROM outcome WHERE seq > ?1 AND seq <= ?2 AND at > ?3"
_SCORED = """
SELECT outcome.seq, prediction.route, {loss}, prediction.unit
FROM outcome JOIN prediction ON prediction.seq = (
    SELECT max(seq) FROM prediction WHERE request = outcome.request AND route IN ({routes}))
WHERE outcome.seq > ? AND outcome.seq <= ? ORDER BY outcome.seq LIMIT ?"""
_GIVEN_LOSS = "coalesce(outcome.loss, abs(outcome.actual - prediction.value))"
_DISTANCE = "abs(outcome.actual - prediction.value)"  # the loss reported is that of the answer, not of its copy


class Served(NamedTuple):
    """One prediction, as far as a judge needs it."""

    arm: Arm
    share: float
    latency_ms: float | None
    error: bool
    unit: int | None


class Scored(NamedTuple):
    """The loss of one prediction, now that its outcome is known."""

    arm: Arm
    share: float
    loss: float
    unit: int | None


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """How far a store has been read; a place in one store says nothing of another."""

    store: str = ""
    prediction: int = 0
    outcome: int = 0


class Batch(NamedTuple):
    """What came after a cursor, and the cursor to read on from."""

    served: list[Served]
    pairs: list[tuple[Served, Served]]  # of a shadow rollout: the answer, and the candidate's to a copy of the request
    scored: list[Scored]
    cursor: Cursor
    is_last: bool  # nothing is left to read just now


class PredictionReader:
    """Answers from one store; a file that is not there yet gives empty answers. Safe for several threads.

    Raises (all methods):
        TelemetryDamagedError: The file is damaged.
        TelemetryError: It cannot be read just now.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file_id: tuple[int, int] | None = None

    def end(self) -> Cursor:
        """Return the cursor behind everything that is stored."""
        with self._lock, translated(self._file):
            connection = self._connected()
            if connection is None or (store := _store_of(connection)) is None:
                return Cursor()
            prediction, outcome = connection.execute(_ENDS).fetchone()
            return Cursor(store=store, prediction=prediction, outcome=outcome)

    def read(
        self, rollout_id: str, after: Cursor, *, settled_before: datetime, paired: bool = False, n: int = MAX_ROWS
    ) -> Batch:
        """Return what was stored of a rollout after a cursor, in the order in which it was stored.

        Args:
            rollout_id: Whose predictions.
            after: Where to read on. Of another store than this, one set aside perhaps, everything here is new.
            settled_before: Outcomes that came in later are left for the next time: the prediction that such a one is
                about may still wait to be committed by another server process.
            paired: Each copy of a request together with its answer, as a shadow rollout is judged; `served` is empty.
            n: How many rows of each kind at most.
        """
        with self._lock, translated(self._file):
            connection = self._connected()
            if connection is None or (store := _store_of(connection)) is None:
                return Batch([], [], [], after, True)
            start = after if after.store == store else Cursor(store=store)
            end, outcome_end = connection.execute(_ENDS).fetchone()
            span = (start.outcome, outcome_end, to_us(settled_before))
            (outcome_end,) = connection.execute(_SETTLED, span).fetchone()
            routes = {route: (Arm(arm), share) for route, arm, share in connection.execute(_ROUTES, (rollout_id,))}
            answering = [route for route, (arm, _) in routes.items() if arm is not Arm.SHADOW]
            shadow = [route for route, (arm, _) in routes.items() if arm is Arm.SHADOW]
            if paired:
                query = _PAIRS.format(answering=_listed(answering), shadow=_listed(shadow))
            else:
                query = _SERVED.format(routes=_listed(answering))
            rows = connection.execute(query, (start.prediction, end, n)).fetchall()
            scored = []
            for arms in (answering, shadow) if paired else (answering,):
                query = _SCORED.format(loss=_DISTANCE if paired else _GIVEN_LOSS, routes=_listed(arms))
                scored += connection.execute(query, (start.outcome, outcome_end, n)).fetchall()
        is_last = len(rows) < n and len(scored) < n
        if len(rows) == n:
            end = rows[-1][0]
        if len(scored) >= n:  # whichever query was cut short, both are read on from the same place
            outcome_end = sorted(row[0] for row in scored)[n - 1]
            scored = [row for row in scored if row[0] <= outcome_end]
        return Batch(
            served=[] if paired else [_served(routes, row[1:]) for row in rows],
            pairs=[(_served(routes, row[5:]), _served(routes, row[1:5])) for row in rows] if paired else [],
            scored=[Scored(*routes[route], loss, unit) for _, route, loss, unit in scored if loss is not None],
            cursor=Cursor(store=store, prediction=end, outcome=outcome_end),
            is_last=is_last,
        )

    def failed_units(self, rollout_id: str, until: Cursor, *, over_ms: float | None = None) -> set[int]:
        """Return the units of a rollout that had a failure up to a cursor.

        Args:
            rollout_id: Whose.
            until: How far to look.
            over_ms: The latency from which an answer counts as failed; None looks for errors instead.
        """
        failed = "error" if over_ms is None else "latency_ms > ?"
        parameters = (rollout_id, until.prediction) if over_ms is None else (rollout_id, until.prediction, over_ms)
        with self._lock, translated(self._file):
            connection = self._connected()
            if connection is None or _store_of(connection) != until.store:
                return set()
            rows = connection.execute(
                f"""SELECT DISTINCT unit FROM prediction WHERE route IN (SELECT id FROM route WHERE rollout = ?)
                    AND unit IS NOT NULL AND seq <= ? AND {failed}""",
                parameters,
            )
            return {unit for (unit,) in rows}

    def latency_quantile(self, model: str, version: str, share: float) -> tuple[float, int] | None:
        """Return a quantile of the latest latencies of a version in ms, and how many they were; None without any."""
        with self._lock, translated(self._file):
            connection = self._connected()
            if connection is None or _store_of(connection) is None:
                return None
            rows = connection.execute(
                f"""SELECT latency_ms FROM prediction WHERE latency_ms IS NOT NULL AND NOT error
                    AND seq > (SELECT max(seq) FROM prediction) - {_RECENT_REACH}
                    AND route IN (SELECT id FROM route WHERE model = ? AND version = ? AND arm <> ?)
                    ORDER BY seq DESC LIMIT {_N_RECENT}""",
                (model, version, Arm.SHADOW),
            ).fetchall()
        latencies = sorted(latency for (latency,) in rows)
        return (latencies[min(int(share * len(latencies)), len(latencies) - 1)], len(latencies)) if latencies else None

    def holds(self, request_id: str) -> bool:
        """Say whether a prediction of this request is stored."""
        with self._lock, translated(self._file):
            connection = self._connected()
            if connection is None or _store_of(connection) is None:
                return False
            number = request_number(request_id)
            found = connection.execute("SELECT 1 FROM prediction WHERE request = ?", (number,)).fetchone()
            return found is not None

    def close(self) -> None:
        """Close the connection; the next question opens one again."""
        with self._lock:
            self._disconnect()

    def _connected(self) -> sqlite3.Connection | None:
        try:
            status = os.stat(self._file)
        except FileNotFoundError:
            self._disconnect()
            return None
        file_id = (status.st_dev, status.st_ino)
        if self._connection is None or file_id != self._file_id:  # another file was put there
            self._disconnect()
            self._connection, self._file_id = connect_to_read(self._file), file_id
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _store_of(connection: sqlite3.Connection) -> str | None:
    """Return which store this is; None while its writer has not made the tables yet."""
    try:
        row = connection.execute(_STORE).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    return str(row[0]) if row else None


def _served(routes: dict[int, tuple[Arm, float]], row: tuple[Any, ...]) -> Served:
    route, latency_ms, error, unit = row
    return Served(*routes[route], latency_ms, bool(error), unit)


def _listed(routes: Collection[int]) -> str:
    return ", ".join(map(str, routes))
