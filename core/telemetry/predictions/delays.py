"""How long outcomes take: the delay by which nearly all of a version's outcomes came, from its stored predictions."""

import math
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from core.telemetry.predictions.matching import listed, places_of
from core.telemetry.predictions.records import Arm
from core.telemetry.predictions.schema import Segment

ARRIVED = 0.99
"""The share of the outcomes that have come by the delay."""

_N_SAMPLED = 5_000
_LEAST_OUTCOMES = 20
_ROUTES = "SELECT id FROM route WHERE model = ? AND version = ? AND arm NOT IN (?, ?)"
_KEPT = """
SELECT kept.first, kept.last, outcome.at FROM (SELECT min(seq) AS first, max(seq) AS last FROM outcome) kept
JOIN outcome ON outcome.seq = kept.first"""
_SAMPLED = """
WITH RECURSIVE sampled(seq) AS (SELECT ?1 UNION ALL SELECT seq + ?2 FROM sampled WHERE seq + ?2 <= ?3)
SELECT outcome.segment, outcome.request, outcome.at FROM sampled CROSS JOIN outcome ON outcome.seq = sampled.seq"""
_ANSWERED = "SELECT request, at FROM {table} WHERE request IN ({requests}) AND route IN ({routes}) AND NOT error"


class OutcomeDelay(NamedTuple):
    """The delay by which `ARRIVED` of the outcomes came."""

    seconds: float
    n: int  # outcomes behind it
    is_short: bool = False  # longer delays than this could hardly be seen yet


def outcome_delay(
    connection: sqlite3.Connection, segments: Sequence[Segment], model: str, version: str, *, now_us: int
) -> OutcomeDelay | None:
    """Read how long the outcomes of a version took; None if too few are known.

    Args:
        connection: To the store.
        segments: Where predictions are, oldest first.
        model: The model.
        version: The version; copies are left out.
        now_us: The present.
    """
    kept = connection.execute(_KEPT).fetchone()
    if kept is None:
        return None
    first, last, begun_us = kept
    own = [route for (route,) in connection.execute(_ROUTES, (model, version, Arm.SHADOW, Arm.STABLE_COPY))]
    stride = max(1, math.ceil((last - first + 1) / _N_SAMPLED))
    answered: dict[int, int] = {}
    arrived: dict[int, int] = {}
    sampled: dict[int | None, list[int]] = {}
    for of_outcome, request, at in connection.execute(_SAMPLED, (first, stride, last)):
        sampled.setdefault(of_outcome, []).append(request)
        arrived[request] = at
    for segment, near in places_of(segments, sampled, looks_nearby=False):
        requests = listed(request for of_outcome in near for request in sampled.get(of_outcome, ()))
        query = _ANSWERED.format(table=segment.table, routes=listed(own), requests=requests)
        answered = {**dict(connection.execute(query).fetchall()), **answered}
    # If earlier outcomes were deleted, only the late ones of earlier answers are left.
    return delay_of(
        [(at, arrived[request]) for request, at in answered.items()], begun_us if first > 1 else None, now_us
    )


def delay_of(times: Sequence[tuple[int, int]], begun_us: int | None, now_us: int) -> OutcomeDelay | None:
    """Estimate the delay by which `ARRIVED` of all outcomes come; None from too few.

    Of a young answer only a quick outcome can be known, so the younger half of the past does not count.

    Args:
        times: When each prediction was made, and when its outcome came, µs.
        begun_us: Of answers before it, quick outcomes are not known any more; None if all are.
        now_us: The present.

    Source:
        Kalbfleisch and Lawless, Journal of the American Statistical Association 84(406), 1989, on right-truncated
        reporting delays.
    """
    complete = [(answered, arrived) for answered, arrived in times if begun_us is None or answered >= begun_us]
    if not complete:
        return None
    half_us = (now_us - min(answered for answered, _ in complete)) / 2
    delays = sorted(max(arrived - answered, 0) for answered, arrived in complete if answered <= now_us - half_us)
    if len(delays) < _LEAST_OUTCOMES:
        return None
    longest_us = delays[math.ceil(ARRIVED * len(delays)) - 1]
    return OutcomeDelay(longest_us / 1e6, len(delays), longest_us > half_us)
