"""Calls and messages that no honest client sends: each is refused by name, and the server answers on."""

import asyncio
import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.client.tf_messages import GetModelMetadataRequest, PredictRequest, TensorMessage
from core.errors import CoreError
from core.models.scoring.fields import Field
from core.serving.errors import CallerFaultError, TooLargeError, status_of
from core.serving.limits import ServingLimits
from core.serving.rpc import infer, tf_predict
from core.serving.rpc.calls import Calls, Method
from core.serving.rpc.connections import RpcConnections
from core.serving.rpc.infer import Infer
from core.serving.rpc.inference_messages import InferRequest, ModelNamed
from core.serving.rpc.tf_predict import TfPredict
from core.serving.signature import ServingSignature
from tests.core.serving.conftest import running
from tests.core.serving.rpc.asking import HEALTH, PREDICT, TF, V2, Caller, tf_request, v2_request
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS, until

Code = grpc.StatusCode
SIGNATURE = ServingSignature(
    [
        Field(name="area", kind="float", nullable=True),
        Field(name="floor", kind="int"),
        Field(name="is_new", kind="bool"),
        Field(name="age", kind="category", categories=("old", "new")),
    ]
)
ROWS = [
    {"area": 50.5, "floor": 2, "is_new": True, "age": "old"},
    {"area": None, "floor": 0, "is_new": False, "age": "new"},
]
READERS = {"tf": TfPredict(1_000).reader(SIGNATURE), "v2": Infer(1_000).reader(SIGNATURE)}
REQUESTS = {"tf": tf_request("rent", ROWS), "v2": v2_request("rent", ROWS)}


def tf_changed(**tensor):
    """The request of these rows with another tensor for `area`."""
    request = PredictRequest.FromString(REQUESTS["tf"])
    shape = tensor.pop("shape", [2])
    changed = TensorMessage(**tensor)
    for size in shape:
        changed.tensor_shape.dim.add(size=size)
    request.inputs["area"].CopyFrom(changed)
    return request.SerializeToString()


def v2_changed(contents=None, raw=None, **tensor):
    request = InferRequest.FromString(REQUESTS["v2"])
    area = request.inputs[0]
    for name, value in tensor.items():
        if name == "shape":
            del area.shape[:]
            area.shape.extend(value)
        else:
            setattr(area, name, value)
    if contents is not None:
        area.ClearField("contents")
        for place, values in contents.items():
            getattr(area.contents, place).extend(values)
    request.raw_input_contents.extend(raw or ())
    return request.SerializeToString()


def test_both_messages_hold_the_rows_they_were_made_from():
    for name, read in READERS.items():
        rows = read(REQUESTS[name]).rows
        assert rows.numbers[0].tolist() == [50.5, 2.0, 1.0]
        assert rows.texts == [("old",), ("new",)]
        assert rows.numbers[1, 0] != rows.numbers[1, 0]


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        ({"dtype": 21}, "the dtype 21, which is not supported"),
        ({"dtype": 7, "string_val": [b"a", b"b"]}, "has the dtype DT_STRING; the model takes DT_BFLOAT16"),
        ({"dtype": 2, "double_val": [1.0, 2.0], "shape": [-2]}, "no size negative"),
        ({"dtype": 2, "double_val": [1.0, 2.0, 3.0]}, "has 3 values; its shape [2] says 2"),
        ({"dtype": 2, "shape": [2]}, "has 0 values; its shape [2] says 2"),
        ({"dtype": 2, "double_val": [1.0, 2.0], "shape": [1, 2]}, r"has the shape [1, 2]; it must be [n] or [n, 1]"),
        ({"dtype": 2, "double_val": [1.0, 2.0], "shape": [2, 1, 1]}, "it must be [n] or [n, 1]"),
        ({"dtype": 2, "double_val": [1.0], "shape": [1 << 62]}, "accepts at most 1,000"),
        ({"dtype": 2, "tensor_content": bytes(15)}, "has 15 bytes; 2 values of FP64 take 16"),
        ({"dtype": 2, "tensor_content": bytes(16), "shape": [1 << 62]}, "accepts at most 1,000"),
        ({"dtype": 2, "double_val": [float("inf"), 1.0]}, "must hold numbers of FP64"),
        ({"dtype": 1, "tensor_content": b"\x00\x00\x80\x7f" * 2}, "infinite"),
        ({"dtype": 6, "int_val": [300, 1]}, "must hold numbers of INT8"),
        ({"dtype": 19, "half_val": [1 << 16, 1]}, "more than 16 bits"),
    ],
)
def test_a_tensor_that_is_not_what_it_declares_is_refused_by_name(tensor, said):
    with pytest.raises(CoreError) as caught:
        READERS["tf"](tf_changed(**tensor))
    assert said in str(caught.value)
    assert isinstance(caught.value, TooLargeError) or caught.value.field == "area"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"datatype": "FP128"}, "its datatype is in raw_input_contents"),
        ({"datatype": "FP16", "contents": {}}, "has 0 values; its shape [2] says 2"),
        ({"datatype": "FP32"}, "has its values in fp64_contents; its datatype is in fp32_contents"),
        ({"datatype": "INT8", "contents": {"int_contents": [300, 1]}}, "must hold numbers of INT8"),
        ({"shape": [-2]}, "sizes are not negative"),
        ({"shape": [1 << 62]}, "accepts at most 1,000"),
        ({"shape": [2, 2]}, "it must be [n] or [n, 1]"),
        ({"contents": {"fp64_contents": [float("inf"), 1.0]}}, "must hold numbers of FP64"),
        ({"raw": [b"1234"]}, "has contents beside raw_input_contents"),
        ({"name": "floor"}, "is given by two tensors"),
        ({"name": "arena"}, "is not a tensor of the model"),
    ],
)
def test_an_inferred_tensor_that_is_not_what_it_declares_is_refused_by_name(change, said):
    with pytest.raises(CoreError) as caught:
        READERS["v2"](v2_changed(**change))
    assert said in str(caught.value)


def test_raw_contents_must_fit_the_inputs():
    request = InferRequest.FromString(REQUESTS["v2"])
    for tensor in request.inputs:
        tensor.ClearField("contents")
    request.raw_input_contents.append(bytes(16))
    with pytest.raises(CallerFaultError, match="4 inputs, and raw_input_contents for 1"):
        READERS["v2"](request.SerializeToString())


def test_one_value_stands_for_a_column_and_a_scalar_for_a_row():
    rows = READERS["tf"](tf_changed(dtype=1, float_val=[7.5], shape=[2])).rows
    assert rows.numbers[:, 0].tolist() == [7.5, 7.5]
    one = PredictRequest.FromString(tf_request("rent", ROWS[:1]))
    for name in one.inputs:
        one.inputs[name].ClearField("tensor_shape")
    assert READERS["tf"](one.SerializeToString()).rows.numbers.tolist() == [[50.5, 2.0, 1.0]]


def test_a_flood_of_small_parts_is_refused_by_their_number():
    n = 200_000
    head = InferRequest(model_name="rent").SerializeToString()
    for tag, what in ((b"\x2a\x00", "inputs"), (b"\x32\x00", "outputs")):
        with pytest.raises(CallerFaultError, match=f"has 200,000 {what}; at most"):
            READERS["v2"](head + tag * n)
    for read, content in (
        (READERS["tf"], tf_changed(dtype=3, int_val=[0] * n, shape=[n])),
        (READERS["v2"], v2_changed(datatype="INT64", contents={"int64_contents": [0] * n}, shape=[n])),
        (READERS["v2"], v2_changed(shape=[n])),
    ):
        with pytest.raises(TooLargeError, match="has 200,000 rows; this server accepts at most 1,000"):
            read(content)
    for read, content in (
        (READERS["tf"], tf_changed(dtype=2, double_val=[1.0], shape=[1] * n)),
        (READERS["v2"], v2_changed(shape=[1] * n)),
    ):
        with pytest.raises(CallerFaultError, match="a shape of 200,000 sizes"):
            read(content)
    with pytest.raises(CallerFaultError, match=r"has 200000 values; its shape \[2\] says 2"):
        READERS["v2"](v2_changed(datatype="INT64", contents={"int64_contents": [0] * n}))


@pytest.mark.fuzz
@given(st.sampled_from(sorted(READERS)), st.data())
def test_damaged_messages_are_read_or_refused_and_nothing_else(name, data):
    content = bytearray(REQUESTS[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not content:
            break
    with suppress(CoreError):
        READERS[name](bytes(content))


@pytest.mark.fuzz
@given(st.sampled_from(sorted(READERS)), st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_or_refused_and_nothing_else(name, content):
    with suppress(CoreError):
        READERS[name](content)


def test_a_truncated_message_is_refused_and_the_server_answers_on(caller, rows_of):
    rows = rows_of("spread", 3)
    for method, content in ((PREDICT, tf_request("spread", rows)), (V2 + "ModelInfer", v2_request("spread", rows))):
        for cut in random.Random(5).sample(range(1, len(content)), 40):
            assert caller.ask(method, content[:cut]).code is not Code.INTERNAL
        assert caller.ask(method, content).code is Code.OK


def test_messages_too_large_or_compressed_are_refused(caller, both):
    heard = caller.ask(PREDICT, bytes((8 << 20) + 1))
    assert (heard.code, "larger than max" in heard.said) == (Code.RESOURCE_EXHAUSTED, True)
    packed = caller.channel.unary_unary(PREDICT)
    with pytest.raises(grpc.RpcError) as caught:
        packed(bytes(1 << 20), compression=grpc.Compression.Gzip, timeout=PATIENCE_SECONDS)
    assert (caught.value.code(), caught.value.details()) == (
        Code.UNIMPLEMENTED,
        "Compression algorithm 'gzip' is disabled.",
    )
    many = caller.ask(PREDICT, tf_request("spread", [{"vix": 1.0}] * 10_001))
    assert (many.code, "accepts at most 10,000" in many.said) == (Code.INVALID_ARGUMENT, True)
    assert 'bondx_predict_refused_total{dialect="tf_serving_grpc",status="413"}' in both.ask("/metrics").body.decode()


def test_a_call_that_has_ended_is_no_stranger():
    """By a short deadline, a call may have ended before it is looked at; gRPC then names no peer."""
    refused = []

    class Ended:
        code = None

        def peer(self):
            return ""

        def invocation_metadata(self):
            return ()

        async def abort(self, code, *_):
            self.code = code
            raise RuntimeError

    predictor = SimpleNamespace(
        limits=ServingLimits(),
        new_id=lambda: "id-1",
        refused=lambda _target, error: refused.append(error) or error,
    )
    method = Method(lambda _call, _content: pytest.fail("it was answered"), dialect=Infer(1_000))
    context = Ended()
    with pytest.raises(RuntimeError):
        asyncio.run(Calls(predictor, RpcConnections(1, 8, 8))._carrier(method)(None, context))
    assert context.code is Code.DEADLINE_EXCEEDED
    assert [status_of(error) for error in refused] == [504]


@pytest.mark.parametrize("body", [b"\0\0\0\0\x09abc", b"\0\0", b""])
def test_a_message_that_is_cut_off_is_called_so(body, caller, rpc_port):
    """Frames by hand: no client library ends a call in the middle of its message."""
    fields = ((":method", "POST"), (":scheme", "http"), (":path", V2 + "ModelReady"), (":authority", "x"))
    fields += (("content-type", "application/grpc"), ("te", "trailers"))
    head = b"".join(b"\0%c%b%c%b" % (len(name), name.encode(), len(text), text.encode()) for name, text in fields)
    with socket.create_connection(("127.0.0.1", rpc_port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
        connection.sendall(frame(1, 4, head) + frame(0, 1, body))
        heard = b""
        while b"grpc-message" not in heard:
            more = connection.recv(9_999)
            assert more, heard
            heard += more
    assert b"The call was cut off: it ended before its message was whole." in heard


def frame(kind, flags, content):
    """A frame of HTTP/2 on its first stream (RFC 9113, section 4.1)."""
    return len(content).to_bytes(3, "big") + bytes((kind, flags, 0, 0, 0, 1)) + content


@pytest.mark.parametrize(
    ("method", "content"),
    [
        (TF + "PredictionService/GetModelMetadata", b"\x0a\x06\x0a\x04rent" + b"\x12\x00" * 4_000_000),
        (TF + "ModelService/GetModelStatus", b"\x0a\x06\x0a\x04rent" + b"\x12\x00" * 4_000_000),
        (V2 + "ModelReady", ModelNamed(name="a" * 8_000_000).SerializeToString()),
        (V2 + "ModelMetadata", ModelNamed(name="a" * 8_000_000).SerializeToString()),
        (V2 + "RepositoryIndex", ModelNamed(name="a" * 8_000_000).SerializeToString()),
        (HEALTH, ModelNamed(name="a" * 8_000_000).SerializeToString()),
    ],
)
def test_a_method_that_is_answered_at_once_reads_names_and_no_megabytes(method, content, caller):
    heard = caller.ask(method, content)
    assert heard.code is Code.INVALID_ARGUMENT
    assert heard.said == f"The request has {len(content):,} bytes; this method reads at most 4,096."


def test_of_many_wrong_names_the_first_are_quoted(caller):
    request = GetModelMetadataRequest(metadata_field=[f"field{number}" for number in range(100)])
    heard = caller.ask(TF + "PredictionService/GetModelMetadata", request.SerializeToString())
    assert "'field0', " in heard.said
    assert "'field7', …; the only metadata is signature_def" in heard.said


@pytest.mark.parametrize(
    ("name", "tag", "what"),
    [
        ("v2", b"\x2a", "inputs"),
        ("v2", b"\x32", "outputs"),
        ("v2", b"\x3a", "raw_input_contents"),
        ("v2", b"\x22", "parameters"),
        ("tf", b"\x12", "inputs"),
        ("tf", b"\x1a", "names in output_filter"),
    ],
)
def test_a_flood_of_small_parts_is_refused_before_a_parser_makes_objects_of_it(name, tag, what, monkeypatch):
    parsed = []
    no_message = SimpleNamespace(FromString=parsed.append)
    monkeypatch.setattr(infer, "InferRequest", no_message)
    monkeypatch.setattr(tf_predict, "PredictRequest", no_message)
    for empty in (tag + b"\0", tag + b"\x80\x00", tag + b"\x02\x0a\0"):
        with pytest.raises(CallerFaultError, match=rf"has 100,000 {what}; at most [0-9,]+ are read"):
            READERS[name](empty * 100_000)
    assert parsed == []


def test_parts_of_parts_are_counted_and_groups_refused():
    shape = b"\x12\x00" * 100_000
    for content, said in (
        (tf_nested(shape), "has a shape of 100,000 sizes; at most 8"),
        (tf_nested(b"\x12\x02\x08\x01" * 600_000), "more than 500,000 fields"),
        (b"\x0b\x0c" + b"\x2a\x00" * 100_000, "holds a group"),
    ):
        with pytest.raises(CallerFaultError, match=said):
            READERS["tf"](content)


def tf_nested(shape):
    """A Predict request with one tensor of this shape."""
    content = shape
    for number in (2, 2, 2):  # the shape, in a tensor, in the entry of a map
        size, n = b"", len(content)
        while n >= 128:
            size, n = size + bytes((n & 127 | 128,)), n >> 7
        content = bytes((number << 3 | 2,)) + size + bytes((n,)) + content
    return content


def test_a_large_request_within_its_counts_is_read():
    rows = [{"area": 1.0, "floor": 2, "is_new": True, "age": "new"}] * 900
    content = tf_request("rent", rows, signature_name="")
    request = PredictRequest.FromString(content)
    request.inputs["more"].string_val.extend([b"x" * 90] * 1_000)
    assert len(READERS["tf"](request.SerializeToString()).rows.texts) == 900


def test_too_many_rows_are_refused_as_over_http(caller, both, rows_of):
    rows = rows_of("spread", 1) * 10_001
    heard = caller.ask(PREDICT, tf_request("spread", rows))
    assert (heard.code, heard.said) == (
        Code.INVALID_ARGUMENT,
        "The request has 10,001 rows; this server accepts at most 10,000.",
    )


def test_bytes_that_are_not_http2_harm_nobody(caller, rpc_port):
    for content in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", random.Random(3).randbytes(5_000), b""):
        with socket.create_connection(("127.0.0.1", rpc_port)) as connection:
            connection.sendall(content)
    assert caller.ask(HEALTH).code is Code.OK


def test_a_flood_of_calls_without_messages_ends_and_leaves_probes_answered(workspace, artifacts, put_live, rows_of):
    put_live(workspace, "spread", artifacts / "spread")
    with workspace.settings_file.open("a") as settings:
        settings.write("serving: {connections: 60, connections_by_peer: 50, body_seconds: 6}\n")
    port = free_port()
    with running(workspace, "--grpc-port", str(port)) as server:
        caller = Caller(port)
        rows = rows_of("spread", 1)
        expected = caller.predict("spread", rows)
        flood = grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)])
        calls = [flood.stream_unary(PREDICT).future(silence(), timeout=PATIENCE_SECONDS) for _ in range(80)]
        until(lambda: caller.ask(PREDICT, tf_request("spread", rows)).code is Code.UNAVAILABLE, "a refusal")
        assert caller.ask(HEALTH).code is Code.OK
        assert server.ask("/health").status == 200
        with ThreadPoolExecutor(8) as pool:
            codes = set(pool.map(lambda call: call.exception().code(), calls))
        assert codes == {Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED}
        assert caller.predict("spread", rows) == expected
        flood.close()
        caller.close()


def silence():
    """An iterator that never yields a message, and ends only with its call."""
    threading.Event().wait(PATIENCE_SECONDS)
    yield b""
