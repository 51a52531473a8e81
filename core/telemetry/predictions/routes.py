"""Routes: what many predictions have in common, stored once."""

import sqlite3
from typing import NamedTuple

import msgspec

from core.json_documents import decode_json
from core.losses import AnswerForm, AnswerKind
from core.telemetry.predictions.records import Arm, PredictionRecord

_ADD = "INSERT OR IGNORE INTO route (model, version, rollout, arm, share, kind, classes) VALUES (?, ?, ?, ?, ?, ?, ?)"
_FIND = """
SELECT id FROM route WHERE model = ? AND version = ? AND rollout = ? AND arm = ? AND share = ? AND kind = ?
    AND classes = ?"""
_OF_ROLLOUT = "SELECT id, arm, share, kind, classes FROM route WHERE rollout = ?"
_OF_VERSION = "SELECT kind, classes FROM route WHERE model = ? AND version = ? AND kind <> '' ORDER BY id DESC LIMIT 1"
_ALL_FORMS = "SELECT id, kind, classes FROM route"

RouteKey = tuple[str, str, str, str, float, AnswerForm]


class StoredRoute(NamedTuple):
    """The side of a rollout that made predictions, and what they are."""

    arm: Arm
    share: float
    form: AnswerForm


def key_of(prediction: PredictionRecord) -> RouteKey:
    """Return what identifies the route of a prediction."""
    return (
        prediction.model, prediction.version, prediction.rollout_id or "", prediction.arm, prediction.share,
        prediction.form,
    )  # fmt: skip


def add_route(connection: sqlite3.Connection, key: RouteKey) -> int:
    """Store a route unless it is stored, and return its number."""
    *rest, form = key
    row = (*rest, str(form.kind), msgspec.json.encode(form.classes).decode() if form.classes else "")
    connection.execute(_ADD, row)
    (route,) = connection.execute(_FIND, row).fetchone()
    return int(route)


def routes_of(connection: sqlite3.Connection, rollout_id: str) -> dict[int, StoredRoute]:
    """Return the routes of a rollout, by number."""
    return {
        route: StoredRoute(Arm(arm), share, _form(kind, classes))
        for route, arm, share, kind, classes in connection.execute(_OF_ROLLOUT, (rollout_id,))
    }


def forms_of(connection: sqlite3.Connection) -> dict[int, AnswerForm]:
    """Return what the predictions of every route are."""
    return {route: _form(kind, classes) for route, kind, classes in connection.execute(_ALL_FORMS)}


def form_of_version(connection: sqlite3.Connection, model: str, version: str) -> AnswerForm:
    """Return what the latest route of a version answers; unknown without one."""
    found = connection.execute(_OF_VERSION, (model, version)).fetchone()
    return _form(*found) if found else AnswerForm()


def _form(kind: str, classes: str) -> AnswerForm:
    return AnswerForm(AnswerKind(kind), decode_json(classes, tuple[str, ...]) if classes else ())
