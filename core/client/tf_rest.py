"""TensorFlow Serving's REST form.

Source: https://www.tensorflow.org/tfx/serving/api_rest
"""

from contextlib import suppress
from typing import Any
from urllib.parse import quote

import msgspec
from typing_extensions import override

from core.client.answers import Health, Metadata, Prediction, TensorInfo, VersionState, Which
from core.client.errors import BrokenAnswerError, RejectedError
from core.client.http import Http
from core.client.rows import RequestRows, to_json
from core.client.wire import Wire

SIGNATURE = "serving_default"


class _Predictions(msgspec.Struct):
    predictions: list[Any]


class _Dimension(msgspec.Struct):
    size: str | int = -1


class _Shape(msgspec.Struct):
    dim: list[_Dimension] = []


class _Tensor(msgspec.Struct):
    dtype: str = ""
    tensor_shape: _Shape = msgspec.field(default_factory=_Shape)


class _Signature(msgspec.Struct):
    inputs: dict[str, _Tensor] = {}
    outputs: dict[str, _Tensor] = {}


class _SignatureMap(msgspec.Struct):
    signature_def: dict[str, _Signature] = {}


class _Definitions(msgspec.Struct):
    signature_def: _SignatureMap


class _Spec(msgspec.Struct):
    version: str | int | None = None


class _Metadata(msgspec.Struct):
    model_spec: _Spec
    metadata: _Definitions


class _Trouble(msgspec.Struct):
    error_message: str = ""


class _State(msgspec.Struct):
    version: str | int
    state: str
    status: _Trouble = msgspec.field(default_factory=_Trouble)


class _States(msgspec.Struct):
    model_version_status: list[_State]


class TfRest(Wire):
    """Row format: `{"instances": […]}` answered with `{"predictions": […]}`."""

    name = "tf-rest"

    def __init__(self, http: Http) -> None:
        self._http = http

    @override
    def predict(self, which: Which, rows: RequestRows, request_id: str, key: str | None, deadline: float) -> Prediction:
        content = to_json({"instances": rows.records if rows.records is not None else rows.matrix}, rows)
        answer = self._http.ask(
            "POST", f"{model_path(which)}:predict", deadline, content=content, headers=request_headers(request_id, key)
        )
        found = self._http.read(answer, _Predictions).predictions
        require_one_a_row(self._http.url, len(found), rows)
        outputs: dict[str, list[Any]] = {}
        if isinstance(found[0], dict):  # a signature with several outputs
            try:
                outputs = {name: [one[name] for one in found] for name in found[0]}
            except (TypeError, KeyError):
                raise BrokenAnswerError(self._http.url, "its rows name different outputs") from None
            found = next(iter(outputs.values()), [])
        return Prediction(
            model=which.model,
            values=[unwrapped(value) for value in found],
            version=answer.headers.get("x-bondx-version") or which.version,
            request_id=answer.headers.get("x-request-id", request_id),
            outputs=outputs,
        )

    @override
    def metadata(self, which: Which, deadline: float) -> Metadata:
        answer = self._http.ask("GET", f"{model_path(which)}/metadata", deadline)
        found = self._http.read(answer, _Metadata)
        signatures = found.metadata.signature_def.signature_def
        signature = signatures.get(SIGNATURE) or next(iter(signatures.values()), _Signature())
        version = found.model_spec.version
        return Metadata(
            model=which.model,
            versions=() if version is None else (str(version),),
            inputs=_tensors(signature.inputs),
            outputs=_tensors(signature.outputs),
        )

    @override
    def versions(self, which: Which, deadline: float) -> list[VersionState]:
        return version_states(self._http, which, deadline)

    @override
    def health(self, which: Which | None, deadline: float) -> Health:
        if which is None:
            # There is no health endpoint; a server that refuses an unknown path is up.
            with suppress(RejectedError):
                self._http.ask("GET", "/v1/models", deadline)
            return Health(live=True, ready=True)
        try:
            states = self.versions(which, deadline)
        except RejectedError as error:
            return Health(live=True, ready=False, reasons=(str(error),))
        return health_of(which, states)

    @override
    def close(self) -> None:
        self._http.close()


def model_path(which: Which, prefix: str = "/v1/models/") -> str:
    """Return the path of a model, a version or a label."""
    path = prefix + quote(which.model, safe="")
    if which.version is not None:
        return f"{path}/versions/{quote(which.version, safe='')}"
    return f"{path}/labels/{quote(which.label, safe='')}" if which.label is not None else path


def request_headers(request_id: str, key: str | None) -> dict[str, str]:
    """Return headers with the request id and routing key; other servers ignore them."""
    return {"x-request-id": request_id} | ({"x-bondx-key": key} if key else {})


def version_states(http: Http, which: Which, deadline: float) -> list[VersionState]:
    """Request the model status."""
    answer = http.ask("GET", model_path(which), deadline, also=(503,))
    if answer.status == 503 and b'"model_version_status"' not in answer.content:
        raise http.failure(answer)
    found = http.read(answer, _States)  # of a model that is not ready, too
    return [
        VersionState(version=str(one.version), state=one.state, message=one.status.error_message)
        for one in found.model_version_status
    ]


def health_of(which: Which, states: list[VersionState]) -> Health:
    """Judge a model by its versions: one available version is enough."""
    if any(state.is_available for state in states):
        return Health(live=True, ready=True)
    said = [f"{which.model} {state.version} is {state.state}: {state.message}".rstrip(": ") for state in states]
    return Health(live=True, ready=False, reasons=tuple(said) or (f"{which.model} has no version",))


def require_one_a_row(url: str, n_answers: int, rows: RequestRows) -> None:
    """Check that an answer fits its request.

    Raises:
        BrokenAnswerError: The answer does not fit.
    """
    if n_answers != len(rows):
        raise BrokenAnswerError(url, f"it has {n_answers} predictions for {len(rows)} rows")


def unwrapped(value: Any) -> Any:
    """Unwrap a single value from its list: an output of shape [n, 1] has one value for each row.

    >>> unwrapped([0.5]), unwrapped([0.2, 0.8])
    (0.5, [0.2, 0.8])
    """
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _tensors(tensors: dict[str, _Tensor]) -> tuple[TensorInfo, ...]:
    return tuple(
        TensorInfo(name=name, type=tensor.dtype, shape=tuple(int(one.size) for one in tensor.tensor_shape.dim))
        for name, tensor in tensors.items()
    )
