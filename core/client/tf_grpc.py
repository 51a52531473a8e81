"""TensorFlow Serving over gRPC. Requires the extra `tf-serving` (gRPC and protobuf), but not TensorFlow."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from typing_extensions import override

from core.client.answers import Health, Metadata, Prediction, TensorInfo, VersionState, Which
from core.client.errors import (
    BrokenAnswerError,
    ClientError,
    ExtraMissingError,
    NotSpokenError,
    PeerBusyError,
    PeerFailedError,
    RejectedError,
    TimedOutError,
    UnreachableError,
    rejection,
)
from core.client.retry_policy import Seconds, Timeouts
from core.client.rows import RequestRows
from core.client.tf_rest import SIGNATURE, health_of, require_one_a_row
from core.client.wire import Wire
from core.plain_files import read_file
from core.tf_versions import number_of

try:
    import grpc
    from google.protobuf.message import DecodeError

    from core.client import tf_messages
    from core.client.tf_tensors import from_tensor, guessed_type, to_tensor, type_name
except ImportError as error:
    raise ExtraMissingError("gRPC is not installed: pip install 'bondx-console[tf-serving]'.") from error

MAX_ANSWER_BYTES = 256 << 20
_PREDICTION = "/tensorflow.serving.PredictionService/"
_MODEL = "/tensorflow.serving.ModelService/"
_STATES = {10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}
_STATUS_OF = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 400,
    "ALREADY_EXISTS": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
}


class TfGrpc(Wire):
    """PredictionService and ModelService."""

    name = "tf-grpc"

    def __init__(
        self,
        url: str,
        timeouts: Timeouts,
        *,
        token: str | None = None,
        authority: Path | None = None,
        identity: tuple[Path, Path] | None = None,
        clock: Seconds = time.monotonic,
    ) -> None:
        """Prepare the connection; no request is sent yet.

        Args:
            url: `grpc://HOST:PORT`, `grpcs://HOST:PORT` for TLS, or HOST:PORT.
            timeouts: How long an attempt may take.
            token: Sent as a bearer token.
            authority: File of the certificate authority that the server's certificate is checked against.
            identity: Files of the certificate and the key that this client shows.
            clock: Seconds that only go forward.
        Raises:
            RejectedError: The authority or the certificate cannot be read.
        """
        self._url = url
        self._timeouts = timeouts
        self._clock = clock
        self._call_metadata = [("authorization", f"Bearer {token}")] if token else []
        self._known: dict[Which, dict[str, TensorInfo]] = {}
        options = [
            ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
            ("grpc.max_send_message_length", -1),
            ("grpc.enable_retries", 0),  # retries are made by the client's retry policy alone
            ("grpc.enable_http_proxy", 0),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1_000),
        ]
        address = url.partition("://")[2] or url
        if url.startswith("grpcs://"):
            try:
                roots = read_file(authority) if authority else None
                chain, key = map(read_file, identity) if identity else (None, None)
            except OSError as error:
                raise RejectedError(f"{error.filename or authority} cannot be read: {error.strerror}.") from None
            self._channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(roots, key, chain), options)
        else:
            self._channel = grpc.insecure_channel(address, options)

    @override
    def predict(self, which: Which, rows: RequestRows, request_id: str, key: str | None, deadline: float) -> Prediction:
        inputs = self._inputs(which, deadline)
        request = tf_messages.PredictRequest(model_spec=_spec(which, SIGNATURE))
        if rows.matrix is not None:
            _put_matrix(request, rows, inputs)
        else:
            _put_columns(request, rows, inputs)
        ours = [("x-request-id", request_id), *([("x-bondx-key", key)] if key else [])]  # read by `bondx serve` alone
        try:
            content, told = self._call(f"{_PREDICTION}Predict", request, deadline, ours)
        except RejectedError:
            self._known.pop(which, None)  # the model may have changed since
            raise
        answer = self._read(content, tf_messages.PredictResponse)
        try:
            outputs = {name: from_tensor(tensor) for name, tensor in sorted(answer.outputs.items())}
        except ValueError as error:
            raise BrokenAnswerError(self._url, f"it holds {error}") from None
        values = next(iter(outputs.values()), [])
        require_one_a_row(self._url, len(values), rows)
        version = answer.model_spec.version.value if answer.model_spec.HasField("version") else which.version
        version = told.get("x-bondx-version", version)  # as the registry writes it
        return Prediction(
            model=which.model,
            values=values,
            version=None if version is None else str(version),
            request_id=request_id,
            outputs=outputs,
        )

    @override
    def metadata(self, which: Which, deadline: float) -> Metadata:
        request = tf_messages.GetModelMetadataRequest(model_spec=_spec(which), metadata_field=["signature_def"])
        answer = self._ask(f"{_PREDICTION}GetModelMetadata", request, tf_messages.GetModelMetadataResponse, deadline)
        packed = answer.metadata["signature_def"].value if "signature_def" in answer.metadata else b""
        signatures = self._read(packed, tf_messages.SignatureDefMap).signature_def
        name = SIGNATURE if SIGNATURE in signatures else min(signatures, default=None)
        signature = tf_messages.SignatureDef() if name is None else signatures[name]
        has_version = answer.model_spec.HasField("version")
        return Metadata(
            model=which.model,
            versions=(str(answer.model_spec.version.value),) if has_version else (),
            inputs=_tensors(signature.inputs),
            outputs=_tensors(signature.outputs),
        )

    @override
    def versions(self, which: Which, deadline: float) -> list[VersionState]:
        request = tf_messages.GetModelStatusRequest(model_spec=_spec(which))
        answer = self._ask(f"{_MODEL}GetModelStatus", request, tf_messages.GetModelStatusResponse, deadline)
        return [
            VersionState(
                version=str(one.version),
                state=_STATES.get(one.state, "UNKNOWN"),
                message=one.status.error_message,
            )
            for one in answer.model_version_status
        ]

    @override
    def health(self, which: Which | None, deadline: float) -> Health:
        try:
            if which is not None:
                return health_of(which, self.versions(which, deadline))
            # There is no health service; a server that answers "no such model" is up.
            self._ask(
                f"{_MODEL}GetModelStatus",
                tf_messages.GetModelStatusRequest(),
                tf_messages.GetModelStatusResponse,
                deadline,
            )
        except RejectedError as error:
            return Health(live=True, ready=which is None, reasons=() if which is None else (str(error),))
        return Health(live=True, ready=True)

    @override
    def close(self) -> None:
        self._channel.close()

    def _ask(self, method: str, request: Any, kind: Any, deadline: float) -> Any:
        return self._read(self._call(method, request, deadline)[0], kind)

    def _call(
        self, method: str, request: Any, deadline: float, more: Sequence[tuple[str, str]] = ()
    ) -> tuple[bytes, dict[str, str]]:
        """Return the bytes of the answer, and the metadata behind it."""
        left = deadline - self._clock()
        try:
            content, call = self._channel.unary_unary(method).with_call(
                request.SerializeToString(), timeout=max(left, 0.0), metadata=[*self._call_metadata, *more]
            )
        except grpc.RpcError as error:
            raise self._failure(error, method) from None
        return content, dict(call.trailing_metadata() or ())

    def _read(self, content: bytes, kind: Any) -> Any:
        try:
            return kind.FromString(content)
        except DecodeError:
            raise BrokenAnswerError(
                self._url, f"{len(content)} bytes are not a complete {kind.DESCRIPTOR.name}"
            ) from None

    def _failure(self, error: Any, method: str) -> ClientError:
        code, said = error.code().name, " ".join((error.details() or "").split())
        match code:
            case "UNAVAILABLE":
                return UnreachableError(self._url, said.lower().rstrip(".") or "unavailable")
            case "DEADLINE_EXCEEDED":
                return TimedOutError(self._url, method.rpartition("/")[2], self._timeouts.answer_seconds)
            case "RESOURCE_EXHAUSTED":
                return PeerBusyError(self._url, 429, said)
        status = _STATUS_OF.get(code)
        if status is None:
            return PeerFailedError(self._url, 500, f"{code.lower()}, {said}")
        return rejection(self._url, status, said)

    def _inputs(self, which: Which, deadline: float) -> dict[str, TensorInfo]:
        """Return the inputs that the model declares, requested once; empty if it declares none."""
        if which not in self._known:
            try:
                self._known[which] = {one.name: one for one in self.metadata(which, deadline).inputs}
            except RejectedError:
                return {}
        return self._known[which]


def _spec(which: Which, signature: str = "") -> Any:
    spec = tf_messages.ModelSpec(name=which.model, signature_name=signature, version_label=which.label or "")
    if which.version is not None:
        number = number_of(which.version)
        if number is None:
            raise NotSpokenError(
                f"{which.version!a} is not a TensorFlow Serving version: versions are whole numbers.", field="version"
            )
        spec.version.value = number
    return spec


def _put_columns(request: Any, rows: RequestRows, inputs: dict[str, TensorInfo]) -> None:
    for name, values in rows.columns().items():
        told = inputs.get(name)
        dtype = told.type if told is not None else guessed_type(name, values)
        wide = told is not None and len(told.shape) == 2
        shape = (len(values), 1) if wide else (len(values),)
        request.inputs[name].CopyFrom(to_tensor(name, values, dtype, shape))


def _put_matrix(request: Any, rows: RequestRows, inputs: dict[str, TensorInfo]) -> None:
    assert rows.matrix is not None
    if len(inputs) != 1:
        raise NotSpokenError("A matrix requires a model with exactly one input: send mappings instead.")
    only = next(iter(inputs.values()))
    flat = [value for row in rows.matrix for value in row]
    shape = (len(rows), len(rows.matrix[0]))
    request.inputs[only.name].CopyFrom(to_tensor(only.name, flat, only.type, shape))


def _tensors(tensors: Any) -> tuple[TensorInfo, ...]:
    return tuple(
        TensorInfo(name=name, type=type_name(one.dtype), shape=tuple(dim.size for dim in one.tensor_shape.dim))
        for name, one in sorted(tensors.items())
    )
