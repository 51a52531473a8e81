"""Templates of annotations and labels."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.promql import Expression, PromqlError, SeriesInMemory, VectorSample, expand
from core.promql.go_time import in_zone
from core.promql.templates import check_template

FOUND = [VectorSample((("model", "b"),), 2.0), VectorSample((("model", "a"),), 1.0)]


def filled(template: str, value: float = 1234.5) -> str:
    """Expand for an alert of the model `rates`."""
    return expand(
        template, labels={"model": "rates"}, value=value, external_labels={"site": "x"}, query=lambda text: FOUND
    )


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ $labels.model }} {{ .Labels.model }} {{ $value }} {{ .Value }}", "rates rates 1234.5 1234.5"),
        ("{{ $labels.none }}|{{ $externalLabels.site }}", "|x"),
        ('{{ if gt $value 1000.0 }}high{{ else }}low{{ end }}', "high"),
        ('{{ if eq $labels.model "x" }}1{{ else if eq $labels.model "rates" }}2{{ end }}', "2"),
        ("a {{- 1 -}} b {{/* nothing */}}c", "a1b c"),
        ('{{ printf "%.2f|%5s|%-5s|%d|%q|%v" $value "a" "b" 3 "c" 1.0 }}', '1234.50|    a|b    |3|"c"|1'),
        ("{{ humanize $value }} {{ humanize1024 $value }} {{ 0.00012 | humanize }}", "1.234k 1.206ki 120u"),
        ("{{ humanizeDuration 3723 }} {{ humanizeDuration 0.2 }}", "1h 2m 3s 200ms"),
        ("{{ humanizePercentage 0.1234 }}", "12.34%"),
        ("{{ humanizeTimestamp 1.5 }}", "1970-01-01 00:00:01.5 +0000 UTC"),
        ('{{ "aB cd" | title }} {{ toUpper "a" }} {{ toLower "A" }} {{ match "^a+$" "aa" }}', "AB Cd A a true"),
        ('{{ reReplaceAll "(a+)b" "<$1>" "aab" }}', "<aa>"),
        ('{{ query "x" | first | value }} {{ with query "x" }}{{ . | first | label "model" }}{{ end }}', "2 b"),
        ('{{ range query "x" | sortByLabel "model" }}{{ .Labels.model }}={{ .Value }};{{ end }}', "a=1;b=2;"),
        ("{{ range $name, $text := $labels }}{{ $name }}={{ $text }}{{ end }}", "model=rates"),
        ("{{ $x := 3 }}{{ if true }}{{ $x = 4 }}{{ end }}{{ $x }}", "4"),
        ("{{ printf `%.3g` $value }}", "1.23e+03"),
    ],
)  # fmt: skip
def test_a_template_is_filled_in_as_prometheus_does(template, expected):
    assert filled(template) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (999999, "999999"), (1e6, "1e+06"), (1.5e6, "1.5e+06"), (123456789, "1.23456789e+08"), (-1500000, "-1.5e+06"),
        (123456.789, "123456.789"), (1e20, "1e+20"), (12345678901234567890, "1.2345678901234567e+19"),
        (2.5e21, "2.5e+21"), (0.0001, "0.0001"), (0.00001, "1e-05"), (1e-7, "1e-07"), (1e300, "1e+300"), (0.1, "0.1"),
    ],
)  # fmt: skip
def test_a_number_is_printed_as_promtool_prints_it(value, expected):
    assert filled("{{ $value }}", float(value)) == expected
    assert filled('{{ printf "%v %g" $value $value }}', float(value)) == f"{expected} {expected}"


@pytest.mark.parametrize(
    ("template", "offset"),
    [
        ("{{ $labels.x", 0),
        ("ab {{ none 1 }}", 6),
        ("{{ $none }}", 3),
        ("{{ if true }}x", 3),
        ("x{{ end }}", 4),
        ("{{ humanize }}", 3),
        ('{{ "a }}', 3),
        ('{{ template "x" }}', 12),
        ("a {{ call 1 }}", 5),
        ('{{ tmpl "x" 1 }}', 3),
    ],
)
def test_a_template_that_cannot_be_read_is_refused_with_its_offset(template, offset):
    with pytest.raises(PromqlError) as refused:
        check_template(template)
    assert refused.value.offset == offset


PIECES = st.sampled_from(
    [
        "{{",
        "}}",
        "{{-",
        "-}}",
        "$",
        ".",
        "|",
        "(",
        ")",
        ":=",
        "=",
        ",",
        "if",
        "else",
        "end",
        "range",
        "with",
        "$labels",
        ".Value",
        "humanize",
        "printf",
        "query",
        "first",
        "value",
        "1",
        "0x",
        "1e9",
        '"%d"',
        "`a",
        "x{",
        "=~",
        "[",
        "5m",
        "]",
        ":",
        "offset",
        "@",
        "rate",
        "sum",
        "by",
        "on",
        "group_left",
        "ignoring",
        "topk",
        '"(a+)+"',
        "-",
        "^",
        "and",
        "bool",
        "NaN",
        "time()",
        "label_replace",
        "\\",
        "'",
        "#",
    ]
)


@pytest.mark.fuzz
@given(st.lists(PIECES | st.text(max_size=3), max_size=20).map(" ".join))
def test_whatever_is_written_nothing_but_a_promql_error_comes_of_it(text):
    for act in (
        lambda: filled(text),
        lambda: filled("{{ " + text + " }}"),
        lambda: Expression.parse(text).at(SeriesInMemory([]), 0),
    ):
        try:
            act()
        except PromqlError:
            continue


def test_templates_that_call_themselves_end():
    deep = "{{ if true }}" * 45 + '{{ template "x" }}' + "{{ end }}" * 45
    for body in ('{{ template "x" }}', deep, '{{ template "x" }}{{ template "x" }}'):
        with pytest.raises(PromqlError, match=r"deep|more than"):
            filled(f'{{{{ define "x" }}}}{body}{{{{ end }}}}{{{{ template "x" }}}}')


@pytest.mark.parametrize("form", ["%[" + "9" * 5000 + "]d", "%" + "9" * 5000 + "d", "%." + "9" * 5000 + "f", "%*d"])
def test_printf_takes_any_number_of_digits(form):
    assert len(filled(f"{{{{ printf `{form}` 5 }}}}")) < 100


def test_printf_does_not_write_without_measure():
    with pytest.raises(PromqlError, match="more than"):
        filled("{{ printf `%1000000d%1000000d` 1 2 }}")


def test_a_text_that_doubles_without_end_is_refused():
    with pytest.raises(PromqlError, match="print makes more than 1048576 characters"):
        filled('{{ $x := "0123456789" }}' + "{{ $x = print $x $x }}" * 40)


@pytest.mark.parametrize("zone", ["Local", "America/New_York"])
def test_the_time_of_what_has_not_ended_is_none_west_of_utc(zone, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        with pytest.raises(PromqlError, match=f"is no time in the zone '{zone}'"):
            in_zone(datetime(1, 1, 1, tzinfo=UTC), zone)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ range 3 }}{{ . }}{{ end }}", "012"),
        ("{{ range $i := 2 }}{{ $i }};{{ end }}", "0;1;"),
        ("{{ range 0 }}a{{ else }}none{{ end }}{{ range -1 }}a{{ else }}none{{ end }}", "nonenone"),
        ("{{ range 5 }}{{ if eq . 2 }}{{ break }}{{ end }}{{ . }}{{ end }}", "01"),
    ],
)
def test_range_counts_as_go_does_since_1_22(template, expected):
    assert expand(template, labels={}, value=1.0) == expected


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{ range $i, $e := 3 }}{{ end }}", "can't use 3 to iterate over more than one variable"),
        ("{{ range 1000000000 }}{{ end }}", "runs more than 100000 actions"),
        ("{{ range 1.5 }}{{ end }}", "can't iterate over 1.5"),
        ("{{ range true }}{{ end }}", "can't iterate over true"),
    ],
)
def test_range_over_another_number_is_refused(template, problem):
    with pytest.raises(PromqlError, match=problem):
        expand(template, labels={}, value=1.0)


def test_a_long_chain_of_else_if_is_no_nesting():
    cases = "".join(f'{{{{ else if eq $labels.model "{i}" }}}}{i}' for i in range(900))
    rest = "{{ else if $x := $labels.model }}{{ $x }}!{{ else }}-{{ end }}"
    chain = f"{{{{ if $labels.none }}}}{cases}{rest}"
    assert expand(chain, labels={"model": "899"}, value=1.0) == "899"
    assert expand(chain, labels={"model": "rates"}, value=1.0) == "rates!"
    assert expand(chain, labels={}, value=1.0) == "-"
