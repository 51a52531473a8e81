"""The native dialect: rows as JSON objects.

{"row": {"rating_num": 8, …}}                     {"model": …, "version": …, "request_id": …, "prediction": 173.9}
{"rows": [{"rating_num": 8, …}, …]}               {…, "predictions": [173.9, …]}

A model of three or more classes answers with a probability for each, and names them: {…, "classes": ["low", …]}.
"""

from typing import Any

import msgspec
import orjson
from typing_extensions import override

from core.json_documents import json_decoder
from core.serving.decoding import check_keys
from core.serving.dialects.dialect import Answered, Dialect, Reader, ReadRequest
from core.serving.dialects.schemas import ANSWER, ANSWERS, ROW, ROWS, TEXT, object_schema
from core.serving.errors import BadRequestError
from core.serving.signature import UNREADABLE, ServingSignature


class JsonRows(Dialect):
    """One row or several, by field name."""

    name = "rows"
    id_field = "request_id"
    title = "JSON rows"
    predict_path = "/api/v1/predict/{which}"
    request_schema = object_schema([], row=ROW, rows=ROWS, request_id=TEXT)
    answer_schema = object_schema(
        ["model", "version", "request_id"],
        model=TEXT,
        version=TEXT,
        request_id=TEXT,
        prediction=ANSWER,
        predictions=ANSWERS,
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
            ],
        )
        decode = json_decoder(body).decode

        def read(content: bytes) -> ReadRequest:
            try:
                asked = decode(content)
            except UNREADABLE as error:
                raise signature.explained(error, content) from None
            if asked.row is not msgspec.UNSET:
                if asked.rows is not msgspec.UNSET:
                    raise BadRequestError("The request has both `row` and `rows`; give one of them.")
                check_keys(content, signature.n_keys([asked.row]) + (1 if asked.request_id is None else 2))
                return ReadRequest(signature.from_rows([asked.row]), asked.request_id, "row")
            if asked.rows is msgspec.UNSET:
                raise BadRequestError("The request has neither `row` nor `rows`.")
            check_keys(content, signature.n_keys(asked.rows) + (1 if asked.request_id is None else 2))
            return ReadRequest(signature.from_rows(asked.rows), asked.request_id, "rows")

        return read

    @override
    def reply(self, asked: ReadRequest, answered: Answered) -> bytes:
        content: dict[str, Any] = {
            "model": answered.model,
            "version": answered.version,
            "request_id": answered.request_id,
        }
        if asked.form == "row":
            content["prediction"] = answered.values[0]
        else:
            content["predictions"] = answered.values
        if isinstance(answered.values[0], list):
            content["classes"] = answered.signature.classes
        return orjson.dumps(content)
