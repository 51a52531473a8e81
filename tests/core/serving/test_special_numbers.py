"""NaN and Infinity, which JSON lacks and clients of TensorFlow, Triton and pandas send, in the data of predictions."""

import json
import math
import struct

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models.scoring.fields import Field
from core.serving.decoding import spelled_as_json
from core.serving.dialects import JsonRows, Mlflow, OpenInference, TfServing
from core.serving.dialects.tensors import FramedBody
from core.serving.errors import BadRequestError, NotJsonError
from core.serving.signature import ServingSignature

SIGNATURE = ServingSignature(
    [
        Field(name="size", kind="float", nullable=True),
        Field(name="age", kind="int", nullable=True),
        Field(name="food", kind="text", nullable=True),
    ]
)
SIZE = {"name": "size", "shape": [2], "datatype": "FP32", "data": ["SIZE", 2.5]}
AGE = {"name": "age", "shape": [2], "datatype": "INT64", "data": [1, 2]}
FOOD = {"name": "food", "shape": [2], "datatype": "BYTES", "data": ["NaN, -Infinity \\", "b"]}
ROWS = [{"size": "SIZE", "age": 1, "food": "NaN, -Infinity \\"}, {"size": 2.5, "age": 2, "food": "b"}]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}
SPLIT = {"columns": list(COLUMNS), "data": [list(row.values()) for row in ROWS]}
BODIES = [
    (JsonRows(), {"rows": ROWS}),
    (TfServing(), {"instances": ROWS}),
    (TfServing(), {"instances": SPLIT["data"]}),
    (TfServing(), {"inputs": COLUMNS}),
    (TfServing(), {"inputs": {name: [[value] for value in column] for name, column in COLUMNS.items()}}),
    (OpenInference(), {"inputs": [SIZE, AGE, FOOD]}),
    (Mlflow(), {"dataframe_split": SPLIT}),
    (Mlflow(), {"dataframe_records": ROWS}),
]


def rows_with(dialect, body, size):
    return dialect.read_with(dialect.reader(SIGNATURE), json.dumps(body).replace('"SIZE"', size).encode()).rows


@pytest.mark.parametrize(("dialect", "body"), BODIES)
def test_nan_is_a_missing_value_in_every_dialect(dialect, body):
    found, expected = (rows_with(dialect, body, size) for size in ("NaN", "null"))
    np.testing.assert_array_equal(found.numbers, expected.numbers)
    assert np.isnan(found.numbers[0, 0])
    assert list(map(tuple, found.texts)) == list(map(tuple, expected.texts)) == [("NaN, -Infinity \\",), ("b",)]


@pytest.mark.parametrize("size", ["Infinity", "-Infinity"])
@pytest.mark.parametrize(("dialect", "body"), BODIES)
def test_an_infinite_number_is_refused_as_a_number(dialect, body, size):
    with pytest.raises(BadRequestError, match="out of range"):
        rows_with(dialect, body, size)


@pytest.mark.parametrize("size", ["Nan", "nan", "Inf", "-NaN", "NaNa", "Infinit"])
@pytest.mark.parametrize(("dialect", "body"), BODIES)
def test_other_words_are_not_json(dialect, body, size):
    with pytest.raises(NotJsonError):
        rows_with(dialect, body, size)


def test_the_position_of_another_mistake_says_how_it_counts():
    with pytest.raises(NotJsonError, match=r"\(byte 18\), where each NaN counts as null"):
        JsonRows().read_with(JsonRows().reader(SIGNATURE), b'{"row": {"a":NaN ? 1}}')


def test_nan_in_the_json_part_leaves_the_bytes_of_other_tensors_alone():
    binary = {"name": "size", "shape": [2], "datatype": "FP64", "parameters": {"binary_data_size": 16}}
    age = AGE | {"data": [math.nan, 2]}
    head = json.dumps({"inputs": [binary, age, FOOD]}).encode()
    content = head + struct.pack("<2d", 1.5, 2.5)
    dialect = OpenInference()
    rows = dialect.read_with(dialect.reader(SIGNATURE), FramedBody.of(content, len(head))).rows
    np.testing.assert_array_equal(rows.numbers, [[1.5, math.nan], [2.5, 2.0]])


values = st.recursive(
    st.floats() | st.text(st.sampled_from('NaInfity-"\\ \n')) | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.sampled_from('Na"\\')), inner, max_size=3),
)


@given(values)
def test_only_numbers_are_spelled(value):
    content = json.dumps(value).encode()
    spelled = spelled_as_json(content)

    def refuse(word):
        raise AssertionError(word)

    found = json.loads(content if spelled is None else spelled, parse_constant=refuse)
    assert found == json.loads(content, parse_constant=lambda word: None if word == "NaN" else float(word))


@given(st.text(st.sampled_from('NaInfity-"\\ \n')))
def test_any_bytes_are_read_to_their_end(text):
    content = text.encode()
    spelled = spelled_as_json(content)
    assert spelled is None or spelled.count(b"null") == content.count(b"NaN") - spelled.count(b"NaN")


pieces = st.lists(
    st.sampled_from(["NaN", "-Infinity", "Infinity", '"', "\\", '\\"', "1", ",", "[", "]", " ", "\0", "\1"])
)


@pytest.mark.parametrize("before", [0, 5_000], ids=["short", "long"])
@given(pieces | values.map(lambda value: [json.dumps(value)]))
def test_what_is_json_but_for_these_numbers_is_read_and_nothing_else_is(before, found):
    content = (" " * before + "".join(found)).encode()
    spelled = spelled_as_json(content)
    try:
        expected = json.loads(content, parse_constant=lambda word: None if word == "NaN" else float(word))
    except ValueError:
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(content if spelled is None else spelled)
    else:
        assert json.loads(content if spelled is None else spelled) == expected


@pytest.mark.parametrize("word", ["NaN", "null"])
def test_a_body_is_decoded_once_whatever_its_numbers_are(word):
    """A first attempt that fails costs as much again: bodies with NaN took seven times the CPU of plain ones."""
    contents = []
    read = JsonRows().reader(SIGNATURE)

    def counted(content):
        contents.append(content)
        return read(content)

    JsonRows().read_with(counted, b'{"row": {"size": %b, "age": 1, "food": "NaN"}}' % word.encode())
    assert contents == [b'{"row": {"size": null, "age": 1, "food": "NaN"}}']
