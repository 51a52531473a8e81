"""Outcomes that came before their prediction was stored: kept, and matched when it is.

Servers store their predictions once a second, so an outcome may overtake its prediction, and a program may report
outcomes before it has recorded what it predicted.
"""

import logging
import sqlite3
from collections.abc import Iterable, Sequence

from core.losses import RecordedAnswer, refusal_of
from core.telemetry.predictions.matching import actual_of
from core.telemetry.predictions.routes import forms_of
from core.telemetry.predictions.schema import Segment
from core.telemetry.predictions.tally import OUTCOMES, WAITING, add_to_tally

log = logging.getLogger(__name__)

_LAST = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'waiting'), 0)"
_ADD = "INSERT OR IGNORE INTO waiting (request, at, actual, loss, name) VALUES (?, ?, ?, ?, ?)"
# An outcome that is stored already was reported again: the first report counts.
_REPEATED = (
    "DELETE FROM waiting WHERE seq > ? AND EXISTS (SELECT 1 FROM outcome WHERE outcome.request = waiting.request)"
)
_MATCH = """
INSERT OR IGNORE INTO outcome (request, at, actual, loss, name, segment)
SELECT request, at, actual, loss, name, {segment} FROM waiting
WHERE seq > ? AND EXISTS (
    SELECT 1 FROM {table} prediction WHERE prediction.request = waiting.request AND NOT prediction.error)
ORDER BY seq"""
_N_WAITING = "SELECT count(*) FROM waiting WHERE seq > ?"
_IS_WAITING = "SELECT 1 FROM waiting LIMIT 1"
_AWAITED = """
SELECT waiting.request, waiting.actual, waiting.loss, waiting.name, prediction.route, prediction.value,
       prediction.detail
FROM {table} prediction CROSS JOIN waiting ON waiting.request = prediction.request
WHERE prediction.seq >= ? AND NOT prediction.error ORDER BY prediction.seq"""
_ADD_OUTCOME = "INSERT OR IGNORE INTO outcome (request, at, actual, loss, name, segment) VALUES (?, ?, ?, ?, ?, ?)"
_REMOVE = "DELETE FROM waiting WHERE request = ?"


def match_new_outcomes(
    connection: sqlite3.Connection, segments: Sequence[Segment], rows: Iterable[tuple[object, ...]]
) -> tuple[int, int]:
    """Store outcomes; those without a stored prediction wait.

    Args:
        connection: To the store, in a transaction.
        segments: Where predictions are, oldest first.
        rows: Request, time, actual value, loss and name of a class.

    Returns:
        How many found their prediction, and how many wait; reports of an outcome that is known already are neither.
    """
    (before,) = connection.execute(_LAST).fetchone()
    connection.executemany(_ADD, rows)
    connection.execute(_REPEATED, (before,))
    n_matched = 0
    for segment in reversed(segments):
        (n_left,) = connection.execute(_N_WAITING, (before,)).fetchone()
        if n_left == 0:
            break
        n_matched += connection.execute(_MATCH.format(table=segment.table, segment=segment.id), (before,)).rowcount
        connection.execute(_REPEATED, (before,))
    (n_left,) = connection.execute(_N_WAITING, (before,)).fetchone()
    add_to_tally(connection, OUTCOMES, n_matched)
    add_to_tally(connection, WAITING, n_left)  # the rows after `before` are those of this batch
    return n_matched, n_left


def match_new_predictions(connection: sqlite3.Connection, segment: Segment, first: int, now_us: int) -> tuple[int, int]:
    """Match waiting outcomes with the predictions just stored.

    Args:
        connection: To the store, in a transaction.
        segment: The segment of the predictions.
        first: The number of the first of them.
        now_us: When they were stored; readers wait some seconds from then, as for any outcome.

    Returns:
        How many outcomes found their prediction, and how many said nothing about it and were dropped.
    """
    if connection.execute(_IS_WAITING).fetchone() is None:
        return 0, 0
    awaited = connection.execute(_AWAITED.format(table=segment.table), (first,)).fetchall()
    if not awaited:
        return 0, 0
    forms = forms_of(connection)
    n_matched = n_refused = n_removed = 0
    for request, number, loss, name, route, value, detail in awaited:
        actual = actual_of(number, name)
        answer = RecordedAnswer(forms[route], value, detail)
        refusal = None if loss is not None or actual is None else refusal_of(answer, actual)
        if refusal is None:
            added = connection.execute(_ADD_OUTCOME, (request, now_us, number, loss, name, segment.id))
            n_matched += added.rowcount
        else:
            n_refused += 1
            log.error("dropped an outcome that came before its prediction: `actual` %s", refusal)
        n_removed += connection.execute(_REMOVE, (request,)).rowcount
    add_to_tally(connection, OUTCOMES, n_matched)
    add_to_tally(connection, WAITING, -n_removed)
    return n_matched, n_refused
