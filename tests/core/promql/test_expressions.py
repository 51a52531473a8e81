"""Expressions over series in memory."""

import re

import numpy as np
import pytest

from core.promql import STALE, Expression, PromqlError, SeriesInMemory, SeriesSamples, VectorSample
from core.promql.fault_place import place_of_fault
from core.promql.string_literals import without_strings
from tests.core.promql.test_prometheus import EXPRESSIONS

NOW = 600_000


def series(name: str, values: list[float], *, step_ms: int = 15_000, **labels: str) -> SeriesSamples:
    """Make a series that ends at NOW."""
    at_ms = NOW - step_ms * np.arange(len(values) - 1, -1, -1, dtype=np.int64)
    return SeriesSamples(tuple(sorted({"__name__": name, **labels}.items())), at_ms, np.array(values, dtype=float))


SOURCE = SeriesInMemory(
    [
        series("up", [1, 1, 0], job="a", instance="1"),
        series("up", [1, 1, 1], job="a", instance="2"),
        series("up", [1, STALE], job="b", instance="3"),
        series("requests", [0, 15, 30, 5, 20], job="a"),
        series("limit", [7], job="a"),
    ]
)


def values(text: str) -> list[tuple[dict[str, str], float]]:
    """Evaluate a vector at NOW."""
    result = Expression.parse(text).at(SOURCE, NOW)
    assert isinstance(result, list)
    return [(dict(sample.labels), sample.value) for sample in result]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            'up{instance="1"} == 0', [({"__name__": "up", "job": "a", "instance": "1"}, 0.0)], id="comparison"
        ),
        pytest.param("sum by (job) (up)", [({"job": "a"}, 1.0)], id="a stale series is no part of a sum"),
        pytest.param("resets(requests[5m])", [({"job": "a"}, 1.0)], id="a reset"),
        pytest.param('absent(none{x="y"})', [({"x": "y"}, 1.0)], id="absent"),
        pytest.param("max(up) * 3", [({}, 3.0)], id="arithmetic"),
        pytest.param(
            "up * on (job) group_left limit",
            [({"job": "a", "instance": "1"}, 0.0), ({"job": "a", "instance": "2"}, 7.0)],
            id="many to one",
        ),
    ],
)
def test_an_expression_is_evaluated_at_an_instant(text, expected):
    assert values(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "up @ -100", "up @ -0.4", "up @ -0x10", "up @ - 1e3", "up @ -5m", "up @ # comment\n -5", "up @ 253402300800",
        "rate(requests[5m] @ -3)", "max_over_time(up[5m:1m] @ -1)", "up @ -1e15", "up offset -1h @ -4000",
        "sum(up @ 300) + sum(up @ -.5)",
    ],
)  # fmt: skip
def test_an_instant_outside_the_times_that_the_parser_can_give_has_no_sample(text):
    assert values(text) == []
    assert values(f"absent({text})")[0][1] == 1.0


def test_each_selector_looks_at_the_instant_that_is_written_behind_it():
    at_ms = np.arange(-600, 601, 60, dtype=np.int64) * 1000
    source = SeriesInMemory([SeriesSamples((("__name__", "x"),), at_ms, at_ms / 1000)])
    text = 'topk(scalar(x @ 0) + 1, x @ -300) + on () max_over_time(x{a!="@ 5"}[2m:1m] @ -60) - on () x @ +540.5'
    [sample] = Expression.parse(text).at(source, 0)
    assert sample.value == -300 - 60 - 540
    assert Expression.parse("x @ start() + x @ -240").at(source, 60_000)[0].value == 60 - 240


def test_a_range_gives_the_values_of_each_instant():
    expression = Expression.parse("sum by (job) (up)")
    for one in expression.over(SOURCE, NOW - 60_000, NOW + 400_000, 20_000):
        for at_ms, value in zip(one.at_ms.tolist(), one.values.tolist(), strict=True):
            assert VectorSample(one.labels, value) in expression.at(SOURCE, at_ms)


@pytest.mark.parametrize(
    ("text", "part", "offset"),
    [
        pytest.param("sum(rat(x[5m]))", "unknown function with name 'rat'", 4, id="unknown function"),
        pytest.param("a + histogram_sum(x)", "histogram_sum is not evaluated by BondX", 4, id="no native histograms"),
        pytest.param("limitk(1, x)", "limitk is not evaluated", 0, id="aggregation"),
        pytest.param('x{a=~"(b+)+"}', "repeats a repeat", None, id="pattern that could run for ever"),
        pytest.param('x{a=~"(?=b)c"}', "egex", None, id="pattern that RE2 does not have"),
        pytest.param("sum(x", "nclosed", 5, id="open bracket"),
        pytest.param("", "empty", 0, id="nothing"),
        pytest.param("(" * 200 + "1" + ")" * 200, "nests more than", 100, id="too deep"),
        pytest.param("-" * 5_000 + "1", "operators", None, id="too many operators"),
        pytest.param("1 + up @ 1e30", "instant after @ is out of range", 7, id="an instant that no clock can show"),
        pytest.param("1 + up @ -1e30", "instant after @ is out of range", 7, id="one before the beginning of time"),
        pytest.param('{a=~".*"}', "at least one non-empty matcher", None, id="everything"),
    ],
)
def test_what_is_not_evaluated_is_refused_when_it_is_read(text, part, offset):
    with pytest.raises(PromqlError) as refused:
        Expression.parse(text)
    assert part.lower() in str(refused.value).lower()
    assert offset is None or refused.value.offset == offset


def test_alternatives_cost_no_more_than_the_dearest_of_them():
    devices = "(/dev/)?(mmcblk.p.+|nvme.+|rbd.+|sd.+|vd.+|xvd.+|dm-.+|md.+|dasd.+)"  # of the node rules in use
    source = SeriesInMemory([series("io", [n], device=name) for n, name in enumerate(("/dev/sda1", "loop0", "nvme0"))])
    found = Expression.parse(f'io{{device=~"{devices}"}}').at(source, NOW)
    assert [dict(sample.labels)["device"] for sample in found] == ["/dev/sda1", "nvme0"]


@pytest.mark.parametrize("pattern", ["(ab|a.|abc)" * 60, "(a.)?" * 60, ".*" * 7, "(a.*b.*|c.*)" * 4])
def test_what_could_be_tried_in_too_many_ways_is_refused(pattern):
    with pytest.raises(PromqlError, match=r"open repeats|too many alternatives"):
        Expression.parse(f'x{{a=~"{pattern}"}}')


@pytest.mark.parametrize(
    ("text", "part"),
    [
        pytest.param('{__name__=~"up|limit"} * on (job) group_left up', "many-to-many", id="many to many"),
        pytest.param("up + on (job) limit", "many-to-one", id="many to one must be named"),
        pytest.param('label_replace(up, "instance", "x", "", "")', "same labelset", id="equal labels"),
    ],
)
def test_series_that_do_not_allow_an_expression_are_named(text, part):
    with pytest.raises(PromqlError, match=part):
        Expression.parse(text).at(SOURCE, NOW)


def test_the_longest_look_back_counts_ranges_offsets_and_subqueries():
    assert Expression.parse("x").longest_ms == 300_000
    assert Expression.parse("rate(x[10m] offset 1h)").longest_ms == 4_200_000
    assert Expression.parse("max_over_time(rate(x[10m])[1h:1m])").longest_ms == 4_200_000


@pytest.mark.parametrize(
    ("text", "part", "offset"),
    [
        pytest.param(
            "count_over_time(vector(1)[100y:1ms])", "has 3,153,600,000,000 steps; it may have 1,000,000", 25, id="steps"
        ),
        pytest.param("absent_over_time(vector(1)[100y:1ms])", "3,153,600,000,000 steps", 26, id="steps of absent"),
        pytest.param(
            "count_over_time(count_over_time(vector(1)[1d:1s])[1d:1s]) > 0", "7,464,960,000 samples", 41, id="product"
        ),
        pytest.param(
            'x{a="[1h:1m]"} > quantile_over_time(scalar(max_over_time(x[1h:1m])), rate(x[5m])[100y:1s])',
            "steps",
            80,
            id="the place is that of the subquery, not of a string or of another subquery",
        ),
        pytest.param("sum(x) > topk(1e308, y)", "topk keeps a number of series: 1e+308 is none", 9, id="topk"),
        pytest.param("bottomk(NaN, y)", "bottomk keeps a number of series: nan is none", 0, id="bottomk"),
        pytest.param("max_over_time(max_over_time(x[1h:1h])[20d:1s])", "1,728,000 steps", 37, id="of the outer"),
    ],
)
def test_what_no_evaluation_could_afford_is_refused_when_it_is_read(text, part, offset):
    with pytest.raises(PromqlError) as refused:
        Expression.parse(text)
    assert part in str(refused.value)
    assert refused.value.offset == offset


@pytest.mark.parametrize(
    "text",
    [
        "max_over_time(rate(x[5m])[1d:15s])",
        "avg_over_time(max_over_time(rate(x[5m])[1h:1m])[1d:1m])",
        "quantile_over_time(0.9, rate(x[5m])[7d:1m])",
    ],
)
def test_subqueries_of_rules_in_use_are_affordable(text):
    Expression.parse(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("up ==", "The expression ends where another part of it is expected. (at character 6)"),
        ("foo bar", "bar is not expected here. (at character 5)"),
        ("sum by (a) up up", "up is not expected here. (at character 12)"),
        ('up{a="b c"} > > 3', "> is not expected here. (at character 15)"),
        ("topk(,a)", ", is not expected here. (at character 6)"),
    ],
)
def test_a_fault_that_the_parser_does_not_place_has_its_place(text, told):
    with pytest.raises(PromqlError) as refused:
        Expression.parse(text)
    assert str(refused.value) == told


def test_no_beginning_of_a_good_expression_is_taken_for_a_fault():
    for text in EXPRESSIONS:
        words = list(re.finditer(r"[A-Za-z0-9_:.]+|[=!]~|[<>=!]=|\S", without_strings(text)))
        for word in words[:-1]:
            place, _ = place_of_fault(text[: word.end()])
            assert place == word.end(), text
