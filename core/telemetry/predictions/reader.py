"""Incremental reading of predictions and outcomes, for the judges of a rollout."""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from core.losses import Actual, AnswerForm, AnswerKind, LossRule, RecordedAnswer, loss_of
from core.settings.telemetry import PredictionRetention
from core.telemetry.chunk import to_us
from core.telemetry.errors import translated
from core.telemetry.predictions.cursor import Cursor
from core.telemetry.predictions.delays import OutcomeDelay, outcome_delay
from core.telemetry.predictions.labelled import AnswerCounts, LabelledBatch, count_answers, labelled_answers
from core.telemetry.predictions.matching import (
    MatchedOutcome,
    actual_of,
    answers_to,
    copies_with_answers,
    listed,
    matched_outcomes,
    outcomes_by_request,
    requests_with_outcomes,
)
from core.telemetry.predictions.prompts import PromptPage, measured_prompts
from core.telemetry.predictions.recent import RecentTraffic, recent_traffic
from core.telemetry.predictions.records import Arm, TextCounts, request_number
from core.telemetry.predictions.routes import StoredRoute, form_of_version, routes_of
from core.telemetry.predictions.schema import VERSION, Segment, open_store, segments_of
from core.telemetry.predictions.traffic import TrafficGrain, TrafficSpan, traffic_of
from core.telemetry.predictions.usage import PredictionUsage, StoreContents, contents_of, usage_of
from core.telemetry.schema import connect_to_read

_Value = TypeVar("_Value")

MAX_ROWS = 10_000
"""Of a page of a rollout: read in less than 50 ms, also from a backlog of millions."""
_MAX_LABELLED = 20_000
MAX_COUNTED = 2_000_000
MAX_PROMPTS = 100_000
_N_RECENT = 5_000
_FURTHEST_AHEAD = timedelta(minutes=1)  # a later timestamp was written before the clock was set back
_RECENT_SEGMENTS = 2
_DEFAULT_LOSS = LossRule()

_STORE = "SELECT store FROM identity"
_ROUTES_OF = "SELECT id FROM route WHERE model = ? AND version = ? AND arm NOT IN (?, ?)"
_OUTCOMES_END = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outcome'), 0)"
_SERVED = """
SELECT seq, route, latency_ms, error, unit, slices, request, at, detail FROM {table}
WHERE seq > ? AND seq <= ? AND route IN ({routes}) AND (latency_ms IS NOT NULL OR error) ORDER BY seq"""
_LAST_OF = "SELECT max(seq) FROM (SELECT seq FROM {table} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?)"
_AT = "SELECT at FROM outcome WHERE seq = ?"
_SETTLED = "SELECT coalesce(min(seq) - 1, ?2) FROM outcome WHERE seq > ?1 AND seq <= ?2 AND at > ?3 AND at <= ?4"


class ServedRequest(NamedTuple):
    """One answered request with any number of rows, with the fields that a judge needs."""

    arm: Arm
    share: float
    latency_ms: float | None
    error: bool
    unit: int | None
    slices: int | None = None  # the levels of the slice columns, packed
    request: int | None = None  # its number, evenly spread over 64 bits
    at_us: int = 0  # when it was answered; not known of pairs
    texts: TextCounts | None = None  # of a model of language


class Scored(NamedTuple):
    """The loss of one prediction, now that its outcome is known."""

    arm: Arm
    share: float
    loss: float
    unit: int | None
    slices: int | None = None
    is_reported: bool = False  # the caller computed it
    request: int | None = None
    at_us: int = 0  # when the prediction was made


class ScoredPair(NamedTuple):
    """The losses of both versions on the same row, now that its outcome is known."""

    stable: float
    candidate: float
    unit: int | None
    slices: int | None = None
    request: int | None = None
    at_us: int = 0  # when the row was answered


class AnswerPair(NamedTuple):
    """The answers of both versions to the same row."""

    stable: float
    candidate: float
    slices: int | None = None


class FollowedAnswer(NamedTuple):
    """One answer of a version, with what has come of it so far."""

    answer: RecordedAnswer
    actual: Actual | None = None  # None: no outcome has come, or only its loss
    came_at_us: int | None = None  # when the outcome was reported


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
    seen_until_us: int = 0  # until when all outcomes have been read


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
        with self.snapshot() as connection:
            if connection is None or (store := _store_of(connection)) is None:
                return Cursor()
            segments = segments_of(connection)
            (outcome,) = connection.execute(_OUTCOMES_END).fetchone()
            last = max((segment.last for segment in segments), default=0)
            return Cursor(store=store, prediction=last, outcome=outcome)

    def read(
        self,
        rollout_id: str,
        after: Cursor,
        *,
        settled_before: datetime,
        paired: bool = False,
        with_served: bool | None = None,
        loss: LossRule = _DEFAULT_LOSS,
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
            loss: How losses are computed from actual values.
            n: The maximum number of rows of each kind.
        """
        with self.snapshot() as connection:
            if connection is None or (store := _store_of(connection)) is None:
                return Batch([], [], [], after, True)
            start = after if after.store == store else Cursor(store=store)
            routes = routes_of(connection, rollout_id)
            answering = [route for route, found in routes.items() if not found.arm.is_copy]
            shadow = [route for route, found in routes.items() if found.arm.is_copy]
            segments = segments_of(connection)
            until, outcomes_until, seen_until_us, is_last = _end_of(connection, segments, start, settled_before, n)
            served: list[tuple[Any, ...]] = []
            copied: list[tuple[Any, ...]] = []
            # In each chain one segment, the oldest that has something new; `until` is not beyond it.
            for oldest, *before in _with_news(segments, start.prediction):
                if paired:
                    copied += copies_with_answers(
                        connection,
                        [*before, oldest],  # an answer is stored shortly before its copy
                        shadow=shadow,
                        answering=answering,
                        after=start.prediction,
                        until=until,
                    )
                if not paired if with_served is None else with_served:
                    query = _SERVED.format(table=oldest.table, routes=listed(answering))
                    served += connection.execute(query, (start.prediction, until)).fetchall()
            matched = [
                matched_outcomes(connection, segments, arms, start.outcome, outcomes_until)
                for arms in ((answering, shadow) if paired else (answering,))
            ]
        scored = [_scored(routes, rows, loss, may_report=not paired) for rows in matched]
        # Of a shadow, what both were asked is compared: an answer without a copy would be one arm's alone.
        both = set.intersection(*map(set, scored))
        return Batch(
            served=[_served(routes, row) for _, *row in sorted(served)],
            pairs=[_oriented(routes, row) for row in copied if row[7] is not None or row[8]],
            scored=[each for rows in scored for seq, each in rows.items() if seq in both],
            cursor=Cursor(store=store, prediction=until, outcome=outcomes_until),
            is_last=is_last,
            answer_pairs=[
                AnswerPair(*_stable_first(routes, row[0], row[12], row[13]), row[4])
                for row in copied
                if not row[2] and not row[8] and row[12] is not None and row[13] is not None
            ],
            scored_pairs=_scored_pairs(both, *scored) if paired else (),
            n_unpaired=len(scored[0]) - len(both) if paired else 0,
            seen_until_us=seen_until_us,
        )

    def labelled(self, after: Cursor, *, settled_before: datetime, n: int = _MAX_LABELLED) -> LabelledBatch:
        """Return the answers of all versions whose outcomes came after a cursor.

        Args:
            after: The cursor. With a cursor of another store all outcomes are new.
            settled_before: Later outcomes are left for the next read.
            n: The maximum number of outcomes.
        """
        with self.snapshot() as connection:
            if connection is None or (store := _store_of(connection)) is None:
                return LabelledBatch({}, after, True)
            start = after.outcome if after.store == store else 0
            until, end, newest = _outcomes_end(connection, start, settled_before, n)
            found = labelled_answers(connection, segments_of(connection), start, until)
            answered = after.prediction if after.store == store else 0
            is_last = until < end or end == newest
        return LabelledBatch(found, Cursor(store=store, prediction=answered, outcome=until), is_last)

    def answer_counts(self, after: Cursor, *, n: int = MAX_COUNTED) -> AnswerCounts:
        """Count the answers of all versions after a cursor by the hour; arguments and cursor as for `labelled`."""
        with self.snapshot() as connection:
            if connection is None or (store := _store_of(connection)) is None:
                return AnswerCounts({}, after, True)
            start = after.prediction if after.store == store else 0
            segments = segments_of(connection)
            newest = max((segment.last for segment in segments), default=start)
            until = min(newest, start + n)
            found = count_answers(connection, segments, start, until)
            outcome = after.outcome if after.store == store else 0
        return AnswerCounts(found, Cursor(store=store, prediction=until, outcome=outcome), until == newest)

    def prompts(self, model: str, version: str, after: Cursor, *, n: int = MAX_PROMPTS) -> PromptPage:
        """Return what was measured of the prompts of a version after a cursor; the cursor is as for `labelled`.

        Args:
            model: The model.
            version: Its version.
            after: The cursor.
            n: The maximum number of requests.
        """
        with self.snapshot() as connection:
            if connection is None or (store := _store_of(connection)) is None:
                return PromptPage([], after, True)
            start = after.prediction if after.store == store else 0
            found, until, is_last = measured_prompts(connection, segments_of(connection), model, version, start, n)
            outcome = after.outcome if after.store == store else 0
        return PromptPage(found, Cursor(store=store, prediction=until, outcome=outcome), is_last)

    def answers(self, request_ids: Iterable[str]) -> dict[str, RecordedAnswer]:
        """Return the latest stored answer to each request, by its id; ids of which nothing is stored are left out."""
        numbers = {request_number(request_id): request_id for request_id in request_ids}
        with self.snapshot() as connection:
            if connection is None or _store_of(connection) is None:
                return {}
            found = answers_to(connection, segments_of(connection), numbers)
        return {numbers[number]: answer for number, answer in found.items()}

    def followed(self, model: str, version: str, request_ids: Iterable[str]) -> dict[str, FollowedAnswer]:
        """Return what a version answered to requests and what came of it, by their ids; expired ones are left out."""
        numbers = {request_number(request_id): request_id for request_id in request_ids}
        with self.snapshot() as connection:
            if connection is None or _store_of(connection) is None:
                return {}
            routes = connection.execute(_ROUTES_OF, (model, version, Arm.SHADOW, Arm.STABLE_COPY))
            own = {route for (route,) in routes}
            answers = answers_to(connection, segments_of(connection), numbers, own)
            came = outcomes_by_request(connection, answers)
        return {
            numbers[number]: FollowedAnswer(answer, actual_of(*came[number][:2]), came[number][2])
            if number in came
            else FollowedAnswer(answer)
            for number, answer in answers.items()
        }

    def reported(self, request_ids: Iterable[str]) -> set[str]:
        """Return the requests that have an outcome already, matched or waiting, by their ids."""
        numbers = {request_number(request_id): request_id for request_id in request_ids}
        with self.snapshot() as connection:
            if connection is None or _store_of(connection) is None:
                return set()
            return {numbers[number] for number in requests_with_outcomes(connection, numbers)}

    def form(self, model: str, version: str) -> AnswerForm:
        """Return what a version answered latest; unknown if nothing is recorded of it."""
        with self.snapshot() as connection:
            if connection is None or _store_of(connection) is None:
                return AnswerForm()
            return form_of_version(connection, model, version)

    def n_outcomes(self, model: str, version: str) -> int:
        """Count the outcomes of a version's answers among the latest outcomes of all."""
        with self.snapshot() as connection:
            if connection is None or _store_of(connection) is None:
                return 0
            rows = connection.execute(_ROUTES_OF, (model, version, Arm.SHADOW, Arm.STABLE_COPY))
            routes = [route for (route,) in rows]
            (newest,) = connection.execute(_OUTCOMES_END).fetchone()
            return len(matched_outcomes(connection, segments_of(connection), routes, newest - _N_RECENT, newest))

    def failed_units(self, rollout_id: str, until: Cursor, *, over_ms: float | None = None) -> set[int]:
        """Return the units of a rollout that had a failure up to a cursor; this reads every prediction up to it.

        Args:
            rollout_id: Whose.
            until: How far to look.
            over_ms: The latency from which an answer counts as failed; None looks for errors instead.
        """
        failed = "error" if over_ms is None else "latency_ms > ?"
        parameters = (rollout_id, until.prediction) if over_ms is None else (rollout_id, until.prediction, over_ms)
        with self.snapshot() as connection:
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
        with self.snapshot() as connection:
            if connection is None or _store_of(connection) is None:
                return None
            rows: list[tuple[float]] = []
            for segment in _recent(segments_of(connection)):
                rows += connection.execute(
                    f"""SELECT latency_ms FROM {segment.table} WHERE latency_ms IS NOT NULL AND NOT error
                        AND route IN (SELECT id FROM route WHERE model = ? AND version = ? AND arm NOT IN (?, ?))
                        ORDER BY seq DESC LIMIT {_N_RECENT - len(rows)}""",
                    (model, version, Arm.SHADOW, Arm.STABLE_COPY),
                ).fetchall()
        latencies = sorted(latency for (latency,) in rows)
        return (latencies[min(int(share * len(latencies)), len(latencies) - 1)], len(latencies)) if latencies else None

    def recent_traffic(
        self, model: str, version: str, *, since: datetime, now: datetime, loss: LossRule = _DEFAULT_LOSS
    ) -> RecentTraffic | None:
        """Return what a model and one of its versions did lately; None without any request.

        Args:
            model: The model.
            version: Whose failures, answers and losses.
            since: The beginning of the past that counts; where the store holds very many requests, only the latest do.
            now: Its end.
            loss: How losses are computed from actual values.
        """
        with self.snapshot() as connection:
            if connection is None or _store_of(connection) is None:
                return None
            past = {"since_us": to_us(since), "now_us": to_us(now)}
            return recent_traffic(connection, segments_of(connection), model, version, **past, rule=loss)

    def traffic(
        self,
        since: datetime,
        until: datetime,
        *,
        by: TrafficGrain = TrafficGrain.HOUR,
        model: str | None = None,
        version: str | None = None,
    ) -> list[TrafficSpan]:
        """Return the traffic of each version by the minute or the hour, by time, model and version.

        It is counted when predictions are stored and kept longer than these, so no prediction is read. The newest span
        is of its first part only.

        Args:
            since: Spans that begin at or after it.
            until: Spans that begin before it.
            by: The length of a span.
            model: Only this model.
            version: Only this version; a question about one costs nothing for the others of its model.
        """
        with self.snapshot() as connection:
            if connection is None or _store_of(connection) is None:
                return []
            return traffic_of(connection, by, model, version, since_us=to_us(since), until_us=to_us(until))

    def outcome_delay(self, model: str, version: str, *, now: datetime) -> OutcomeDelay | None:
        """Return how long the outcomes of a version took; None if too few are known."""
        with self.snapshot() as connection:
            if connection is None or _store_of(connection) is None:
                return None
            return outcome_delay(connection, segments_of(connection), model, version, now_us=to_us(now))

    def usage(self, retention: PredictionRetention, now: datetime) -> PredictionUsage:
        """Return how many predictions are stored, and what they take on the disk under a retention."""
        with self.snapshot() as connection:
            if connection is None or _store_of(connection) is None:
                return usage_of(StoreContents((), 0, 0, 0), retention, now)
            contents = contents_of(connection, segments_of(connection))
        return usage_of(contents, retention, now)

    def holds(self, request_id: str) -> bool:
        """Say whether a prediction of this request is stored."""
        with self.snapshot() as connection:
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
    def snapshot(self) -> Iterator[sqlite3.Connection | None]:
        """Open the store at one instant, since its segments change; None while it has no tables yet.

        Other threads wait until it is closed, and the store's log is not recycled: read a page, and close it.
        """
        with self._lock, translated(self._file):
            connection = self._connected()
            if connection is None:
                yield None
                return
            connection.execute("BEGIN")
            try:
                yield connection if _store_of(connection) is not None else None
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
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if 0 < version < VERSION:  # no server of this release has opened it for writing yet
                open_store(self._file).close()
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


def _scored(
    routes: Mapping[int, StoredRoute], rows: Mapping[int, MatchedOutcome], rule: LossRule, *, may_report: bool
) -> dict[int, Scored]:
    """Compute the losses, by the number of the outcome; what says nothing about its prediction is left out."""
    found = {}
    for seq, row in rows.items():
        route = routes[row.route]
        actual = actual_of(row.actual, row.name)
        loss = row.loss if may_report else None
        if loss is None and actual is not None:
            loss = loss_of(rule, RecordedAnswer(route.form, row.value, row.detail), actual)
        if loss is not None:
            is_reported = may_report and row.loss is not None
            found[seq] = Scored(route.arm, route.share, loss, row.unit, row.slices, is_reported, row.request, row.at_us)
    return found


def _served(routes: Mapping[int, StoredRoute], row: Sequence[Any]) -> ServedRequest:
    route, latency_ms, error, unit, slices, request, *rest = row
    found = routes[route]
    at_us, detail = rest or (0, None)
    texts = TextCounts.unpacked(detail) if found.form.kind is AnswerKind.TEXT else None
    return ServedRequest(found.arm, found.share, latency_ms, bool(error), unit, slices, request, at_us, texts)


def _stable_first(routes: Mapping[int, StoredRoute], route: int, answer: _Value, copy: _Value) -> tuple[_Value, _Value]:
    """Order an answer, made on a route, and the other version's answer to a copy of the request."""
    return (copy, answer) if routes[route].arm.is_of_candidate else (answer, copy)


def _oriented(routes: Mapping[int, StoredRoute], row: tuple[Any, ...]) -> tuple[ServedRequest, ServedRequest]:
    return _stable_first(routes, row[0], _served(routes, row[:6]), _served(routes, row[6:12]))


def _scored_pairs(both: set[int], answers: Mapping[int, Scored], copies: Mapping[int, Scored]) -> list[ScoredPair]:
    pairs = []
    for seq in sorted(both):
        answer, copy = answers[seq], copies[seq]
        stable, candidate = (copy, answer) if answer.arm.is_of_candidate else (answer, copy)
        pairs.append(ScoredPair(stable.loss, candidate.loss, answer.unit, answer.slices, answer.request, answer.at_us))
    return pairs


def _with_news(segments: Sequence[Segment], after: int) -> list[list[Segment]]:
    """Return, for each chain with rows after a number, the oldest such segment, and behind it the one before it."""
    found: dict[str, list[Segment]] = {}
    before: dict[str, Segment] = {}
    for segment in segments:
        if segment.last > after and segment.n and segment.chain not in found:
            found[segment.chain] = [segment, *([before[segment.chain]] if segment.chain in before else [])]
        before[segment.chain] = segment
    return list(found.values())


def _recent(segments: Sequence[Segment]) -> list[Segment]:
    """Return the newest segments of every chain, the newest first."""
    n_of: dict[str, int] = {}
    recent = []
    for segment in reversed(segments):
        n_of[segment.chain] = n_of.get(segment.chain, 0) + 1
        if n_of[segment.chain] <= _RECENT_SEGMENTS:
            recent.append(segment)
    return recent


def _end_of(
    connection: sqlite3.Connection, segments: Sequence[Segment], start: Cursor, settled_before: datetime, n: int
) -> tuple[int, int, int, bool]:
    """Return the end of the next batch.

    Returns:
        The last prediction, the last outcome, until when all outcomes are in it, and whether nothing is left after it.
    """
    newest = max((segment.last for segment in segments), default=start.prediction)
    until = max(newest, start.prediction)
    for oldest, *_ in _with_news(segments, start.prediction):
        (last,) = connection.execute(_LAST_OF.format(table=oldest.table), (start.prediction, oldest.last, n)).fetchone()
        if last < max(segment.last for segment in segments if segment.chain == oldest.chain):
            until = min(until, last)
    is_last = until >= newest
    outcomes_until, end, newest = _outcomes_end(connection, start.outcome, settled_before, n)
    if outcomes_until < end or end == newest:
        return until, outcomes_until, to_us(settled_before), is_last
    (seen_until_us,) = connection.execute(_AT, (outcomes_until,)).fetchone()
    return until, outcomes_until, seen_until_us, False


def _outcomes_end(connection: sqlite3.Connection, after: int, settled_before: datetime, n: int) -> tuple[int, int, int]:
    """Return the last of the next outcomes that may be read now, the last of the next n, and the newest of all."""
    (newest,) = connection.execute(_OUTCOMES_END).fetchone()
    # Only what this batch can hold is searched for unsettled outcomes: a backlog may be ten million rows long.
    (last,) = connection.execute(_LAST_OF.format(table="outcome"), (after, newest, n)).fetchone()
    end = newest if last is None or last - after < n else last
    unsettled = to_us(settled_before), to_us(settled_before + _FURTHEST_AHEAD)
    (until,) = connection.execute(_SETTLED, (after, end, *unsettled)).fetchone()
    return until, end, newest
