"""The REST form of MLflow's scoring server, and of SageMaker's containers: `/invocations` and `/ping`.

{"dataframe_split": {"columns": ["vix", …], "data": [[24.8, …], …]}}       {"predictions": [173.9, …]}
{"dataframe_records": [{"vix": 24.8, …}, …]}

`instances` and `inputs` are those of TensorFlow Serving's form, which MLflow reads, too. MLflow's server has one model,
so its path names none: that path answers while a single model is live, and otherwise names the paths of the models.

Source: https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally (input formats), and
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html (`/ping`)
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import orjson
from typing_extensions import override

from core.errors import CoreError
from core.escape import shown
from core.json_documents import json_decoder
from core.models.scoring.fields import Rows
from core.serving.decoding import check_keys
from core.serving.dialects.dialect import Answered, Dialect, Reader, ReadRequest, ServerPath
from core.serving.dialects.schemas import ANSWERS, CELL, ROWS, TEXT, TEXTS, object_schema
from core.serving.dialects.tf_serving import TfServing
from core.serving.errors import BadRequestError, UnsupportedMediaError, status_of
from core.serving.signature import UNREADABLE, ServingSignature

_FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    503: "TEMPORARILY_UNAVAILABLE",
}
"""Source: mlflow/protos/databricks.proto, `ErrorCode`."""


class _Split(msgspec.Struct):
    """A table as pandas writes it with `orient="split"`; its index is not read."""

    columns: list[str]
    data: list[list[Any]]


class Mlflow(Dialect):
    """Tables by columns and rows, records, instances or inputs."""

    name = "mlflow"
    title = "MLflow scoring server"
    predict_path = "/invocations/{which}"
    only_path = "/invocations"
    request_schema = object_schema(
        [],
        dataframe_split=object_schema(
            ["columns", "data"], columns=TEXTS, data={"type": "array", "items": {"type": "array", "items": CELL}}
        ),
        dataframe_records=ROWS,
        instances=TfServing.request_schema["properties"]["instances"],
        inputs=TfServing.request_schema["properties"]["inputs"],
    )
    answer_schema = object_schema(["predictions"], predictions=ANSWERS)
    refusal_schema = object_schema(["error_code", "message"], error_code=TEXT, message=TEXT, field=TEXT)
    server_paths = (ServerPath("/ping", "Readiness of every live version", same_as="/ready"),)

    @override
    def framed(self, headers: Mapping[bytes, bytes], content: bytes) -> bytes:
        if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() == b"text/csv":
            raise UnsupportedMediaError(
                "CSV is not read here: send `dataframe_split` as application/json, "
                'such as `{"dataframe_split": FRAME.to_dict(orient="split")}`.'
            )
        return content

    @override
    def reader(self, signature: ServingSignature) -> Reader:
        body: Any = msgspec.defstruct(
            "Body", [(name, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for name in _FORMATS]
        )
        decode = json_decoder(body).decode
        split = json_decoder(_Split).decode
        records = json_decoder(list[signature.row]).decode  # type: ignore[name-defined]
        other = TfServing().reader(signature)

        def read(content: bytes) -> ReadRequest:
            try:
                asked = decode(content)
                given = [name for name in _FORMATS if getattr(asked, name) is not msgspec.UNSET]
                if len(given) != 1:
                    found = f"has {' and '.join(given)}" if given else "has none of them"
                    raise BadRequestError(f"The request requires one of {', '.join(_FORMATS)}; it {found}.")
                if given[0] == "dataframe_split":
                    check_keys(content, 3)
                    return ReadRequest(_table(split(asked.dataframe_split), signature))
                if given[0] == "dataframe_records":
                    rows = records(asked.dataframe_records)
                    check_keys(content, signature.n_keys(rows) + 1)
                    return ReadRequest(signature.from_rows(rows))
            except UNREADABLE as error:
                raise signature.explained(error, content) from None
            return other(content)

        return read

    @override
    def reply(self, asked: ReadRequest, answered: Answered) -> bytes:
        return orjson.dumps({"predictions": answered.values})

    @override
    def refusal(self, error: CoreError) -> bytes:
        status = status_of(error)
        code = _CODES.get(status, HTTPStatus(status).phrase.upper().replace(" ", "_"))
        content = {"error_code": "INTERNAL_ERROR" if status == HTTPStatus.INTERNAL_SERVER_ERROR else code}
        content["message"] = str(error)
        if (field := getattr(error, "field", None)) is not None:
            content["field"] = field
        return orjson.dumps(content)


def _table(given: _Split, signature: ServingSignature) -> Rows:
    """Convert a table of columns and rows.

    Raises:
        BadRequestError: A column is given twice, a row has another length, or a value does not fit its field.
    """
    if len(set(given.columns)) < len(given.columns):
        twice = next(name for name in given.columns if given.columns.count(name) > 1)
        raise BadRequestError(f"names the column {shown(twice)} twice", field="dataframe_split.columns")
    for number, row in enumerate(given.data):
        if len(row) != len(given.columns):
            raise BadRequestError(
                f"has {len(row)} values for {len(given.columns)} columns", field=f"dataframe_split.data[{number}]"
            )
    return signature.convert_columns({name: [row[at] for row in given.data] for at, name in enumerate(given.columns)})
