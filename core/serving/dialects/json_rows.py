"""The native dialect: rows as JSON objects.

{"row": {"rating_num": 8, …}}                     {"model": …, "version": …, "request_id": …, "prediction": 173.9}
{"rows": [{"rating_num": 8, …}, …]}               {…, "predictions": [173.9, …]}

With `"interval": 0.9` each answer has a conformal interval: {…, "interval": {"level": 0.9, "low": …, "high": …}}, or
`intervals` for rows; of classes {"level": 0.9, "classes": ["low", …]}.

A model of three or more classes answers with a probability for each, and names them: {…, "classes": ["low", …]}.
"""

from typing import Any, NamedTuple

import msgspec
import orjson
from typing_extensions import override

from core.explain.conformal import LEVELS, Conformal
from core.json_documents import json_decoder
from core.serving.decoding import check_keys
from core.serving.dialects.dialect import Answered, Dialect, Reader, ReadRequest
from core.serving.dialects.intervals import intervals_of, require_level
from core.serving.dialects.schemas import ANSWER, ANSWERS, ROW, ROWS, TEXT, Schema, object_schema
from core.serving.errors import BadRequestError
from core.serving.signature import UNREADABLE, ServingSignature

INTERVAL: Schema = object_schema(
    ["level"],
    level={"type": "number"},
    low={"type": "number"},
    high={"type": "number"},
    classes={"type": "array", "items": TEXT, "description": "Of a model of classes: those that the level needs."},
)


class RowsForm(NamedTuple):
    """What the answer must look like."""

    is_single: bool
    level: float | None  # of an interval


class JsonRows(Dialect):
    """One row or several, by field name."""

    name = "rows"
    id_field = "request_id"
    title = "JSON rows"
    predict_path = "/api/v1/predict/{which}"
    request_schema = object_schema(
        [],
        row=ROW,
        rows=ROWS,
        request_id=TEXT,
        interval={
            "type": "number",
            "minimum": LEVELS[0],
            "maximum": LEVELS[-1],
            "description": "The level of a conformal interval of each answer, such as 0.9.",
        },
    )
    answer_schema = object_schema(
        ["model", "version", "request_id"],
        model=TEXT,
        version=TEXT,
        request_id=TEXT,
        prediction=ANSWER,
        predictions=ANSWERS,
        interval=INTERVAL,
        intervals={"type": "array", "items": INTERVAL},
        classes={"type": "array", "items": TEXT, "description": "Of a model of three or more classes, their names."},
    )

    @override
    def reader(self, signature: ServingSignature) -> Reader:
        body: Any = msgspec.defstruct(
            "Body",
            [
                ("rows", list[signature.row] | msgspec.UnsetType, msgspec.UNSET),  # type: ignore[name-defined]
                ("row", signature.row | msgspec.UnsetType, msgspec.UNSET),
                ("request_id", str | None, None),
                ("interval", float | None, None),
            ],
        )
        decode = json_decoder(body).decode

        def read(content: bytes) -> ReadRequest:
            try:
                asked = decode(content)
            except UNREADABLE as error:
                raise signature.explained(error, content) from None
            if asked.row is not msgspec.UNSET and asked.rows is not msgspec.UNSET:
                raise BadRequestError("The request has both `row` and `rows`; give one of them.")
            if asked.row is msgspec.UNSET and asked.rows is msgspec.UNSET:
                raise BadRequestError("The request has neither `row` nor `rows`.")
            is_single = asked.row is not msgspec.UNSET
            rows = [asked.row] if is_single else asked.rows
            level: float | None = asked.interval
            n_own = 1 + (asked.request_id is not None) + (level is not None)
            check_keys(content, signature.n_keys(rows) + n_own)
            return ReadRequest(signature.from_rows(rows), asked.request_id, RowsForm(is_single, level))

        return read

    @override
    def require(self, asked: ReadRequest, conformal: Conformal | None) -> None:
        form: RowsForm = asked.form
        require_level(form.level, conformal, field="interval")

    @override
    def reply(self, asked: ReadRequest, answered: Answered) -> bytes:
        content: dict[str, Any] = {
            "model": answered.model,
            "version": answered.version,
            "request_id": answered.request_id,
        }
        form: RowsForm = asked.form
        if form.is_single:
            content["prediction"] = answered.values[0]
        else:
            content["predictions"] = answered.values
        if form.level is not None:
            intervals = _intervals(answered, form.level)
            content |= {"interval": intervals[0]} if form.is_single else {"intervals": intervals}
        if isinstance(answered.values[0], list):
            content["classes"] = answered.signature.classes
        return orjson.dumps(content)


def _intervals(answered: Answered, level: float) -> list[dict[str, Any]]:
    """Return the interval of each answer, or the set of classes."""
    found = intervals_of(answered, level)
    if found.classes is not None:
        return [{"level": found.level, "classes": each} for each in found.classes]
    pairs = zip(found.low, found.high, strict=True)
    return [{"level": found.level, "low": least, "high": most} for least, most in pairs]
