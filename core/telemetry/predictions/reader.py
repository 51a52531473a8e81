"""Incremental reading of predictions and outcomes, for the judges of a rollout."""

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from core.telemetry.chunk import to_us
from core.telemetry.errors import translated
from core.telemetry.predictions.matching import copies_with_answers, listed, scored_outcomes, slices_in
from core.telemetry.predictions.recent import RecentTraffic, recent_traffic
from core.telemetry.predictions.records import Arm, request_number
from core.telemetry.predictions.schema import Segment, segments_of
from core.telemetry.schema import connect_to_read

_Value = TypeVar("_Value")
_Routes = Mapping[int, tuple[Arm, float]]

MAX_ROWS = 20_000
_N_RECENT = 5_000
_FURTHEST_AHEAD = timedelta(minutes=1)  # a later timestamp was written before the clock was set back
_RECENT_SEGMENTS = 2

_STORE = "SELECT store FROM identity"
_OUTCOMES_END = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outcome'), 0)"
_ROUTES = "SELECT id, arm, share FROM route WHERE rollout = ?"
_SERVED = """
SELECT route, latency_ms, error, unit, {slices} FROM {table}
WHERE seq > ? AND seq <= ? AND route IN ({routes}) AND (latency_ms IS NOT NULL OR error) ORDER BY seq"""
_LAST_OF = "SELECT max(seq) FROM (SELECT seq FROM {table} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?)"
_SETTLED = "SELECT coalesce(min(seq) - 1, ?2) FROM outcome WHERE seq > ?1 AND seq <= ?2 AND at > ?3 AND at <= ?4"


class ServedRequest(NamedTuple):
    """One answered request with any number of rows, with the fields that a judge needs."""

    arm: Arm
    share: float
    latency_ms: float | None
    error: bool
    unit: int | None
    slices: int | None = None  # the levels of the slice columns, packed


class Scored(NamedTuple):
    """The loss of one prediction, now that its outcome is known."""

    arm: Arm
    share: float
    loss: float
    unit: int | None
    slices: int | None = None


class ScoredPair(NamedTuple):
    """The losses of both versions on the same row, now that its outcome is known."""

    stable: float
    candidate: float
    unit: int | None
    slices: int | None = None


class AnswerPair(NamedTuple):
    """The answers of both versions to the same row."""

    stable: float
    candidate: float
    slices: int | None = None


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """A position in a store; it is meaningless for any other store."""

    store: str = ""
    prediction: int = 0
    outcome: int = 0


class Batch(NamedTuple):
    """The records after a cursor, and the next cursor."""

    served: list[ServedRequest]
    pairs: list[tuple[ServedRequest, ServedRequest]]  # requests that both versions answered: stable, candidate
    scored: list[Scored]
    cursor: Cursor
    is_last: bool  # nothing is left to read now
    answer_pairs: Sequence[AnswerPair] = ()  # rows that both versions answered with a number
    scored_pairs: Sequence[ScoredPair] = ()  # the losses of `scored`, where both versions answered the row
    n_unpaired: int = 0  # outcomes of rows that only one version answered, as its copy was dropped


class PredictionReader:
    """Answers from one store; a file that is not there yet gives empty answers. Safe for several threads.

    Raises (all methods):
        TelemetryDamagedError: The file is damaged.
        TelemetryError: It cannot be read now.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file_id: tuple[int, int] | None = None

    def end(self) -> Cursor:
        """Return the cursor behind everything that is stored."""
        with self._snapshot() as connection:
            if connection is None or (store := _store_of(connection)) is None:
                return Cursor()
            segments = segments_of(connection)
            (outcome,) = connection.execute(_OUTCOMES_END).fetchone()
            return Cursor(store=store, prediction=segments[-1].last if segments else 0, outcome=outcome)

    def read(
        self,
        rollout_id: str,
        after: Cursor,
        *,
        settled_before: datetime,
        paired: bool = False,
        with_served: bool | None = None,
        n: int = MAX_ROWS,
    ) -> Batch:
        """Return the records of a rollout after a cursor, in the order of storage.

        Args:
            rollout_id: The rollout.
            after: The cursor. With a cursor of another store, for example a store moved aside, all records are new.
            settled_before: Later outcomes are left for the next read: another server process may not have committed
                their predictions yet.
            paired: Return each copy of a request with its answer, and score the rows that both versions answered.
            with_served: Return the served requests; by default unless they are paired.
            n: The maximum number of rows of each kind.
        """
        with self._snapshot() as connection:
            if connection is None or (store := _store_of(connection)) is None:
                return Batch([], [], [], after, True)
            start = after if after.store == store else Cursor(store=store)
            routes = {route: (Arm(arm), share) for route, arm, share in connection.execute(_ROUTES, (rollout_id,))}
            answering = [route for route, (arm, _) in routes.items() if not arm.is_copy]
            shadow = [route for route, (arm, _) in routes.items() if arm.is_copy]
            segments = segments_of(connection)
            until, outcomes_until, is_last = _end_of(connection, segments, start, settled_before, n)
            # One segment at a time, the oldest that has something new; `until` is in it.
            index = next((i for i, segment in enumerate(segments) if segment.last >= until > segment.first - 1), None)
            served, copied = [], []
            if index is not None and paired:
                copied = copies_with_answers(
                    connection,
                    segments[max(index - 1, 0) : index + 1],  # an answer is stored shortly before its copy
                    shadow=shadow,
                    answering=answering,
                    after=start.prediction,
                    until=until,
                )
            if index is not None and (not paired if with_served is None else with_served):
                segment = segments[index]
                query = _SERVED.format(
                    table=segment.table,
                    routes=listed(answering),
                    slices=slices_in(connection, segment, segment.table),
                )
                served = connection.execute(query, (start.prediction, until)).fetchall()
            scored = [
                scored_outcomes(connection, segments, arms, start.outcome, outcomes_until, as_distance=paired)
                for arms in ((answering, shadow) if paired else (answering,))
            ]
        # Of a shadow, what both were asked is compared: an answer without a copy would be one arm's alone.
        both = set.intersection(*({seq for seq, row in rows.items() if row[1] is not None} for rows in scored))
        return Batch(
            served=[_served(routes, row) for row in served],
            pairs=[_oriented(routes, row) for row in copied if row[6] is not None or row[7]],
            scored=[
                Scored(*routes[route], loss, unit, slices)
                for rows in scored
                for seq, (route, loss, unit, slices) in rows.items()
                if loss is not None and seq in both
            ],
            cursor=Cursor(store=store, prediction=until, outcome=outcomes_until),
            is_last=is_last,
            answer_pairs=[
                AnswerPair(*_stable_first(routes, row[0], row[10], row[11]), row[4])
                for row in copied
                if not row[2] and not row[7] and row[10] is not None and row[11] is not None
            ],
            scored_pairs=_scored_pairs(routes, both, *scored) if paired else (),
            n_unpaired=len(scored[0]) - len(both) if paired else 0,
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
        with self._snapshot() as connection:
            if connection is None or _store_of(connection) != until.store:
                return set()
            units: set[int] = set()
            for segment in segments_of(connection):
                rows = connection.execute(
                    f"""SELECT unit FROM {segment.table} WHERE route IN (SELECT id FROM route WHERE rollout = ?)
                        AND unit IS NOT NULL AND seq <= ? AND {failed}""",
                    parameters,
                )
                units.update(unit for (unit,) in rows)
            return units

    def latency_quantile(self, model: str, version: str, share: float) -> tuple[float, int] | None:
        """Return a quantile of the latest latencies of a version in ms, and how many they were; None without any."""
        with self._snapshot() as connection:
            if connection is None or _store_of(connection) is None:
                return None
            rows: list[tuple[float]] = []
            for segment in segments_of(connection)[: -_RECENT_SEGMENTS - 1 : -1]:
                rows += connection.execute(
                    f"""SELECT latency_ms FROM {segment.table} WHERE latency_ms IS NOT NULL AND NOT error
                        AND route IN (SELECT id FROM route WHERE model = ? AND version = ? AND arm NOT IN (?, ?))
                        ORDER BY seq DESC LIMIT {_N_RECENT - len(rows)}""",
                    (model, version, Arm.SHADOW, Arm.STABLE_COPY),
                ).fetchall()
        latencies = sorted(latency for (latency,) in rows)
        return (latencies[min(int(share * len(latencies)), len(latencies) - 1)], len(latencies)) if latencies else None

    def recent_traffic(self, model: str, version: str, *, since: datetime, now: datetime) -> RecentTraffic | None:
        """Return what a model and one of its versions did lately; None without any request.

        Args:
            model: The model.
            version: Whose failures, answers and losses.
            since: The beginning of the past that counts; where the store holds very many requests, only the latest do.
            now: Its end.
        """
        with self._snapshot() as connection:
            if connection is None or _store_of(connection) is None:
                return None
            return recent_traffic(
                connection, segments_of(connection), model, version, since_us=to_us(since), now_us=to_us(now)
            )

    def holds(self, request_id: str) -> bool:
        """Say whether a prediction of this request is stored."""
        with self._snapshot() as connection:
            if connection is None or _store_of(connection) is None:
                return False
            number = (request_number(request_id),)
            return any(
                connection.execute(f"SELECT 1 FROM {segment.table} WHERE request = ?", number).fetchone()
                for segment in reversed(segments_of(connection))
            )

    def close(self) -> None:
        """Close the connection; the next question opens one again."""
        with self._lock:
            self._disconnect()

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection | None]:
        """Open the store at one instant, since its segments change."""
        with self._lock, translated(self._file):
            connection = self._connected()
            if connection is None:
                yield None
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

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


def _served(routes: _Routes, row: tuple[Any, ...]) -> ServedRequest:
    route, latency_ms, error, unit, slices = row
    return ServedRequest(*routes[route], latency_ms, bool(error), unit, slices)


def _stable_first(routes: _Routes, route: int, answer: _Value, copy: _Value) -> tuple[_Value, _Value]:
    """Order an answer, made on a route, and the other version's answer to a copy of the request."""
    return (copy, answer) if routes[route][0].is_of_candidate else (answer, copy)


def _oriented(routes: _Routes, row: tuple[Any, ...]) -> tuple[ServedRequest, ServedRequest]:
    return _stable_first(routes, row[0], _served(routes, row[:5]), _served(routes, row[5:10]))


def _scored_pairs(
    routes: _Routes, both: set[int], answers: Mapping[int, Sequence[Any]], copies: Mapping[int, Sequence[Any]]
) -> list[ScoredPair]:
    pairs = []
    for seq in sorted(both):
        route, loss, unit, slices = answers[seq]
        pairs.append(ScoredPair(*_stable_first(routes, route, loss, copies[seq][1]), unit, slices))
    return pairs


def _end_of(
    connection: sqlite3.Connection, segments: Sequence[Segment], start: Cursor, settled_before: datetime, n: int
) -> tuple[int, int, bool]:
    """Return the end of the next batch: the last prediction, the last outcome, and whether nothing is left after it."""
    until, is_last = start.prediction, True
    for segment in segments:
        if segment.last > start.prediction:
            (until,) = connection.execute(
                _LAST_OF.format(table=segment.table), (start.prediction, segment.last, n)
            ).fetchone()
            is_last = until == segments[-1].last
            break
    (newest,) = connection.execute(_OUTCOMES_END).fetchone()
    unsettled = to_us(settled_before), to_us(settled_before + _FURTHEST_AHEAD)
    (settled,) = connection.execute(_SETTLED, (start.outcome, newest, *unsettled)).fetchone()
    (outcomes_until,) = connection.execute(_LAST_OF.format(table="outcome"), (start.outcome, settled, n)).fetchone()
    return until, outcomes_until or settled, is_last and (outcomes_until or settled) == settled
