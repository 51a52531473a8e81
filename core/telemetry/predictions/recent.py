"""The recent traffic of a version: how many requests, callers, failures and losses, as a plan needs them."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from core.losses import LossRule, RecordedAnswer, loss_of
from core.telemetry.predictions.matching import MatchedOutcome, actual_of, listed, matched_outcomes
from core.telemetry.predictions.records import Arm
from core.telemetry.predictions.routes import forms_of
from core.telemetry.predictions.schema import Segment

# Read in less than 50 ms; a longer past says little more about the traffic of a day.
_MOST_ROWS = 150_000
_MOST_OUTCOMES = 10_000
_ROUTES = "SELECT id, version FROM route WHERE model = ? AND arm NOT IN (?, ?)"
# One pass over the rows: they are read from the disk, and those of other models are most of them.
_COUNTED = """
SELECT route, unit, count(*) FILTER (WHERE latency_ms IS NOT NULL OR error), total(error),
       min(at) FILTER (WHERE latency_ms IS NOT NULL OR error), count(value), total(value), total(value * value)
FROM {table} WHERE seq > ? AND route IN ({routes}) AND at >= ? GROUP BY route, unit"""

_LATEST_OUTCOMES = """
SELECT seq, at, seq > (SELECT min(seq) FROM outcome) FROM outcome
WHERE seq > (SELECT max(seq) FROM outcome) - ? ORDER BY seq LIMIT 1"""


class RecentTraffic(NamedTuple):
    """What a model and its version in Production did lately."""

    seconds: float  # over which requests were counted
    n_requests: int  # of all versions of the model
    n_answers: int  # of the version
    n_failed: int
    callers: Sequence[int]  # the number of requests of each caller who gave a key
    values: tuple[int, float, float]  # count, sum and sum of squares of the version's answers
    losses: Sequence[tuple[float, int | None]]  # the latest losses of the version, each with its caller
    losses_seconds: float | None = None  # over which these outcomes came, if there are more; None: as the requests


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
    own = {route for route, of in routes if of == version}
    n_requests = n_answers = n_failed = 0
    begins: list[int] = []
    callers: dict[int, int] = {}
    values = [0.0, 0.0, 0.0]
    for segment, after in _latest(segments, model, since_us):
        query = _COUNTED.format(table=segment.table, routes=of_model)
        for route, unit, n, failed, first, *sums in connection.execute(query, (after, since_us)):
            n_requests += n
            begins += [first] if first is not None else []
            if unit is not None and n:
                callers[unit] = callers.get(unit, 0) + n
            if route in own:
                n_answers, n_failed = n_answers + n, n_failed + int(failed)
                values = [total + part for total, part in zip(values, sums, strict=True)]
    if not n_requests:
        return None
    losses_seconds = None
    matched: dict[int, MatchedOutcome] = {}
    latest = connection.execute(_LATEST_OUTCOMES, (_MOST_OUTCOMES,)).fetchone()
    if latest is not None:
        first, first_us, has_more = latest
        matched = matched_outcomes(connection, segments, own, first - 1, first - 1 + _MOST_OUTCOMES, looks_nearby=False)
        losses_seconds = max((now_us - first_us) / 1e6, 1.0) if has_more else None
    losses = [(loss, row.unit) for row, loss in _losses(connection, matched.values(), rule) if loss is not None]
    return RecentTraffic(
        seconds=max((now_us - min(begins)) / 1e6, 1.0),
        n_requests=n_requests,
        n_answers=n_answers,
        n_failed=n_failed,
        callers=tuple(callers.values()),
        values=(int(values[0]), values[1], values[2]),
        losses=losses,
        losses_seconds=losses_seconds,
    )


def _latest(segments: Sequence[Segment], model: str, since_us: int) -> Iterator[tuple[Segment, int]]:
    """Yield the segments with the latest rows of a model, and the number of the row behind which to begin."""
    for chain in dict.fromkeys((model, "")):
        n_left = _MOST_ROWS
        for segment in reversed([segment for segment in segments if segment.chain == chain]):
            # Rows of a chain are numbered with those of the others, so their numbers have gaps, evenly for all we know.
            n_numbers = segment.last - segment.first + 1
            is_whole = segment.n <= n_left
            yield segment, segment.first - 1 if is_whole else segment.last - n_left * n_numbers // segment.n
            n_left -= segment.n
            if n_left <= 0:
                return  # what is older, in the chain that the model had before, would leave out the rows between
            if segment.begun_us < since_us:
                break


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
