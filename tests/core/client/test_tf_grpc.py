"""TensorFlow Serving over gRPC, against a peer that speaks its messages; `make interop` tries the official ones."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from core.client import (
    BackOff,
    BrokenAnswerError,
    Client,
    NotAllowedError,
    NotSpokenError,
    PeerBusyError,
    PeerFailedError,
    RejectedError,
    TimedOutError,
    UnknownModelError,
    UnreachableError,
)
from core.client.tf_messages import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    PredictRequest,
    PredictResponse,
    SignatureDefMap,
    TensorMessage,
)
from core.client.tf_tensors import from_tensor, to_tensor
from tests.core.client.timeouts import PATIENT

ROWS = [{"area": 50, "age": "old"}, {"area": None, "age": "new"}]


class TfPeer(grpc.GenericRpcHandler):
    """Doubles `area`; fails with `failure` once that is set, and answers with `torn` bytes once those are."""

    def __init__(self) -> None:
        self.failure: grpc.StatusCode | None = None
        self.torn: bytes | None = None
        self.asked: list[Any] = []
        self.tokens: list[str | None] = []
        self.told: list[dict[str, str]] = []

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        work = {"Predict": self.predict, "GetModelMetadata": self.metadata, "GetModelStatus": self.status}
        chosen = work[details.method.rpartition("/")[2]]
        self.told.append(dict(details.invocation_metadata))
        self.tokens.append(self.told[-1].get("authorization"))

        def answer(content: bytes, context: grpc.ServicerContext) -> bytes:
            if self.failure is not None:
                context.abort(self.failure, "says the peer")
            return chosen(content, context) if self.torn is None else self.torn

        return grpc.unary_unary_rpc_method_handler(answer)

    def predict(self, content: bytes, context: grpc.ServicerContext) -> bytes:
        request = PredictRequest.FromString(content)
        self.asked.append(request)
        answer = PredictResponse()
        answer.model_spec.name = request.model_spec.name
        answer.model_spec.version.value = 7
        doubled = [2 * value for value in from_tensor(request.inputs["area"])]
        answer.outputs["rent"].CopyFrom(to_tensor("rent", doubled, "DT_FLOAT", (len(doubled), 1)))
        return answer.SerializeToString()

    def metadata(self, content: bytes, context: grpc.ServicerContext) -> bytes:
        request = GetModelMetadataRequest.FromString(content)
        signatures = SignatureDefMap()
        signature = signatures.signature_def["serving_default"]
        for name, dtype in (("area", 1), ("age", 7)):
            signature.inputs[name].dtype = dtype
            for size in (-1, 1):
                signature.inputs[name].tensor_shape.dim.add(size=size)
        signature.outputs["rent"].dtype = 1
        answer = GetModelMetadataResponse()
        answer.model_spec.name = request.model_spec.name
        answer.model_spec.version.value = 7
        answer.metadata["signature_def"].value = signatures.SerializeToString()
        return answer.SerializeToString()

    def status(self, content: bytes, context: grpc.ServicerContext) -> bytes:
        request = GetModelStatusRequest.FromString(content)
        if request.model_spec.name != "rent":
            context.abort(grpc.StatusCode.NOT_FOUND, "Could not find any versions of model")
        answer = GetModelStatusResponse()
        answer.model_version_status.add(version=7, state=30)
        answer.model_version_status.add(version=6, state=50).status.error_message = "gone"
        return answer.SerializeToString()


@pytest.fixture
def peer() -> TfPeer:
    return TfPeer()


@pytest.fixture
def url(peer: TfPeer) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2), handlers=[peer])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"grpc://127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, token="t", back_off=BackOff(attempts=2, first_seconds=0.0), timeouts=PATIENT) as found:
        yield found


def test_rows_are_sent_as_tensors_of_the_models_own_types(client: Client, peer: TfPeer) -> None:
    answer = client.predict("rent", ROWS, label="stable")
    assert answer.values[0] == 100.0
    assert answer.values[1] != answer.values[1]  # an empty number is not-a-number on its way there and back
    assert (answer.version, list(answer.outputs)) == ("7", ["rent"])
    request = peer.asked[0]
    assert (request.model_spec.version_label, request.inputs["area"].dtype, request.inputs["age"].dtype) == (
        "stable",
        1,
        7,
    )
    assert [dim.size for dim in request.inputs["area"].tensor_shape.dim] == [2, 1]
    assert set(peer.tokens) == {"Bearer t"}


def test_a_version_is_a_whole_number(client: Client, peer: TfPeer) -> None:
    client.predict("rent", ROWS[0], version="6")
    assert peer.asked[0].model_spec.version.value == 6
    for version in ("1.0", "one", "1.0.0.0", "-1", "9" * 40):
        with pytest.raises(NotSpokenError, match="whole numbers"):
            client.predict("rent", ROWS[0], version=version)


def test_a_version_of_our_registry_is_sent_as_its_number(client: Client, peer: TfPeer) -> None:
    client.predict("rent", ROWS[0], version="1.2.3")
    assert peer.asked[0].model_spec.version.value == 1_000_002_000_003


def test_the_request_id_and_the_key_are_sent_beside_the_message(client: Client, peer: TfPeer) -> None:
    assert client.predict("rent", ROWS[0], request_id="trade-4711", key="customer 7").request_id == "trade-4711"
    assert peer.told[-1]["x-request-id"] == "trade-4711"
    assert peer.told[-1]["x-bondx-key"] == "customer 7"


def test_metadata_versions_and_health(client: Client) -> None:
    found = client.metadata("rent")
    assert [(one.name, one.type, one.shape) for one in found.inputs] == [
        ("age", "DT_STRING", (-1, 1)),
        ("area", "DT_FLOAT", (-1, 1)),
    ]
    assert [(one.version, one.state) for one in client.versions("rent")] == [("7", "AVAILABLE"), ("6", "END")]
    assert client.health().ready
    assert client.health("rent").ready
    assert client.health("nobody").live
    assert not client.health("nobody").ready


@pytest.mark.parametrize(
    ("code", "kind", "n_asked"),
    [
        ("UNAVAILABLE", UnreachableError, 2),
        ("RESOURCE_EXHAUSTED", PeerBusyError, 2),
        ("INTERNAL", PeerFailedError, 2),
        ("DEADLINE_EXCEEDED", TimedOutError, 2),
        ("INVALID_ARGUMENT", RejectedError, 1),
        ("NOT_FOUND", UnknownModelError, 1),
        ("PERMISSION_DENIED", NotAllowedError, 1),
    ],
)
def test_every_status_maps_to_an_error_type(
    client: Client, peer: TfPeer, code: str, kind: type[Exception], n_asked: int
) -> None:
    peer.failure = grpc.StatusCode[code]
    with pytest.raises(kind):
        client.metadata("rent")
    assert len(peer.tokens) == n_asked


def test_bytes_that_are_not_a_message_are_a_broken_answer(client: Client, peer: TfPeer) -> None:
    peer.torn = b"\x0a\xff"
    with pytest.raises(BrokenAnswerError, match="not a complete GetModelMetadataResponse"):
        client.metadata("rent")


def test_a_closed_port_is_unreachable(url: str) -> None:
    with Client("grpc://127.0.0.1:1", back_off=BackOff(attempts=1), timeouts=PATIENT) as client:
        with pytest.raises(UnreachableError):
            client.predict("rent", ROWS)
        assert not client.health().live


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("DT_FLOAT", [0.5, -1.5, 2.0, 0.0]),
        ("DT_DOUBLE", [0.1, 1e300, -0.0, 5.0]),
        ("DT_INT64", [-(2**62), 0, 1, 2]),
        ("DT_INT32", [-1, 0, 1, 2]),
        ("DT_UINT64", [2**63, 0, 1, 2]),
        ("DT_BOOL", [True, False, True, True]),
        ("DT_STRING", ["ä", "", "c", "d"]),
    ],
)
def test_tensors_survive_a_round_trip(dtype: str, values: list[Any]) -> None:
    assert from_tensor(to_tensor("x", values, dtype, (4,))) == values
    assert from_tensor(to_tensor("x", values, dtype, (2, 2))) == [values[:2], values[2:]]


def test_packed_and_repeated_contents_are_read() -> None:
    packed = TensorMessage(dtype=1, tensor_content=b"\x00\x00\x80\x3f\x00\x00\x00\x40")
    packed.tensor_shape.dim.add(size=2)
    assert from_tensor(packed) == [1.0, 2.0]
    same = TensorMessage(dtype=2, double_val=[0.25])
    same.tensor_shape.dim.add(size=3)
    assert from_tensor(same) == [0.25] * 3


@pytest.mark.parametrize(
    ("dtype", "values"),
    [("DT_INT64", [0.5]), ("DT_INT64", [None]), ("DT_STRING", [3]), ("DT_FLOAT", ["a"]), ("DT_VARIANT", [1])],
)
def test_a_value_of_another_type_is_refused_by_name(dtype: str, values: list[Any]) -> None:
    with pytest.raises(RejectedError) as caught:
        to_tensor("area", values, dtype, (1,))
    assert caught.value.field == "area"


def test_without_the_extra_the_error_names_the_package_to_install() -> None:
    script = (
        "import sys; sys.modules['grpc'] = None\n"
        "from core.client import Client, ExtraMissingError\n"
        "try: Client('grpc://127.0.0.1:1')\n"
        "except ExtraMissingError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "gRPC is not installed: pip install 'bondx-console[tf-serving]'.\n"


def test_neither_grpc_nor_tensorflow_is_loaded_before_it_is_wanted() -> None:
    script = (
        "import sys; import core.client as client\n"
        "assert not {'grpc', 'google.protobuf', 'numpy'} & set(sys.modules), set(sys.modules)\n"
        "client.Client('grpc://127.0.0.1:1').close(); assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
