import math
from datetime import UTC, date, datetime
from enum import Enum, StrEnum
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.state import UnstorableValueError
from core.state.encoding import Speller, decode, plain


class Colour(Enum):
    RED = "red"


class Stage(StrEnum):
    STAGING = "Staging"


def a_table_with(value):
    return {"versions": {"1": {"metrics": {"r2": value}}}}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        pytest.param(math.nan, "is nan", id="not a number"),
        pytest.param(-math.inf, "is -inf", id="infinite"),
        pytest.param([0.5, {"deep": math.nan}], "[1].deep is nan", id="not a number, deep down"),
        pytest.param(datetime.now(UTC), "datetime", id="an instant"),
        pytest.param(date.today(), "date", id="a day"),
        pytest.param(uuid4(), "UUID", id="a UUID, which orjson would spell out"),
        pytest.param(Colour.RED, "Colour", id="an enum, which orjson would spell as its value"),
        pytest.param({1, 2}, "set", id="a set"),
        pytest.param(b"bytes", "bytes", id="bytes"),
        pytest.param({1: "a"}, "not text", id="a key that is a number"),
        pytest.param(2**64, "64 bits", id="too large a number"),
        pytest.param("\ud800", "Unicode", id="half a character"),
    ],
)
def test_a_value_that_json_would_change_is_refused_with_its_place(value, problem):
    with pytest.raises(UnstorableValueError, match=r"^versions 1\.metrics\.r2.*Nothing was stored") as refusal:
        plain({"metrics": {"r2": value}}, "versions 1")
    assert problem in str(refusal.value)


def test_a_recursive_or_too_deep_value_is_refused():
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(UnstorableValueError, match="contains itself"):
        plain(endless, "a list")
    deep: object = 1
    for _ in range(300):
        deep = [deep]
    with pytest.raises(UnstorableValueError, match=r"nested|JSON"):
        Speller().encode(a_table_with(plain(deep, "a list")))


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        pytest.param((1, (2, 3)), [1, [2, 3]], id="tuples become lists"),
        pytest.param(Stage.STAGING, "Staging", id="text enums become text"),
        pytest.param([None, True, "é", 0.1], [None, True, "é", 0.1], id="the rest stays as it is"),
    ],
)
def test_a_value_that_json_can_hold_reads_back_equal(value, stored):
    copied = plain(a_table_with(value), "")
    assert decode(Speller().encode(copied)) == copied == a_table_with(stored)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(st.characters(codec="utf-8")) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


def is_finite(value):
    match value:
        case float():
            return math.isfinite(value)
        case dict():
            return all(map(is_finite, value.values()))
        case list():
            return all(map(is_finite, value))
    return True


@given(json_values)
def test_every_tree_is_stored_exactly_or_refused(value):
    if is_finite(value):
        copied = plain(a_table_with(value), "")
        assert repr(decode(Speller().encode(copied))) == repr(copied) == repr(a_table_with(value))  # 1 is not True
    else:
        with pytest.raises(UnstorableValueError):
            plain(value, "")


@pytest.mark.parametrize(
    ("content", "damage"),
    [
        pytest.param(b"", "it is empty", id="empty"),
        pytest.param(b"\0" * 4096, "only 4,096 zero bytes", id="zeros, as after a power cut"),
        pytest.param(b'{"versions": {"1": {"mod', "not complete JSON", id="torn"),
        pytest.param(b'{"versions": {}}{"versions": {}}', "not complete JSON", id="two files in one"),
        pytest.param(b"\x89PNG\r\n", "not complete JSON", id="garbage"),
        pytest.param(b'{"a": {"1": {"x": "\xff\xfe"}}}', "not complete JSON", id="garbage inside a string"),
        pytest.param(b"[1, 2]", "a JSON list", id="another JSON file"),
        pytest.param(b'{"versions": [1]}', "'versions' is not an object", id="a table that is a list"),
        pytest.param(b'{"versions": {"one": {}}}', "'one'", id="a document without a number"),
        pytest.param(b'{"versions": {"1": 5}}', "'1'", id="a document that is a number"),
    ],
)
def test_damage_is_described(content, damage):
    with pytest.raises(ValueError, match=damage):
        decode(content)


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 9), max_size=4), max_size=8))
def test_unchanged_documents_are_encoded_equally_and_changed_documents_again(contents):
    """Tables that share documents with those before, as transactions leave them, and garbage that reuses identities."""
    speller, document = Speller(), {"name": "it stays"}
    for content in contents:
        tables = {
            "kept": {"1": document},
            **{f"table {name}": {str(number): {"number": number}} for name, number in content.items()},
        }
        assert decode(speller.encode(tables)) == tables
        assert speller.encode(tables) == Speller().encode(tables)
