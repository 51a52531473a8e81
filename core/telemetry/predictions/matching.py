"""Finding, across segments, the prediction that an outcome is about, and the answer that a copy goes with.

A segment at a time, the newest first, as a request was mostly made lately; of an outcome, the segment is known. One
query over a union of all segments would read well, and SQLite would answer it by scanning every one of them for every
outcome.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from core.losses import Actual, AnswerForm, RecordedAnswer
from core.telemetry.predictions.routes import forms_of
from core.telemetry.predictions.schema import Segment

_SEGMENTS_OF = "SELECT segment, count(*) FROM outcome WHERE seq > ? AND seq <= ? GROUP BY segment"
# CROSS JOIN: outcomes, or copies, first, and then each one's request in the index. A version that failed has answered
# nothing that an outcome could be about: where another answered instead, the loss is that one's.
_SCORED = """
SELECT outcome.seq, prediction.route, prediction.unit, prediction.slices, prediction.value,
       prediction.detail, outcome.actual, outcome.name, outcome.loss, prediction.request,
       prediction.at
FROM outcome CROSS JOIN {table} prediction ON prediction.request = outcome.request
WHERE outcome.seq > ? AND outcome.seq <= ? AND {nearby} AND prediction.route IN ({routes}) AND NOT prediction.error
ORDER BY prediction.seq"""
_COPIES = """
SELECT copy.seq, answer.route, answer.latency_ms, answer.error, answer.unit, answer.slices, answer.request,
       copy.route, copy.latency_ms, copy.error, copy.unit, answer.slices, copy.request, answer.value, copy.value
FROM {copies} copy CROSS JOIN {answers} answer ON answer.request = copy.request
WHERE copy.seq > ? AND copy.seq <= ? AND copy.route IN ({shadow}) AND answer.route IN ({answering})
ORDER BY answer.seq"""
_ANSWERS = "SELECT request, route, value, detail FROM {table} WHERE request IN ({requests}) AND NOT error ORDER BY seq"
_CAME = "SELECT request, actual, name, at FROM outcome WHERE request IN ({requests})"
_REPORTED = """
SELECT request FROM outcome WHERE request IN ({requests})
UNION SELECT request FROM waiting WHERE request IN ({requests})"""
_REQUESTS_A_QUERY = 500


class MatchedOutcome(NamedTuple):
    """An outcome with the prediction that it is about."""

    route: int
    unit: int | None
    slices: int | None
    value: float | None
    detail: bytes | None
    actual: float | None
    name: str | None
    loss: float | None  # as the caller reported it
    request: int
    at_us: int  # when the prediction was made


def matched_outcomes(
    connection: sqlite3.Connection,
    segments: Sequence[Segment],
    routes: Iterable[int],
    after: int,
    until: int,
    *,
    looks_nearby: bool = True,
) -> dict[int, MatchedOutcome]:
    """Return the latest prediction each outcome is about, by the number of the outcome.

    Args:
        connection: To the store.
        segments: Where predictions are, oldest first.
        routes: Whose predictions; outcomes of others are left out.
        after: The number of the outcome behind which to begin.
        until: The number of the last one.
        looks_nearby: Whether answers to the same request are sought in the segments beside that of the outcome's
            prediction, too, which takes as long again; a sample of the outcomes can do without.
    """
    in_segments = dict(connection.execute(_SEGMENTS_OF, (after, until)).fetchall())
    wanted, n = listed(routes), sum(in_segments.values())
    found: dict[int, MatchedOutcome] = {}
    for place in places_of(segments, in_segments, looks_nearby=looks_nearby):
        if len(found) == n:
            break
        query = _SCORED.format(table=place.segment.table, routes=wanted, nearby=place.condition)
        rows = connection.execute(query, (after, until))
        found = {**{seq: MatchedOutcome(*rest) for seq, *rest in rows}, **found}
    return dict(sorted(found.items()))


class SearchedSegment(NamedTuple):
    """A segment in which the predictions of outcomes may be."""

    segment: Segment
    of_outcomes: frozenset[int | None]  # the segments of these outcomes; None for those of an earlier format

    @property
    def condition(self) -> str:
        """What an outcome must fulfil for its prediction to be here."""
        known = listed(sorted(number for number in self.of_outcomes if number is not None))
        unknown = " OR outcome.segment IS NULL" if None in self.of_outcomes else ""
        return f"(outcome.segment IN ({known}){unknown})"


def places_of(
    segments: Sequence[Segment], of_outcomes: Collection[int | None], *, looks_nearby: bool = True
) -> Iterator[SearchedSegment]:
    """Yield the segments in which the predictions of outcomes may be, the newest first.

    An outcome is about one request, and its prediction was found in one segment. A copy of the request, or another
    version's answer to it, is stored shortly before or after, so it may be in a neighbour in the same chain.

    Args:
        segments: All segments, oldest first.
        of_outcomes: The segments of the outcomes; None for outcomes of an earlier format, which may be about any.
        looks_nearby: Whether the neighbours are searched.
    """
    neighbours: dict[int, set[int | None]] = {}
    newest: dict[str, int] = {}
    for segment in segments:
        near = neighbours[segment.id] = {segment.id, None}
        if looks_nearby and (before := newest.get(segment.chain)) is not None:
            near.add(before)
            neighbours[before].add(segment.id)
        newest[segment.chain] = segment.id
    for segment in reversed(segments):
        if near := neighbours[segment.id] & set(of_outcomes):
            yield SearchedSegment(segment, frozenset(near))


def answers_to(
    connection: sqlite3.Connection,
    segments: Sequence[Segment],
    requests: Iterable[int],
    routes: Collection[int] | None = None,
) -> dict[int, RecordedAnswer]:
    """Return the latest stored answer to each request, by the number of the request; none for unknown ones.

    Args:
        connection: To the store.
        segments: Where predictions are, oldest first.
        requests: Their numbers.
        routes: Whose answers; by default those of all versions.
    """
    found: dict[int, RecordedAnswer] = {}
    forms: dict[int, AnswerForm] = {}
    missing = set(requests)
    for segment in reversed(segments):
        if not missing:
            break
        wanted = sorted(missing)
        for begin in range(0, len(wanted), _REQUESTS_A_QUERY):
            some = listed(wanted[begin : begin + _REQUESTS_A_QUERY])
            query = _ANSWERS.format(table=segment.table, requests=some)
            for request, route, value, detail in connection.execute(query).fetchall():
                if routes is not None and route not in routes:
                    continue
                if route not in forms:
                    forms |= forms_of(connection)
                found[request] = RecordedAnswer(forms[route], value, detail)
        missing -= found.keys()
    return found


def outcomes_by_request(
    connection: sqlite3.Connection, requests: Iterable[int]
) -> dict[int, tuple[float | None, str | None, int]]:
    """Return the outcome of each request, matched with its prediction: the number, the name, and when it came."""
    wanted = sorted(set(requests))
    found: dict[int, tuple[float | None, str | None, int]] = {}
    for begin in range(0, len(wanted), _REQUESTS_A_QUERY):
        query = _CAME.format(requests=listed(wanted[begin : begin + _REQUESTS_A_QUERY]))
        found |= {request: (actual, name, at) for request, actual, name, at in connection.execute(query)}
    return found


def requests_with_outcomes(connection: sqlite3.Connection, requests: Iterable[int]) -> set[int]:
    """Return the requests that have an outcome already, matched or waiting."""
    wanted = sorted(set(requests))
    found: set[int] = set()
    for begin in range(0, len(wanted), _REQUESTS_A_QUERY):
        query = _REPORTED.format(requests=listed(wanted[begin : begin + _REQUESTS_A_QUERY]))
        found |= {request for (request,) in connection.execute(query).fetchall()}
    return found


def actual_of(actual: float | None, name: str | None) -> Actual | None:
    """Return what came of a prediction; None if only its loss was reported."""
    return None if actual is None and name is None else Actual(actual, name)


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
        Route, latency, error, unit, slices and request of the answer, then of the copy, then both values, in the order
        of copies. Slices are recorded with answers only, so both have those of the answer.
    """
    found: dict[int, tuple[Any, ...]] = {}
    for segment in reversed(segments):
        query = _COPIES.format(
            copies=segments[-1].table, answers=segment.table, shadow=listed(shadow), answering=listed(answering)
        )
        earlier = {seq: tuple(rest) for seq, *rest in connection.execute(query, (after, until))}
        found = {**earlier, **found}
    return [pair for _, pair in sorted(found.items())]


def listed(numbers: Iterable[int]) -> str:
    """Spell numbers for a query."""
    return ", ".join(map(str, numbers))
