"""Finding, across segments, the prediction that an outcome is about, and the answer that a copy goes with.

A segment at a time, the newest first, as a request was mostly made lately. One query over a union of all segments
would read well, and SQLite would answer it by scanning every one of them for every outcome.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from core.telemetry.predictions.schema import Segment, has_slices

_N_OUTCOMES = "SELECT count(*) FROM outcome WHERE seq > ? AND seq <= ?"
# CROSS JOIN: outcomes, or copies, first, and then each one's request in the index. A version that failed has answered
# nothing that an outcome could be about: where another answered instead, the loss is that one's.
_SCORED = """
SELECT outcome.seq, prediction.route, {loss}, prediction.unit, {slices}
FROM outcome CROSS JOIN {table} prediction ON prediction.request = outcome.request
WHERE outcome.seq > ? AND outcome.seq <= ? AND prediction.route IN ({routes}) AND NOT prediction.error
ORDER BY prediction.seq"""
_GIVEN_LOSS = "coalesce(outcome.loss, abs(outcome.actual - prediction.value))"
_DISTANCE = "abs(outcome.actual - prediction.value)"
_COPIES = """
SELECT copy.seq, answer.route, answer.latency_ms, answer.error, answer.unit, {slices},
       copy.route, copy.latency_ms, copy.error, copy.unit, {slices}, answer.value, copy.value
FROM {copies} copy CROSS JOIN {answers} answer ON answer.request = copy.request
WHERE copy.seq > ? AND copy.seq <= ? AND copy.route IN ({shadow}) AND answer.route IN ({answering})
ORDER BY answer.seq"""


def scored_outcomes(
    connection: sqlite3.Connection,
    segments: Sequence[Segment],
    routes: Iterable[int],
    after: int,
    until: int,
    *,
    as_distance: bool = False,
) -> dict[int, tuple[int, float | None, int | None, int | None]]:
    """Return route, loss, unit and slices of the latest prediction each outcome is about, by the outcome's number.

    Args:
        connection: To the store.
        segments: Where predictions are, oldest first.
        routes: Whose predictions; outcomes of others are left out.
        after: The number of the outcome behind which to begin.
        until: The number of the last one.
        as_distance: Take the distance between actual and predicted value, whatever loss was reported.
    """
    (n,) = connection.execute(_N_OUTCOMES, (after, until)).fetchone()
    found: dict[int, tuple[int, float | None, int | None, int | None]] = {}
    for segment in reversed(segments):
        if len(found) == n:
            break
        query = _SCORED.format(
            table=segment.table,
            loss=_DISTANCE if as_distance else _GIVEN_LOSS,
            routes=listed(routes),
            slices=slices_in(connection, segment, "prediction"),
        )
        rows = connection.execute(query, (after, until))
        found = {**{seq: tuple(rest) for seq, *rest in rows}, **found}
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
        Route, latency, error, unit and slices of the answer, then of the copy, then both values, in the order of
        copies. Slices are recorded with answers only, so both have those of the answer.
    """
    found: dict[int, tuple[Any, ...]] = {}
    for segment in reversed(segments):
        query = _COPIES.format(
            copies=segments[-1].table,
            answers=segment.table,
            shadow=listed(shadow),
            answering=listed(answering),
            slices=slices_in(connection, segment, "answer"),
        )
        earlier = {seq: tuple(rest) for seq, *rest in connection.execute(query, (after, until))}
        found = {**earlier, **found}
    return [pair for _, pair in sorted(found.items())]


def slices_in(connection: sqlite3.Connection, segment: Segment, table: str) -> str:
    """Spell the column of slices for a query; NULL in a segment that has none."""
    return f"{table}.slices" if has_slices(connection, segment) else "NULL"


def listed(routes: Iterable[int]) -> str:
    """Spell routes for a query."""
    return ", ".join(map(str, routes))
