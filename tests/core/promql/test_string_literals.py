"""Strings of PromQL: escapes, raw strings, and the places of their faults."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.promql import Expression, PromqlError
from core.promql.string_literals import literals, with_plain_strings, without_strings


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (r"`a\d`", r"a\d"),
        (r"`\`", "\\"),
        ("`a\nb\"'`", "a\nb\"'"),
        (r'"a\\d"', r"a\d"),
        (r"'it\'s'", "it's"),
        (r'"\x41\101\u00e9\U0001F600\t"', "AAé😀\t"),
        (r'"\xc3\xa9"', "é"),
        ('"#"', "#"),
    ],
)
def test_a_string_stands_for_its_value_in_every_place_of_an_expression(written, value):
    assert Expression.parse(written).root == Expression.parse(f" {written} # `").root
    assert [literal.text for literal in literals(written)] == [value]
    assert Expression.parse(f"x{{a={written}}}").root.matchers[1].value == value


def test_a_pattern_in_backticks_is_the_pattern_with_its_backslashes():
    assert Expression.parse(r"x{a=~`\d+\.b`}").root == Expression.parse(r'x{a=~"\\d+\\.b"}').root


@pytest.mark.parametrize(
    ("text", "offset", "words"),
    [
        (r'x{a="b\d"}', 6, r"\d is no escape: write \\d"),
        (r'"\400"', 1, "more than a byte"),
        (r'"\x4"', 1, "needs more digits"),
        (r'"\ud800"', 1, "no character"),
        (r'x or y{a="\xff"}', 9, "no UTF-8"),
        ("x{a=`b} + 1", 4, "not closed"),
        ('x{a="b\n"}', 4, "not closed"),
        ("'\\", 0, "not closed"),
        ("x + \\", 4, "Unexpected character"),
        ("'\\' \\", 0, "not closed"),
    ],
)
def test_a_string_that_cannot_be_read_is_refused_at_its_place(text, offset, words):
    with pytest.raises(PromqlError) as refused:
        Expression.parse(text)
    assert refused.value.offset == offset
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("topk(1, x) + topk(1e308, y)", 13),
        ('x{topk="topk(1"} + bottomk by (a) (-1e308, x)', 19),
        ("sum by (topk) (topk(Inf, x))", 15),
    ],
)
def test_a_number_of_series_that_is_none_is_refused_at_its_place(text, offset):
    with pytest.raises(PromqlError, match="keeps a number of series") as refused:
        Expression.parse(text)
    assert refused.value.offset == offset


@pytest.mark.fuzz
@given(st.text(alphabet="\"'`\\#ax4n8u0\n(){}é ", max_size=30))
def test_any_text_has_strings_or_an_error_at_a_place_within_it(text):
    found = strings_of(text)
    if isinstance(found, int):
        assert found in range(len(text))
        return
    assert len(without_strings(text)) == len(text)
    assert strings_of(with_plain_strings(text)) == found


def strings_of(text: str) -> list[str] | int | None:
    """Return the strings of a text, or where it cannot be read."""
    try:
        return [literal.text for literal in literals(text)]
    except PromqlError as error:
        return error.offset
