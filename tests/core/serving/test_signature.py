"""Requests are validated against the model's signature, and errors name the field."""

import msgspec
import numpy as np
import pytest

from core.explain.deny_list import DenyList
from core.models.scoring.fields import Field, Rows
from core.serving.dialects import JsonRows, OpenInference, TfServing
from core.serving.errors import BadRequestError, CallerFaultError
from core.serving.scoring.frames import frame_of
from core.serving.signature import OpenSignature, ServingSignature

SIGNATURE = ServingSignature(
    [
        Field(name="rating_num", kind="int", least=0, most=21),
        Field(name="leverage", kind="float", nullable=True, least=0),
        Field(name="callable", kind="bool"),
        Field(name="sector", kind="category", categories=("energy", "utilities")),
        Field(name="country", kind="category", categories=("FR", "PL"), nullable=True),
        Field(name="issued", kind="date", required=False),
    ]
)
SOUND = {"rating_num": 8, "leverage": 2.5, "callable": True, "sector": "energy", "country": None}
WRONG = [
    pytest.param({"rating_num": "8"}, "rating_num", "expected a whole number, got str", id="a text for a number"),
    pytest.param({"rating_num": 8.5}, "rating_num", "whole number", id="a fraction for a whole number"),
    pytest.param({"rating_num": 22}, "rating_num", "<= 21", id="above the range"),
    pytest.param({"leverage": -0.1}, "leverage", ">= 0", id="below the range"),
    pytest.param({"rating_num": True}, "rating_num", "bool", id="a flag for a number"),
    pytest.param({"rating_num": None}, "rating_num", "null", id="nothing where nothing must not be"),
    pytest.param({"callable": 2}, "callable", "<= 1", id="a number that is no flag"),
    pytest.param({"callable": 0.5}, "callable", "expected", id="a fraction for a flag"),
    pytest.param({"callable": "yes"}, "callable", "got str", id="a text for a flag"),
    pytest.param({"sector": "banks"}, "sector", "choose from energy, utilities", id="a category nobody knows"),
    pytest.param({"sector": 3}, "sector", "str", id="a number for a text"),
    pytest.param({"issued": "yesterday"}, "issued", "matching regex", id="no date"),
]


def one_row(dialect, row):
    body = {
        "rows": {"rows": [row]},
        "tf_serving": {"instances": [row]},
        "open_inference": {"inputs": [tensor(name, value) for name, value in row.items()]},
    }[dialect.name]
    return dialect.reader(SIGNATURE)(msgspec.json.encode(body))


def tensor(name, value):
    kinds = {"rating_num": "INT64", "leverage": "FP64", "callable": "BOOL"}
    return {"name": name, "shape": [1], "datatype": kinds.get(name, "BYTES"), "data": [value]}


@pytest.mark.parametrize("dialect", [JsonRows(), TfServing(), OpenInference()], ids=lambda dialect: dialect.name)
class TestEveryDialect:
    def test_reads_a_valid_row(self, dialect):
        rows = one_row(dialect, SOUND | {"issued": "2024-05-01"}).rows
        assert rows.numbers.tolist() == [[8.0, 2.5, 1.0]]
        assert list(rows.texts) == [("energy", None, "2024-05-01")]

    def test_reads_null_as_nan(self, dialect):
        rows = one_row(dialect, SOUND | {"leverage": None}).rows
        assert rows.numbers[0, 1] != rows.numbers[0, 1]

    def test_ignores_names_that_the_model_does_not_read_except_of_tensors(self, dialect):
        if dialect.name == "open_inference":
            with pytest.raises(BadRequestError, match="colour is not a tensor of the model; it takes rating_num, leve"):
                one_row(dialect, SOUND | {"colour": "blue"})
        else:
            assert len(one_row(dialect, SOUND | {"colour": "blue"}).rows) == 1

    @pytest.mark.parametrize("flag", [True, 1, 1.0])
    def test_reads_a_flag_in_every_form_of_a_number(self, dialect, flag):
        assert one_row(dialect, SOUND | {"callable": flag}).rows.numbers.tolist() == [[8.0, 2.5, 1.0]]

    @pytest.mark.parametrize(("change", "name", "sentence"), WRONG)
    def test_names_the_invalid_field(self, dialect, change, name, sentence):
        with pytest.raises(BadRequestError) as refused:
            one_row(dialect, SOUND | change)
        assert refused.value.field == name
        assert sentence in str(refused.value)

    @pytest.mark.parametrize("name", ["rating_num", "leverage", "country"])
    def test_names_a_missing_field_even_if_it_is_nullable(self, dialect, name):
        with pytest.raises(BadRequestError) as refused:
            one_row(dialect, {key: value for key, value in SOUND.items() if key != name})
        assert refused.value.field == name
        assert "is missing" in str(refused.value)

    @pytest.mark.parametrize(
        "content",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(b"{", id="half an object"),
            pytest.param(b"[]", id="a list"),
            pytest.param(b"\xff\xfe", id="no UTF-8"),
            pytest.param(b"{}", id="an empty object"),
            pytest.param(b'{"rows": [[1]], "instances": [[1]], "inputs": [[1]]}', id="rows that are no objects"),
            pytest.param(b"[" * 100_000, id="deeper than anything"),
        ],
    )
    def test_refuses_an_invalid_request(self, dialect, content):
        with pytest.raises(BadRequestError):
            dialect.reader(SIGNATURE)(content)


@pytest.mark.parametrize("datatype", ["BOOL", "INT8", "UINT64", "FP16", "FP32", "FP64"])
def test_a_tensor_of_any_numbers_may_hold_flags(datatype):
    inputs = [tensor(name, value) for name, value in SOUND.items()]
    inputs[2] |= {"datatype": datatype, "data": [1.0]}
    for shape in ([1], [1, 1]):
        inputs[2]["shape"] = shape
        found = OpenInference().reader(SIGNATURE)(msgspec.json.encode({"inputs": inputs}))
        assert found.rows.numbers.tolist() == [[8.0, 2.5, 1.0]]


@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        (2, "expected true, false, 0 or 1 <= 1.0"),
        (0.5, "expected true, false, 0 or 1 (at"),
        ("yes", "expected true, false, 0 or 1, got str"),
    ],
)
def test_a_refusal_says_what_a_flag_may_be(flag, sentence):
    with pytest.raises(BadRequestError) as refused:
        one_row(JsonRows(), SOUND | {"callable": flag})
    assert sentence in str(refused.value)


def test_tf_columns_may_be_lists_scalars_or_columns_of_one():
    reader = TfServing().reader(SIGNATURE)
    flat = reader(msgspec.json.encode({"inputs": {name: [value, value] for name, value in SOUND.items()}}))
    nested = reader(msgspec.json.encode({"inputs": {name: [[value], [value]] for name, value in SOUND.items()}}))
    scalar = reader(msgspec.json.encode({"inputs": SOUND}))
    assert flat.rows.numbers.tolist() == nested.rows.numbers.tolist() == [[8.0, 2.5, 1.0]] * 2
    assert scalar.rows.numbers.tolist() == [[8.0, 2.5, 1.0]]


def test_tf_columns_of_different_lengths_are_refused():
    columns = {name: [value] for name, value in SOUND.items()} | {"leverage": [1.0, 2.0]}
    with pytest.raises(BadRequestError, match="leverage has 2 values where rating_num has 1"):
        TfServing().reader(SIGNATURE)(msgspec.json.encode({"inputs": columns}))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param({"shape": [2]}, "its shape", id="a shape that does not go with the data"),
        pytest.param({"shape": [1, 2]}, r"\[n\] or \[n, 1\]", id="a matrix for a column"),
        pytest.param({"datatype": "BYTES"}, "datatype", id="texts for numbers"),
        pytest.param({"datatype": "FP61"}, "datatype", id="a datatype there is not"),
    ],
)
def test_tensors_that_contradict_themselves_are_refused(change, sentence):
    inputs = [tensor(name, value) for name, value in SOUND.items()]
    inputs[1] |= change
    with pytest.raises(BadRequestError, match=sentence):
        OpenInference().reader(SIGNATURE)(msgspec.json.encode({"inputs": inputs}))


class TestAMatrix:
    numbers = ServingSignature([Field(name="a", kind="float"), Field(name="b", kind="int")])

    def read(self, data, shape, signature=None):
        tensor = {"name": "input-0", "shape": shape, "datatype": "FP32", "data": data}
        return OpenInference().reader(signature or self.numbers)(msgspec.json.encode({"inputs": [tensor]}))

    @pytest.mark.parametrize("data", [[1.5, 2, 3.5, 4], [[1.5, 2], [3.5, 4]]], ids=["flat", "nested"])
    def test_is_read_if_all_fields_are_numbers(self, data):
        assert self.read(data, [2, 2]).rows.numbers.tolist() == [[1.5, 2.0], [3.5, 4.0]]

    def test_is_refused_if_a_field_is_text(self):
        with pytest.raises(BadRequestError, match="sector is a text field"):
            self.read([[1.0, 2.0]], [1, 2], SIGNATURE)

    def test_of_the_wrong_width_is_refused(self):
        with pytest.raises(BadRequestError, match="reads 2 columns"):
            self.read([[1.0, 2.0, 3.0]], [1, 3])


def test_values_outside_the_training_data_are_answered_and_counted():
    signature = ServingSignature(
        [
            Field(name="age", kind="float", least=18, most=90, strict=False),
            Field(name="job", kind="category", categories=("baker",), strict=False),
        ]
    )
    asked = JsonRows().reader(signature)(b'{"rows": [{"age": 17, "job": "pilot"}, {"age": 30, "job": "baker"}]}')
    assert signature.n_unfamiliar(asked.rows) == {"age": 1, "job": 1}
    signature.denied = lambda: DenyList(["a*"])
    assert signature.n_unfamiliar(asked.rows) == {"job": 1}


def test_columns_may_have_any_name():
    signature = ServingSignature([Field(name="class", kind="float"), Field(name="größe (cm)", kind="float")])
    asked = JsonRows().reader(signature)('{"row": {"class": 1, "größe (cm)": 2}}'.encode())
    assert asked.rows.numbers.tolist() == [[1.0, 2.0]]


def test_a_model_without_declared_fields_accepts_any_row():
    asked = JsonRows().reader(OpenSignature())(b'{"rows": [{"a": 1, "b": "x"}]}')
    assert list(asked.rows.texts) == [{"a": 1, "b": "x"}]
    columns = TfServing().reader(OpenSignature())(b'{"inputs": {"a": [1, 2]}}')
    assert list(columns.rows.texts) == [{"a": 1}, {"a": 2}]


OPTIONAL = ({}, {"issued": "2026-01-02"}, {"issued": None})


@pytest.mark.parametrize("more", OPTIONAL)
@pytest.mark.parametrize("dialect", [JsonRows(), TfServing(), OpenInference()], ids=lambda dialect: dialect.name)
def test_a_sound_request_is_not_read_twice_to_find_keys_that_occur_twice(dialect, more, monkeypatch):
    def again(*_, **__):
        raise AssertionError("it is read again")

    monkeypatch.setattr("json.loads", again)
    assert len(one_row(dialect, SOUND | more).rows) == 1


@pytest.mark.parametrize("dialect", [JsonRows(), TfServing()], ids=lambda dialect: dialect.name)
def test_an_optional_key_that_stands_in_for_an_absent_one_is_found_twice(dialect):
    signature = ServingSignature([Field(name=name, kind="float", required=False) for name in "ab"])
    for pair in (b'"a": 1, "a": 2', b'"a": null, "a": 2', b'"a": 1, "a": null'):
        body = b'{"instances": [{%b}]}' if dialect.name == "tf_serving" else b'{"rows": [{%b}]}'
        with pytest.raises(CallerFaultError, match="the key 'a' twice"):
            dialect.reader(signature)(body % pair)


@pytest.mark.parametrize("wrong", [{"rating_num": "8"}, {"rating_num": 8.5}, {"sector": 3}, {"callable": 2}])
def test_a_row_of_tensors_is_refused_as_several_rows_are(wrong):
    row = SOUND | wrong
    tensors = [{**tensor(name, value), "shape": [2], "data": [value, value]} for name, value in row.items()]
    alone = {"inputs": [tensor(name, value) for name, value in row.items()]}
    messages = []
    for body in (alone, {"inputs": tensors}):
        with pytest.raises(BadRequestError) as refused:
            OpenInference().reader(SIGNATURE)(msgspec.json.encode(body))
        messages.append(str(refused.value).split(" (at ")[0])
    assert messages[0] == messages[1]


class TestDeniedColumns:
    """What is refused stays refused; the sentence shows no range, category or value of the column."""

    @pytest.fixture
    def signature(self):
        found = ServingSignature(SIGNATURE.fields)
        found.denied = lambda: DenyList(["*"])
        return found

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"rating_num": 22}, "expected a whole number in the range that the model reads"),
            ({"rating_num": -1}, "expected a whole number in the range that the model reads"),
            ({"leverage": -0.25}, "expected float in the range that the model reads"),
            ({"sector": "banks"}, "has a value that the model does not know"),
            ({"callable": 2}, "expected true, false, 0 or 1 <= 1.0"),
            ({"rating_num": 8.5}, "expected a whole number (at"),
        ],
    )
    def test_a_refusal_names_the_field_alone(self, signature, change, sentence):
        content = msgspec.json.encode({"rows": [SOUND | change]})
        with pytest.raises(BadRequestError) as refused:
            JsonRows().reader(signature)(content)
        assert f"The field {next(iter(change))} {sentence}" in str(refused.value)
        assert not any(told in str(refused.value) for told in ("21", ">=", "banks", "energy"))

    def test_text_cells_and_dates_are_not_quoted(self, signature):
        with pytest.raises(BadRequestError, match=r"^The field leverage has a value; it must be a number\.$"):
            signature.convert_text({"leverage": ["4 times"]})
        with pytest.raises(BadRequestError, match=r"^The field issued has a value, which is not a date\.$"):
            frame_of(signature, Rows(np.array([[8, 2.5, 1]]), [("energy", None, "2024-02-31")]))

    def test_a_number_without_an_answer_is_not_quoted_nor_its_range(self, signature):
        with pytest.raises(CallerFaultError) as refused:
            signature.check_familiar(Rows(np.array([[1e300, 2.5, 1]]), [("energy", None, None)]))
        assert str(refused.value) == (
            "The field rating_num has a value, far from the training data: the model has no finite answer."
        )

    def test_a_description_has_the_kinds_alone(self, signature):
        assert signature.described_fields[0] == Field(name="rating_num", kind="int")
        assert [field.categories for field in signature.described_fields] == [()] * 6
        assert SIGNATURE.described_fields == SIGNATURE.fields
