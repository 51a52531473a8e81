"""The Open Inference Protocol, version 2, over REST.

Source: https://github.com/kserve/open-inference-protocol
"""

import math
from typing import Any

import msgspec
from typing_extensions import override

from core.client.answers import Health, Metadata, Prediction, TensorInfo, VersionState, Which
from core.client.errors import BrokenAnswerError, ClientError, RejectedError
from core.client.http import Http, HttpAnswer
from core.client.rows import RequestRows, to_json
from core.client.tf_rest import model_path, request_headers, require_one_a_row, unwrapped
from core.client.wire import Wire
from core.json_documents import decode_json

MATRIX = "input-0"  # name of a matrix if the model declares none
_WHOLE = ("INT", "UINT")


class _Described(msgspec.Struct):
    name: str
    datatype: str = ""
    shape: list[int] = []


class _Metadata(msgspec.Struct):
    name: str
    versions: list[str] | None = None
    inputs: list[_Described] | None = None
    outputs: list[_Described] | None = None


class _Output(msgspec.Struct):
    name: str
    shape: list[int]
    data: list[Any]
    parameters: dict[str, Any] = {}


class _Answer(msgspec.Struct):
    outputs: list[_Output]
    model_version: str | None = None
    id: str | None = None


class _Ready(msgspec.Struct):
    reasons: list[str] = []
    error: str = ""


class OpenInferenceClient(Wire):
    """One tensor for each field, or one matrix."""

    name = "v2"

    def __init__(self, http: Http) -> None:
        self._http = http
        self._inputs: dict[Which, dict[str, TensorInfo]] = {}

    @override
    def predict(self, which: Which, rows: RequestRows, request_id: str, key: str | None, deadline: float) -> Prediction:
        known = self._known(which, deadline)
        try:
            left_out: tuple[str, ...] = ()
            if rows.matrix is not None:
                inputs = [_matrix(rows, known)]
            else:
                inputs, left_out = _columns(rows, known)
            answer = self._http.ask(
                "POST",
                f"{model_path(which, '/v2/models/')}/infer",
                deadline,
                content=to_json({"id": request_id, "inputs": inputs}, rows),
                headers=request_headers(request_id, key),
            )
        except RejectedError:
            self._inputs.pop(which, None)  # the model may have changed since
            raise
        found = self._http.read(answer, _Answer)
        if not found.outputs:
            raise BrokenAnswerError(self._http.url, "it has no outputs")
        outputs = {output.name: _rows_of(self._http.url, output) for output in found.outputs}
        values = outputs[found.outputs[0].name]
        require_one_a_row(self._http.url, len(values), rows)
        return Prediction(
            model=which.model,
            values=values,
            version=found.model_version or answer.headers.get("x-bondx-version") or which.version,
            request_id=found.id or request_id,
            outputs=outputs,
            left_out=left_out,
            classes=_classes(found.outputs[0]),
        )

    @override
    def metadata(self, which: Which, deadline: float) -> Metadata:
        found = self._http.read(self._http.ask("GET", model_path(which, "/v2/models/"), deadline), _Metadata)
        return Metadata(
            model=found.name,
            versions=tuple(found.versions or ()),
            inputs=_tensors(found.inputs),
            outputs=_tensors(found.outputs),
        )

    @override
    def versions(self, which: Which, deadline: float) -> list[VersionState]:
        names = [which.version] if which.version else list(self.metadata(which, deadline).versions)
        states = []
        for name in names:
            health = self._health(f"{model_path(Which(which.model, name), '/v2/models/')}/ready", deadline)
            states.append(
                VersionState(
                    version=name, state="AVAILABLE" if health.ready else "END", message="; ".join(health.reasons)
                )
            )
        return states

    @override
    def health(self, which: Which | None, deadline: float) -> Health:
        if which is None:
            return self._health("/v2/health/ready", deadline)
        try:
            return self._health(f"{model_path(which, '/v2/models/')}/ready", deadline)
        except RejectedError as error:
            return Health(live=True, ready=False, reasons=(str(error),))

    @override
    def close(self) -> None:
        self._http.close()

    def _health(self, path: str, deadline: float) -> Health:
        answer = self._http.ask("GET", path, deadline, also=(503,))
        return Health(live=True, ready=answer.status == 200, reasons=() if answer.status == 200 else _reasons(answer))

    def _known(self, which: Which, deadline: float) -> dict[str, TensorInfo]:
        """Return the inputs that the model declares, requested once; empty if it declares none."""
        if which not in self._inputs:
            try:
                self._inputs[which] = {one.name: one for one in self.metadata(which, deadline).inputs}
            except ClientError as error:
                if not isinstance(error, RejectedError | BrokenAnswerError) and error.status != 503:
                    raise
                return {}  # a version that is loaded on request has no metadata before
        return self._inputs[which]


def _classes(output: _Output) -> tuple[str, ...]:
    """Return the names of the classes that our server gives, as a JSON text."""
    try:
        return decode_json(output.parameters.get("classes", "[]"), tuple[str, ...])
    except (msgspec.DecodeError, TypeError):  # a parameter of another server
        return ()


def _tensors(described: list[_Described] | None) -> tuple[TensorInfo, ...]:
    return tuple(TensorInfo(name=one.name, type=one.datatype, shape=tuple(one.shape)) for one in described or ())


def _columns(rows: RequestRows, known: dict[str, TensorInfo]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return the tensors of the fields that the model reads, and the names of the other fields.

    A server refuses a tensor that its model does not declare, while a caller's rows often hold more than one model
    reads. Of a model that declares no inputs, every field is sent.

    Raises:
        RejectedError: The model reads none of the fields, or a value does not fit.
    """
    given = rows.columns()
    left_out = tuple(name for name in given if known and name not in known)
    if left_out and len(left_out) == len(given):
        reads = ", ".join(known)
        raise RejectedError(f"The model reads none of the given fields ({', '.join(left_out)}); it reads {reads}.")
    tensors = []
    for name, values in given.items():
        if name in left_out:
            continue
        told = known.get(name)
        wide = told is not None and len(told.shape) == 2
        tensors.append(
            {
                "name": name,
                "shape": [len(values), 1] if wide else [len(values)],
                "datatype": _fitting(told.type, name, values) if told is not None else _guessed(name, values),
                "data": values,
            }
        )
    return tensors, left_out


def _matrix(rows: RequestRows, known: dict[str, TensorInfo]) -> dict[str, Any]:
    assert rows.matrix is not None
    only = next(iter(known.values())) if len(known) == 1 else None
    return {
        "name": only.name if only else MATRIX,
        "shape": [len(rows), len(rows.matrix[0])],
        "datatype": only.type if only and only.type else "FP64",
        "data": [value for row in rows.matrix for value in row],
    }


def _fitting(told: str, name: str, values: list[Any]) -> str:
    """Check values against the model's datatype before anything is sent, so that an error names the field."""
    given = [value for value in values if value is not None]
    if told == "BYTES":
        right = all(isinstance(value, str) for value in given)
    elif told == "BOOL":
        right = all(isinstance(value, bool) or value in (0, 1) for value in given)
    else:
        right = all(isinstance(value, bool | int | float) for value in given)
        if told.startswith(_WHOLE):
            right = right and all(float(value).is_integer() for value in given)
    if not right:
        raise RejectedError(f"The field {name} holds values that are not {told}, as the model requires.", field=name)
    return told or _guessed(name, values)


def _guessed(name: str, values: list[Any]) -> str:
    """Choose a datatype from the values.

    >>> [_guessed("x", values) for values in ([True], [1, None], [1, 0.5], ["a"])]
    ['BOOL', 'INT64', 'FP64', 'BYTES']
    """
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return "BOOL"
    if kinds == {int}:
        return "INT64"
    if kinds <= {int, float}:
        return "FP64"
    if kinds == {str}:
        return "BYTES"
    raise RejectedError(f"The field {name} mixes kinds of values; a column must hold one kind.", field=name)


def _rows_of(url: str, output: _Output) -> list[Any]:
    """Split flat data by its shape: one value or one list for each row."""
    n_rows = output.shape[0] if output.shape else 1
    if n_rows and isinstance(output.data, list) and len(output.data) == math.prod(output.shape):
        width = len(output.data) // n_rows
        if width == 1:
            return [unwrapped(value) for value in output.data]
        return [output.data[at * width : (at + 1) * width] for at in range(n_rows)]
    if len(output.data) == n_rows:  # nested, as the protocol allows too
        return [unwrapped(value) for value in output.data]
    raise BrokenAnswerError(url, f"{output.name} has {len(output.data)} values for the shape {output.shape}")


def _reasons(answer: HttpAnswer) -> tuple[str, ...]:
    try:
        said = decode_json(answer.content, _Ready)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ("it says that it is not ready",)
    return tuple(said.reasons) or ((said.error,) if said.error else ("it says that it is not ready",))
