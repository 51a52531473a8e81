"""Finding, across segments, the prediction that an outcome is about, and the answer that a copy goes with.

A segment at a time, the newest first, as a request was mostly made lately. One query over a union of all segments
would read well, and SQLite would answer it by scanning every one of them for every outcome.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from core.telemetry.predictions.schema import Segment

_N_OUTCOMES = "SELECT count(*) FROM outcome WHERE seq > ? AND seq <= ?"
# CROSS JOIN: outcomes, or copies, first, and then each one's request in the index. A version that failed has answered
# nothing that an outcome could be about: where another answered instead, the loss is that one's.
_SCORED = """
SELECT outcome.seq, prediction.route, {loss}, prediction.unit
FROM outcome CROSS JOIN {table} prediction ON prediction.request = outcome.request
WHERE outcome.seq > ? AND outcome.seq <= ? AND prediction.route IN ({routes}) AND NOT prediction.error
ORDER BY prediction.seq"""
_GIVEN_LOSS = "coalesce(outcome.loss, abs(outcome.actual - prediction.value))"
_DISTANCE = "abs(outcome.actual - prediction.value)"
_COPIES = """
SELECT copy.seq, answer.route, answer.latency_ms, answer.error, answer.unit,
       copy.route, copy.latency_ms, copy.error, copy.unit
FROM {copies} copy CROSS JOIN {answers} answer ON answer.request = copy.request
WHERE copy.seq > ? AND copy.seq <= ? AND copy.route IN ({shadow}) AND answer.route IN ({answering})
    AND (copy.latency_ms IS NOT NULL OR copy.error)
ORDER BY answer.seq"""


def scored_outcomes(
    connection: sqlite3.Connection,
    segments: Sequence[Segment],
    routes: Iterable[int],
    after: int,
    until: int,
    *,
    as_distance: bool = False,
) -> dict[int, tuple[int, float | None, int | None]]:
    """Return the route, loss and unit of the latest prediction each outcome is about, by the number of the outcome.

    Args:
        connection: To the store.
        segments: Where predictions are, oldest first.
        routes: Whose predictions; outcomes of others are left out.
        after: The number of the outcome behind which to begin.
        until: The number of the last one.
        as_distance: Take the distance between actual and predicted value, whatever loss was reported.
    """
    (n,) = connection.execute(_N_OUTCOMES, (after, until)).fetchone()
    found: dict[int, tuple[int, float | None, int | None]] = {}
    for segment in reversed(segments):
        if len(found) == n:
            break
        query = _SCORED.format(
            table=segment.table, loss=_DISTANCE if as_distance else _GIVEN_LOSS, routes=listed(routes)
        )
        rows = connection.execute(query, (after, until))
        found = {**{seq: (route, loss, unit) for seq, route, loss, unit in rows}, **found}
    return dict(sorted(found.items()))


def copies_with_answers(
    connection: sqlite3.Connection,
    segments: Sequence[Segment],
    *,
    shadow: Iterable[int],
    answering: Iterable[int],
    after: int,
    until: int,
) -> list[tuple[Any, ...]]:
    """Return each copy in the last of some segments together with the answer, from any of them, to the same request.

    Returns:
        Route, latency, error and unit of the answer, then of the copy, in the order of copies.
    """
    found: dict[int, tuple[Any, ...]] = {}
    for segment in reversed(segments):
        query = _COPIES.format(
            copies=segments[-1].table, answers=segment.table, shadow=listed(shadow), answering=listed(answering)
        )
        earlier = {seq: tuple(rest) for seq, *rest in connection.execute(query, (after, until))}
        found = {**earlier, **found}
    return [pair for _, pair in sorted(found.items())]


def listed(routes: Iterable[int]) -> str:
    """Spell routes for a query."""
    return ", ".join(map(str, routes))
