"""The same value has the same pseudonym, another value another one, and nobody without the key finds either."""

import hmac
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.protection.pseudonyms import Pseudonyms, canonical_text

KEY = b"a key of sixteen"


@pytest.mark.parametrize(
    "value",
    [None, float("nan"), np.nan, np.float32("nan"), pd.NaT, pd.NA, np.datetime64("NaT")],
    ids=["None", "NaN", "NaN of numpy", "NaN of 32 bits", "NaT", "NA", "NaT of numpy"],
)
def test_a_missing_value_has_no_pseudonym(value):
    assert Pseudonyms(KEY).of(value, "name") is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("e\u0301", "\u00e9", id="an accent typed apart"),
        pytest.param("\u212b", "\u00c5", id="the sign of the angstrom"),
        pytest.param("\u1100\u1161", "\uac00", id="Hangul"),
        pytest.param(7, 7.0, id="whole and decimal"),
        pytest.param(np.int64(7), "7", id="number and text"),
        pytest.param(-0.0, 0, id="minus zero"),
        pytest.param(np.bool_(True), True, id="flags"),
        pytest.param(10**22, 1e22, id="beyond the whole numbers of a float"),
        pytest.param(date(2024, 5, 1), "2024-05-01", id="a day"),
        pytest.param(pd.Timestamp("2024-05-01 08:00"), datetime(2024, 5, 1, 8), id="a time"),
    ],
)
def test_a_value_read_in_two_ways_has_one_pseudonym(one, other):
    assert Pseudonyms(KEY).of(one, "name") == Pseudonyms(KEY).of(other, "name")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("7", "007", id="zeros in front"),
        pytest.param("Ana", "ana", id="case"),
        pytest.param("Ana", "Ana ", id="a space"),
        pytest.param("\ufb01", "fi", id="a ligature is another character"),
        pytest.param("true", "True", id="words"),
        pytest.param(Decimal("0.1"), Decimal("0.10000000000000001"), id="decimals"),
        pytest.param("\ud800", "\ud801", id="halves of characters"),
        pytest.param("", None, id="empty text is a value"),
    ],
)
def test_other_values_have_other_pseudonyms(one, other):
    assert Pseudonyms(KEY).of(one, "name") != Pseudonyms(KEY).of(other, "name")


def test_a_key_a_domain_and_a_value_give_the_hash_that_another_program_computes():
    own = hmac.digest(KEY, b"bondx pseudonyms 1\0", "sha256")
    content = (4).to_bytes(8, "big") + b"name" + b"Ana"
    assert Pseudonyms(KEY).of("Ana", "name") == "p" + hmac.digest(own, content, "sha256").hex()[:32]


def test_a_pseudonym_depends_on_key_domain_and_value():
    found = {Pseudonyms(key).of(value, domain) for key in (KEY, b"b" * 16) for domain in "xy" for value in ("1", "2")}
    assert len(found) == 8


def test_names_of_a_domain_that_look_the_same_are_one_domain():
    names = Pseudonyms(KEY)
    assert names.of("Ana", "pre\u0301nom") == names.of("Ana", "pr\u00e9nom\u200b") == names.of("Ana", "pr\u00e9nom")


def test_the_end_of_a_domain_and_the_start_of_a_value_are_not_mixed_up():
    names = Pseudonyms(KEY)
    assert names.of("bc", "a") != names.of("c", "ab")


def test_half_a_million_values_have_as_many_pseudonyms():
    names = Pseudonyms(KEY)
    values = [f"customer {n}" for n in range(250_000)] + list(range(250_000))
    assert len(set(names.of_each(values, "customer").values())) == 500_000


def test_no_pseudonym_is_read_as_a_number():
    names = Pseudonyms(KEY)
    with_digits = [names.of(n, "customer") for n in range(2_000)]
    for each in with_digits:
        with pytest.raises(ValueError, match="could not convert"):
            float(each)


@given(st.one_of(st.text(), st.integers(), st.floats(allow_nan=False), st.booleans()))
def test_any_value_has_a_text_that_stays_the_same(value):
    found = canonical_text(value)
    assert found is not None
    assert canonical_text(found) == found
    assert len(Pseudonyms(KEY).of(value, "x")) == 33
