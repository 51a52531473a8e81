"""Tensors of the Open Inference Protocol are held to what they declare, in JSON and as bytes."""

import struct

import msgspec
import numpy as np
import pytest

from core.models.scoring.fields import Field
from core.serving.dialects import Answered, OpenInference
from core.serving.dialects.tensors import FramedBody
from core.serving.errors import BadRequestError, CallerFaultError
from core.serving.signature import ServingSignature

NAME = b"inference-header-content-length"
NUMBERS = ServingSignature([Field(name="a", kind="float"), Field(name="b", kind="float", nullable=True)])
MIXED = ServingSignature([Field(name="a", kind="float"), Field(name="on", kind="bool"), Field(name="t", kind="text")])


def tensor(name, datatype, data, shape=None):
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data}


def read(*inputs, signature=NUMBERS, **more):
    return OpenInference().reader(signature)(msgspec.json.encode({"inputs": inputs, **more}))


def read_binary(parts, signature=NUMBERS, *, n_json=None, tail=b"", **more):
    """Send tensors as bytes: (name, datatype, shape, bytes)."""
    inputs = [
        {"name": name, "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": len(content)}}
        for name, datatype, shape, content in parts
    ]
    head = msgspec.json.encode({"inputs": inputs, **more})
    body = head + b"".join(content for *_, content in parts) + tail
    dialect = OpenInference()
    return dialect.reader(signature)(dialect.framed({NAME: b"%d" % (len(head) if n_json is None else n_json)}, body))


@pytest.mark.parametrize(
    ("datatype", "value", "sentence"),
    [
        ("INT8", 300, r"numbers of INT8 \(>= -128, <= 127\); 300 is not"),
        ("INT8", -129, "INT8"),
        ("UINT8", -1, r"UINT8 \(>= 0, <= 255\)"),
        ("INT64", 2**63, "INT64"),
        ("INT32", 1.5, "a whole number, got float"),
        ("FP16", 70_000, "FP16"),
        ("FP32", 1e39, "FP32"),
        ("FP64", "1", "expected float, got str"),
        ("FP64", True, "expected float, got bool"),
        ("FP64", 10**400, "must hold numbers"),
        ("BOOL", 1, "the model takes"),
        ("FP8", 1, "the model takes BF16, FP16"),
    ],
)
@pytest.mark.parametrize("n", [1, 3], ids=["one row", "several rows"])
def test_a_value_beyond_its_declared_type_is_refused_by_name(datatype, value, sentence, n):
    with pytest.raises(BadRequestError, match=sentence) as refused:
        read(tensor("a", datatype, [value] * n), tensor("b", "FP64", [0.0] * n))
    assert refused.value.field == "a"


@pytest.mark.parametrize("datatype", ["INT8", "UINT8", "INT16", "UINT16", "INT32", "UINT32", "INT64", "UINT64", "FP64"])
def test_the_limits_of_a_type_are_answered(datatype):
    kind = {"F": np.finfo, "I": np.iinfo, "U": np.iinfo}[datatype[0]]
    limits = kind(datatype.lower().replace("fp", "float"))
    low, high = limits.min.item() if datatype == "FP64" else limits.min, limits.max
    data = [low, high.item() if datatype == "FP64" else high]
    rows = read(tensor("a", datatype, data), tensor("b", datatype, data)).rows
    assert rows.numbers[:, 0].tolist() == [float(low), float(high)]


def test_a_whole_number_may_be_written_with_a_point():
    assert read(tensor("a", "INT64", [8.0]), tensor("b", "INT64", [1])).rows.numbers.tolist() == [[8.0, 1.0]]


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        pytest.param([tensor("x", "FP64", [1.0])], "x is not a tensor of the model; it takes a, b", id="unknown name"),
        pytest.param([tensor("a", "FP64", [1.0])] * 2, "given by two tensors", id="twice"),
        pytest.param([tensor("a", "FP64", [1.0, 2.0], [3])], "has 2 values; its shape", id="fewer values"),
        pytest.param([tensor("a", "FP64", [1.0], [-1])], "not negative", id="negative size"),
        pytest.param([tensor("a", "FP64", [[1.0, 2.0]], [2, 1])], "another shape", id="a row for a column"),
        pytest.param([{"name": "a", "shape": [1], "datatype": "FP64"}], "has no data", id="no data"),
        pytest.param(
            [{"name": "a", "shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": 8}}],
            "Inference-Header-Content-Length",
            id="bytes without the header",
        ),
    ],
)
def test_a_tensor_that_contradicts_itself_is_refused(inputs, sentence):
    with pytest.raises(BadRequestError, match=sentence):
        read(*inputs)


@pytest.mark.parametrize(
    ("datatype", "numpy_type"),
    [("INT8", "<i1"), ("UINT16", "<u2"), ("INT64", "<i8"), ("FP16", "<f2"), ("FP32", "<f4"), ("FP64", "<f8")],
)
def test_bytes_and_json_of_one_tensor_are_one_value(datatype, numpy_type):
    data = [3, 100] if "INT" in datatype else [0.1, 1000.7]
    content = np.array(data, numpy_type).tobytes()
    binary = read_binary([("a", datatype, [2, 1], content), ("b", datatype, [2], content)])
    plain = read(tensor("a", datatype, data), tensor("b", datatype, data))
    assert binary.rows.numbers.tolist() == plain.rows.numbers.tolist()


def test_bf16_is_the_upper_half_of_a_32_bit_number():
    content = (np.array([1.0078125, -2.5], "<f4").view("<u4") >> 16).astype("<u2").tobytes()
    binary = read_binary([("a", "BF16", [2], content), ("b", "BF16", [2], content)])
    assert binary.rows.numbers[:, 0].tolist() == [1.0078125, -2.5]
    assert read(tensor("a", "BF16", [1.01]), tensor("b", "BF16", [1])).rows.numbers.tolist() == [[1.0078125, 1.0]]


def test_texts_and_flags_are_read_from_bytes():
    texts = struct.pack("<I", 4) + "grö".encode() + struct.pack("<I", 0)
    asked = read_binary(
        [("a", "FP64", [2], np.array([1.0, 2.0]).tobytes()), ("on", "BOOL", [2], b"\1\0"), ("t", "BYTES", [2], texts)],
        MIXED,
    )
    assert asked.rows.numbers.tolist() == [[1.0, 1.0], [2.0, 0.0]]
    assert list(asked.rows.texts) == [("grö",), ("",)]


def test_nan_is_a_missing_value_where_one_is_allowed():
    nan = np.array([np.nan]).tobytes()
    one = np.array([1.0]).tobytes()
    assert np.isnan(read_binary([("a", "FP64", [1], one), ("b", "FP64", [1], nan)]).rows.numbers[0, 1])
    with pytest.raises(BadRequestError, match="field a expected float, got null"):
        read_binary([("a", "FP64", [1], nan), ("b", "FP64", [1], one)])
    with pytest.raises(BadRequestError, match="infinite"):
        read_binary([("a", "FP64", [1], np.array([np.inf]).tobytes()), ("b", "FP64", [1], one)])


def test_a_matrix_may_be_bytes():
    content = np.array([[1.0, 2.0], [3.0, np.nan]], "<f4").tobytes()
    rows = read_binary([("input-0", "FP32", [2, 2], content)]).rows
    assert rows.numbers[0].tolist() == [1.0, 2.0]
    assert np.isnan(rows.numbers[1, 1])


@pytest.mark.parametrize(
    ("part", "change", "sentence"),
    [
        pytest.param(("a", "FP64", [2], b"\0" * 8), {}, "has 8 bytes; 2 values of FP64 take 16", id="short"),
        pytest.param(("a", "FP64", [1], b"\0" * 8), {"tail": b"more"}, "belong to no tensor", id="long"),
        pytest.param(("on", "BOOL", [1], b"\2"), {}, "no BOOL", id="a flag that is 2"),
        pytest.param(("t", "BYTES", [1], b"\xff\0\0\0a"), {}, "ends within element 0", id="cut text"),
        pytest.param(("t", "BYTES", [1], b"\1\0"), {}, "ends within element 0", id="cut length"),
        pytest.param(("t", "BYTES", [1], b"\1\0\0\0\xff"), {}, "UTF-8", id="no UTF-8"),
        pytest.param(("t", "BYTES", [2], b"\1\0\0\0a"), {}, "has 1 elements; its shape says 2", id="fewer texts"),
        pytest.param(("t", "BYTES", [0], b"\1\0\0\0a"), {}, "has 0 elements and more bytes", id="more texts"),
        pytest.param(("a", "FP64", [1], b"\0" * 8), {"n_json": 10**6}, "at most the", id="header beyond the body"),
    ],
)
def test_bytes_that_contradict_their_tensor_are_refused(part, change, sentence):
    with pytest.raises(BadRequestError, match=sentence):
        read_binary([part], MIXED, **change)


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"", b"9" * 30, b"\xb2"])
def test_a_header_that_is_no_length_is_refused(length):
    with pytest.raises(BadRequestError, match="Inference-Header-Content-Length"):
        OpenInference().framed({NAME: length}, b"{}")


class TestAnAnswer:
    three = ServingSignature([Field(name="a", kind="float")])
    three.classes = ("cat", "dog", "owl")
    two = ServingSignature([Field(name="a", kind="float")])
    two.classes = ("no", "yes")

    def answer(self, signature, values, **more):
        dialect = OpenInference()
        asked = dialect.reader(signature)(
            msgspec.json.encode({"inputs": [tensor("a", "FP64", [0.5] * len(values))], **more})
        )
        return dialect.reply(asked, Answered("m", "1.0.0", "id-1", signature, values))

    def test_names_its_classes_and_has_its_true_shape(self):
        (output,) = msgspec.json.decode(self.answer(self.three, [[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]]))["outputs"]
        assert output["shape"] == [2, 3]
        assert msgspec.json.decode(output["parameters"]["classes"]) == ["cat", "dog", "owl"]

    def test_is_sent_as_bytes_if_all_outputs_or_this_one_are_asked_for_so(self):
        asked = (
            {"parameters": {"binary_data_output": True}},
            {"outputs": [{"name": "prediction", "parameters": {"binary_data": True}}]},
        )
        for more in asked:
            body = self.answer(self.two, [0.25, 0.75], **more)
            assert isinstance(body, FramedBody)
            (output,) = msgspec.json.decode(body[: body.n_json])["outputs"]
            assert output == {
                "name": "prediction",
                "datatype": "FP64",
                "shape": [2],
                "parameters": {"binary_data_size": 16},
            }
            assert np.frombuffer(body[body.n_json :]).tolist() == [0.25, 0.75]

    def test_one_output_may_differ_from_the_rest(self):
        more = {
            "parameters": {"binary_data_output": True},
            "outputs": [{"name": "prediction", "parameters": {"binary_data": False}}],
        }
        assert not isinstance(self.answer(self.two, [0.25], **more), FramedBody)

    @pytest.mark.parametrize(
        ("n", "data", "shape"),
        [(2, ["0.700000:2:owl", "0.200000:1:dog"], [1, 2]), (9, None, [1, 3])],
        ids=["the likeliest two", "no more than there are"],
    )
    def test_may_be_the_likeliest_classes(self, n, data, shape):
        wanted = {"outputs": [{"name": "prediction", "parameters": {"classification": n}}]}
        (output,) = msgspec.json.decode(self.answer(self.three, [[0.1, 0.2, 0.7]], **wanted))["outputs"]
        assert (output["datatype"], output["shape"]) == ("BYTES", shape)
        assert data is None or output["data"] == data

    def test_of_two_classes_ranks_both(self):
        wanted = {"outputs": [{"name": "prediction", "parameters": {"classification": 2, "binary_data": True}}]}
        body = self.answer(self.two, [0.25], **wanted)
        assert body[body.n_json :] == b"\x0d\0\0\x000.750000:0:no\x0e\0\0\x000.250000:1:yes"

    def test_that_is_a_number_has_no_classes(self):
        with pytest.raises(BadRequestError, match="the model has none"):
            read(
                tensor("a", "FP64", [1.0]),
                tensor("b", "FP64", [1.0]),
                outputs=[{"name": "prediction", "parameters": {"classification": 1}}],
            )


def test_parameters_are_numbers_or_their_texts_and_are_refused_by_name():
    inputs = tensor("a", "FP64", [1.0]), tensor("b", "FP64", [2.0])
    for level in (0.9, "0.9"):
        assert read(*inputs, parameters={"interval": level, "binary_data_output": "true"}).form.level == 0.9
    with pytest.raises(CallerFaultError, match=r"The field parameters\.interval is 'abc'; it must be a number\.$"):
        read(*inputs, parameters={"interval": "abc"})
    wanted = {"name": NUMBERS.output, "parameters": {"classification": [1]}}
    with pytest.raises(CallerFaultError, match=r"parameters\.classification is \[1\]; it must be a whole number\.$"):
        read(*inputs, outputs=[wanted])
