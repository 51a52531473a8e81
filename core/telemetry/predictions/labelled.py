"""Answers with their outcomes, and how many answers there are: for whoever follows the performance of versions.

One pass over new outcomes serves all versions, so the cost of a look does not grow with the number of models.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from core.losses import AnswerForm
from core.telemetry.predictions.cursor import Cursor
from core.telemetry.predictions.matching import MatchedOutcome, listed, matched_outcomes
from core.telemetry.predictions.records import Arm
from core.telemetry.predictions.routes import forms_of
from core.telemetry.predictions.schema import Segment

NamedVersion = tuple[str, str]  # model, version

HOUR_US = 3_600_000_000
_ROUTES = "SELECT id, model, version FROM route WHERE arm NOT IN (?, ?)"
# One pass over the new rows in the order of their numbers; a failed answer cannot have an outcome.
_COUNTED = f"""
SELECT route, at / {HOUR_US}, count(*) FROM {{table}}
WHERE seq > ? AND seq <= ? AND NOT error AND route IN ({{routes}}) GROUP BY 1, 2"""


class LabelledAnswers(NamedTuple):
    """Answers of one form with what came of them."""

    form: AnswerForm
    rows: list[MatchedOutcome]


class LabelledBatch(NamedTuple):
    """The outcomes between two numbers, by version."""

    versions: Mapping[NamedVersion, Sequence[LabelledAnswers]]
    cursor: Cursor  # behind the last outcome
    is_last: bool  # nothing is left to read now


class AnswerCounts(NamedTuple):
    """The answers between two numbers, by version and hour."""

    versions: Mapping[NamedVersion, Mapping[int, int]]  # hours since 1970 -> answers
    cursor: Cursor  # behind the last prediction
    is_last: bool  # all of them are counted


def labelled_answers(
    connection: sqlite3.Connection, segments: Sequence[Segment], after: int, until: int
) -> dict[NamedVersion, list[LabelledAnswers]]:
    """Return the answers that outcomes are about, of all versions; copies, which nobody was sent, are left out.

    Args:
        connection: To the store.
        segments: Where predictions are, oldest first.
        after: The number of the outcome behind which to begin.
        until: The number of the last one.
    """
    names = _names(connection)
    forms = forms_of(connection)
    found: dict[NamedVersion, dict[AnswerForm, list[MatchedOutcome]]] = {}
    for row in matched_outcomes(connection, segments, names, after, until).values():
        found.setdefault(names[row.route], {}).setdefault(forms[row.route], []).append(row)
    return {name: [LabelledAnswers(*each) for each in by_form.items()] for name, by_form in found.items()}


def count_answers(
    connection: sqlite3.Connection, segments: Iterable[Segment], after: int, until: int
) -> dict[NamedVersion, dict[int, int]]:
    """Count the answers of all versions by the hour in which they were given."""
    names = _names(connection)
    found: dict[NamedVersion, dict[int, int]] = {}
    for segment in segments:
        if segment.last <= after or segment.first > until:
            continue
        query = _COUNTED.format(table=segment.table, routes=listed(names))
        for route, hour, n in connection.execute(query, (after, until)):
            hours = found.setdefault(names[route], {})
            hours[hour] = hours.get(hour, 0) + n
    return found


def _names(connection: sqlite3.Connection) -> dict[int, NamedVersion]:
    rows = connection.execute(_ROUTES, (Arm.SHADOW, Arm.STABLE_COPY))
    return {route: (model, version) for route, model, version in rows}
