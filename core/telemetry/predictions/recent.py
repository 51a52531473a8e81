"""The recent traffic of a version: how many requests, callers, failures and losses, as a plan needs them."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core.losses import LossRule, RecordedAnswer, loss_of
from core.telemetry.predictions.matching import MatchedOutcome, actual_of, listed, matched_outcomes
from core.telemetry.predictions.records import Arm
from core.telemetry.predictions.routes import forms_of
from core.telemetry.predictions.schema import Segment

_MOST_ROWS = 300_000  # read in about 0.1 s; a longer past says little more about the traffic of a day
_MOST_OUTCOMES = 20_000
_ROUTES = "SELECT id, version FROM route WHERE model = ? AND arm NOT IN (?, ?)"
_COUNTED = """
SELECT count(*), coalesce(sum(error), 0), min(at) FROM {table}
WHERE route IN ({routes}) AND at >= ? AND (latency_ms IS NOT NULL OR error)"""
_CALLERS = """
SELECT unit, count(*) FROM {table}
WHERE route IN ({routes}) AND at >= ? AND unit IS NOT NULL AND (latency_ms IS NOT NULL OR error) GROUP BY unit"""
_VALUES = """
SELECT count(value), total(value), total(value * value) FROM {table} WHERE route IN ({routes}) AND at >= ?"""


class RecentTraffic(NamedTuple):
    """What a model and its version in Production did lately."""

    seconds: float  # over which requests were counted
    n_requests: int  # of all versions of the model
    n_answers: int  # of the version
    n_failed: int
    callers: Sequence[int]  # the number of requests of each caller who gave a key
    values: tuple[int, float, float]  # count, sum and sum of squares of the version's answers
    losses: Sequence[tuple[float, int | None]]  # the latest losses of the version, each with its caller


def recent_traffic(
    connection: sqlite3.Connection,
    segments: Sequence[Segment],
    model: str,
    version: str,
    *,
    since_us: int,
    now_us: int,
    rule: LossRule,
) -> RecentTraffic | None:
    """Read the recent traffic of a model; None if it had none.

    Args:
        connection: To the store.
        segments: Where predictions are, oldest first.
        model: The model.
        version: Whose failures, answers and losses.
        since_us: The beginning of the past that counts.
        now_us: Its end.
        rule: How losses are computed from actual values.
    """
    routes = connection.execute(_ROUTES, (model, Arm.SHADOW, Arm.STABLE_COPY)).fetchall()
    of_model = listed(route for route, _ in routes)
    own = [route for route, of in routes if of == version]
    recent: list[Segment] = []
    for segment in reversed(segments):
        if recent and (sum(known.n for known in recent) >= _MOST_ROWS or recent[-1].begun_us < since_us):
            break
        recent.append(segment)
    n_requests = n_answers = n_failed = 0
    begins: list[int] = []
    callers: dict[int, int] = {}
    values = [0.0, 0.0, 0.0]
    for segment in recent:
        counted = _COUNTED.format(table=segment.table, routes=of_model)
        n, _, first = connection.execute(counted, (since_us,)).fetchone()
        n_requests += n
        begins += [first] if first is not None else []
        answers, failed, _ = connection.execute(
            _COUNTED.format(table=segment.table, routes=listed(own)), (since_us,)
        ).fetchone()
        n_answers, n_failed = n_answers + answers, n_failed + failed
        for unit, n in connection.execute(_CALLERS.format(table=segment.table, routes=of_model), (since_us,)):
            callers[unit] = callers.get(unit, 0) + n
        found = connection.execute(_VALUES.format(table=segment.table, routes=listed(own)), (since_us,)).fetchone()
        values = [total + part for total, part in zip(values, found, strict=True)]
    if not n_requests:
        return None
    (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM outcome").fetchone()
    matched = matched_outcomes(connection, segments, own, last - _MOST_OUTCOMES, last)
    losses = [(loss, row.unit) for row, loss in _losses(connection, matched.values(), rule) if loss is not None]
    return RecentTraffic(
        seconds=max((now_us - min(begins)) / 1e6, 1.0),
        n_requests=n_requests,
        n_answers=n_answers,
        n_failed=n_failed,
        callers=tuple(callers.values()),
        values=(int(values[0]), values[1], values[2]),
        losses=losses,
    )


def _losses(
    connection: sqlite3.Connection, matched: Iterable[MatchedOutcome], rule: LossRule
) -> Iterable[tuple[MatchedOutcome, float | None]]:
    forms = forms_of(connection)
    for row in matched:
        actual = actual_of(row.actual, row.name)
        if row.loss is not None or actual is None:
            yield row, row.loss
        else:
            yield row, loss_of(rule, RecordedAnswer(forms[row.route], row.value, row.detail), actual)
