"""The rows of predictions, outcomes and traffic, a page at a time, so that the store's log can be recycled."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from core.losses import AnswerForm, AnswerKind, RecordedAnswer, probabilities_of
from core.telemetry.chunk import MINUTE_US, from_us, to_us
from core.telemetry.export.columns import ExportRows
from core.telemetry.predictions.matching import MatchedOutcome, listed, matched_outcomes
from core.telemetry.predictions.reader import PredictionReader
from core.telemetry.predictions.records import Arm
from core.telemetry.predictions.routes import forms_of
from core.telemetry.predictions.schema import Segment, segments_of
from core.telemetry.predictions.traffic import TrafficGrain

PAGE_ROWS = 20_000
_PAGE_OUTCOMES = 5_000
_WINDOW_US = {TrafficGrain.MINUTE: 60 * MINUTE_US, TrafficGrain.HOUR: 24 * 60 * MINUTE_US}
_ROUTES = "SELECT id, model, version, rollout, arm, share FROM route WHERE ?1 IS NULL OR model = ?1"
_PREDICTIONS = """
SELECT seq, at, route, request, value, detail, latency_ms, error, unit FROM {table}
WHERE seq > ? AND seq <= ? AND at >= ? AND at < ? AND route IN ({routes}) ORDER BY seq LIMIT ?"""
_OUTCOMES = """
SELECT seq, at, request, actual, name, loss FROM outcome WHERE seq > ? AND at >= ? AND at < ? ORDER BY seq LIMIT ?"""
_ENDS_OF_TRAFFIC = """
SELECT min((SELECT min(at) FROM traffic_{grain} WHERE route = id)),
       max((SELECT max(at) FROM traffic_{grain} WHERE route = id)) FROM route"""


class ExportPeriod(NamedTuple):
    """The rows that are wanted: at or after an instant, before another, and of one model unless it is None."""

    since: datetime
    until: datetime
    model: str | None

    @property
    def us(self) -> tuple[int, int]:
        """Both instants in microseconds."""
        return to_us(self.since), to_us(self.until)


class _Route(NamedTuple):
    model: str
    version: str
    rollout: str
    arm: str
    share: float


def prediction_rows(file: Path, wanted: ExportPeriod) -> Iterator[ExportRows]:
    """Yield the predictions that are stored now, a chain of segments after another, in the order of storage."""
    with closing(PredictionReader(file)) as reader:
        with reader.snapshot() as connection:
            segments = [] if connection is None else segments_of(connection)
        for segment in segments:
            after = segment.first - 1
            while rows := _page_of(reader, segment, after, wanted):
                after = rows[-1][0]
                yield rows


def _page_of(reader: PredictionReader, segment: Segment, after: int, wanted: ExportPeriod) -> ExportRows:
    with reader.snapshot() as connection:
        if connection is None or segment.id not in {found.id for found in segments_of(connection)}:
            return []  # it expired meanwhile
        routes, forms = _routes_of(connection, wanted.model), forms_of(connection)
        query = _PREDICTIONS.format(table=segment.table, routes=listed(routes))
        found = connection.execute(query, (after, segment.last, *wanted.us, PAGE_ROWS)).fetchall()
    rows = []
    for seq, at, route, request, value, detail, latency_ms, error, unit in found:
        model, version, rollout, arm, share = routes[route]
        answer = None if detail is None else _answer(forms[route], detail)
        rows.append(
            (
                seq,
                at,
                model,
                version,
                request,
                value,
                answer,
                latency_ms,
                bool(error),
                rollout or None,
                arm,
                share,
                unit,
            )
        )
    return rows


def outcome_rows(file: Path, wanted: ExportPeriod) -> Iterator[ExportRows]:
    """Yield the outcomes that found their prediction, in the order of storage, each with the latest prediction."""
    after, is_read = 0, False
    with closing(PredictionReader(file)) as reader:
        while not is_read:
            with reader.snapshot() as connection:
                if connection is None:
                    return
                outcomes = connection.execute(_OUTCOMES, (after, *wanted.us, _PAGE_OUTCOMES)).fetchall()
                if not outcomes:
                    return
                last = outcomes[-1][0]
                routes, forms = _routes_of(connection, wanted.model), forms_of(connection)
                answering = [route for route, found in routes.items() if not Arm(found.arm).is_copy]
                segments = segments_of(connection)
                matched = matched_outcomes(connection, segments, answering, outcomes[0][0] - 1, last)
            rows = [_outcome_row(row, matched.get(row[0]), routes, forms) for row in outcomes]
            kept = rows if wanted.model is None else [row for row in rows if row[6] is not None]
            if kept:
                yield kept
            after, is_read = last, len(outcomes) < _PAGE_OUTCOMES


def _outcome_row(
    row: Sequence[Any], found: MatchedOutcome | None, routes: dict[int, _Route], forms: dict[int, AnswerForm]
) -> tuple[Any, ...]:
    seq, at, request, actual, name, loss = row
    if found is None:
        return seq, at, request, actual, name, loss, None, None, None, None, None
    route = routes[found.route]
    answer = None if found.detail is None else _answer(forms[found.route], found.detail)
    return seq, at, request, actual, name, loss, route.model, route.version, found.at_us, found.value, answer


def traffic_rows(file: Path, wanted: ExportPeriod, grain: TrafficGrain) -> Iterator[ExportRows]:
    """Yield the traffic of each version by the minute or the hour, by time."""
    step = _WINDOW_US[grain]
    with closing(PredictionReader(file)) as reader:
        with reader.snapshot() as connection:
            query = _ENDS_OF_TRAFFIC.format(grain=grain)
            first, last = (None, None) if connection is None else connection.execute(query).fetchone()
        if first is None or last is None:
            return
        end = min(last + 1, wanted.us[1])
        for start in range(max(first, wanted.us[0]), end, step):
            window = from_us(start), from_us(min(start + step, end))
            if spans := reader.traffic(*window, by=grain, model=wanted.model):
                yield [(to_us(span.at), *msgspec.structs.astuple(span)[1:]) for span in spans]


def _routes_of(connection: sqlite3.Connection, model: str | None) -> dict[int, _Route]:
    return {route: _Route(*rest) for route, *rest in connection.execute(_ROUTES, (model,))}


def _answer(form: AnswerForm, detail: bytes) -> str | None:
    """Spell what is stored of a class: its name, or the probability of each; nothing of a text, which is not stored."""
    if form.kind is AnswerKind.TEXT:
        return None
    probabilities = probabilities_of(RecordedAnswer(form, None, detail))
    if probabilities is None:
        return detail.decode(errors="replace")
    names = form.classes or tuple(map(str, range(len(probabilities))))
    by_class = dict(zip(names, (float(f"{share:.7g}") for share in probabilities), strict=False))
    return msgspec.json.encode(by_class).decode()
