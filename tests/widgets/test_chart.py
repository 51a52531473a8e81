from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.apps import settled
from widgets.chart import ChartView, Series, draw_chart, steady_end, y_range
from widgets.glyphs import ASCII, UNICODE
from widgets.line_chart import LineChart
from widgets.ticks import nice_ticks

# The same cases on every machine, however slow it is.
CALM = settings(deadline=None, derandomize=True)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=64)
POINTS = st.lists(st.tuples(st.floats(-1e12, 1e12), NUMBERS), max_size=20).map(tuple)


def curve(name: str, *values: float) -> Series:
    return Series(name, tuple((float(index), value) for index, value in enumerate(values, start=1)))


def text_of(*series: Series, width: int = 60, height: int = 12, glyphs=UNICODE) -> list[str]:
    return [line.text for line in draw_chart(series, width, height, x_title="epoch", y_title="loss", glyphs=glyphs)]


@CALM
@given(series=st.lists(POINTS, max_size=3), width=st.integers(0, 80), height=st.integers(0, 20))
def test_any_points_fit_any_box(series, width, height):
    lines = draw_chart([Series(str(index), points) for index, points in enumerate(series)], width, height)
    assert len(lines) <= height


@pytest.mark.parametrize(
    "series",
    [
        pytest.param([], id="no series"),
        pytest.param([Series("loss", ())], id="no point"),
        pytest.param([curve("loss", math.nan, math.inf)], id="no number"),
    ],
)
def test_a_chart_without_points_says_so(series):
    assert any("No data yet." in line.text for line in draw_chart(series, 60, 12))


def test_one_point_is_drawn_as_its_marker():
    assert sum(line.count("●") for line in text_of(curve("loss", 0.3))[1:]) == 1


def test_a_constant_series_is_a_level_line_in_the_middle():
    lines = text_of(curve("loss", 2.0, 2.0, 2.0))
    drawn = [index for index, line in enumerate(lines[1:-2]) if any("⠀" < character <= "⣿" for character in line)]
    assert len(drawn) == 1
    assert 3 <= drawn[0] <= 5


def test_a_gap_stays_a_gap():
    whole = "".join(text_of(curve("loss", 1, 1, 1, 1, 1)))
    gapped = "".join(text_of(curve("loss", 1, 1, math.nan, 1, 1)))
    dots = [sum("⠀" < character <= "⣿" for character in text) for text in (whole, gapped)]
    assert 0.3 * dots[0] < dots[1] < 0.7 * dots[0]


def test_series_differ_by_marker_and_by_tone():
    lines = draw_chart([curve("train", 3, 2, 1), curve("valid", 3, 2.5, 2)], 60, 12)
    assert "● train 1" in lines[0].text
    assert "◆ valid 2" in lines[0].text
    tones = {tone for line in lines for text, tone in line.spans if text.strip()}
    assert {"series-1", "series-2"} <= tones
    body = "".join(line.text for line in lines[1:])
    assert body.count("●") == body.count("◆") == 1


def test_the_axes_are_labelled():
    lines = text_of(curve("loss", *[1 / epoch for epoch in range(1, 101)]))
    assert lines[-1].split() == ["1", "epoch", "100"]
    assert any(line.strip().startswith("0.5 ┤") for line in lines)


def test_a_plain_chart_is_plain():
    assert all(line.isascii() for line in text_of(curve("a", 1, 2), curve("b", 2, 1), glyphs=ASCII))


def test_without_room_for_a_plot_the_newest_values_are_shown():
    assert text_of(curve("loss", 3, 2, 1), width=14, height=3) == ["● loss 1"]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0.61, 0.93, [0.65, 0.7, 0.75, 0.8, 0.85, 0.9]), (-5, 5, [-4, -2, 0, 2, 4])],
)
def test_ticks_are_round_numbers(low, high, ticks):
    assert nice_ticks(low, high, 7) == pytest.approx(ticks)


async def test_a_chart_that_grows_sends_only_what_changed(stage):
    chart = LineChart(x_title="epoch")
    app = stage(chart)
    values = [1 / epoch for epoch in range(1, 51)]
    async with app.run_test(size=(80, 24)) as pilot:
        chart.set_series([curve("loss", *values)])
        await settled(pilot)
        app.forget()
        chart.set_series([curve("loss", *values)])
        await settled(pilot)
        assert app.n_bytes == 0
        chart.set_series([curve("loss", *values[:-1], values[-1] * 1.01)])
        await settled(pilot)
        assert app.n_bytes < 200


DECADES = Series("loss", tuple((float(step), 10.0**-step) for step in range(5)))


def test_a_logarithmic_axis_has_its_powers_as_ticks_and_leaves_gaps_below_zero():
    drawn = [line.text for line in draw_chart([DECADES], 40, 12, view=ChartView(is_log=True))]
    assert [label for label in ("1 ", "0.1", "0.01", "0.001") if any(label in line for line in drawn)] == [
        "1 ",
        "0.1",
        "0.01",
        "0.001",
    ]
    below = Series("loss", ((0.0, -1.0), (1.0, 0.0)))
    assert "No data yet." in draw_chart([below], 40, 12, view=ChartView(is_log=True))[5].text


def test_the_axis_includes_zero_or_keeps_a_fixed_range():
    high = Series("score", ((0.0, 90.0), (1.0, 100.0)))
    assert y_range([high], ChartView(from_zero=True)) == (0.0, 100.5)
    fixed = draw_chart([high], 40, 12, view=ChartView(y_range=(0.0, 500.0)))
    assert any(line.text.startswith("400 ") for line in fixed)


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_the_cursor_is_a_line_at_the_nearest_value_and_the_legend_shows_the_values_there(glyphs):
    other = Series("other", ((1.0, 0.5), (4.0, 0.25)))
    drawn = draw_chart([DECADES, other], 60, 12, glyphs=glyphs, view=ChartView(cursor=1.2))
    assert "loss 0.1" in drawn[0].text
    assert "other 0.5" in drawn[0].text
    spans = [span for line in drawn for span in line.spans]
    assert sum(text.startswith(glyphs.upright) and tone == "accent" for text, tone in spans) > 5
    without = draw_chart([DECADES, other], 60, 12, glyphs=glyphs, view=ChartView(cursor=2.0))
    assert "other –" in without[0].text


def test_the_span_that_is_named_is_the_span_that_is_drawn():
    two_minutes = Series("CPU", ((-2.0, 50.0), (0.0, 60.0)))
    lines = draw_chart([two_minutes], 60, 12, x_title="min", view=ChartView(x_range=(-10.0, 0.0), y_range=(0.0, 100.0)))
    drawn = [index for line in lines[1:-2] for index, sign in enumerate(line.text) if sign not in " │┤0123456789"]

    assert lines[-1].text.split() == ["-10", "min", "0"]
    assert min(drawn) > 40, "eight of ten minutes were not measured"
    assert lines[1].text.strip().startswith("100") or lines[1].text.strip() == "┤"


def test_a_single_epoch_stands_on_a_whole_epoch():
    lines = draw_chart([Series("spread", ((1.0, 50.0),))], 60, 12, x_title="epoch")
    assert lines[-1].text.split() == ["1", "epoch", "2"]


def test_a_legend_of_long_names_tells_them_apart_and_the_unit_goes_below_the_axis():
    names = ["spread", *(f"emea_investment_grade_spread_model_{number:02d}" for number in range(3))]
    series = [Series(name, ((1.0, 1.0), (2.0, 2.0))) for name in names]
    legend, *_, labels = draw_chart(series, 72, 12, x_title="epoch", y_title="% of the best")

    assert "● spread  " in legend.text
    assert legend.width <= 72
    assert all(f"_{number:02d}" in legend.text for number in range(3))
    assert "epoch (y: % of the best)" in labels.text


def test_a_legend_leaves_out_the_word_that_its_names_have_in_common():
    series = [Series(name, ((1.0, 1.0), (2.0, 2.0))) for name in ("etrm_risk", "etrm_breach", "spread")]
    legend, *_ = draw_chart(series, 34, 12)

    assert legend.text == "● …risk  ◆ …breach  ▲ spread"


@pytest.mark.parametrize(
    ("most", "end"), [(None, "16"), (12.0, "12"), (14.0, "14"), (40.0, "16"), (3.0, "12")], ids=lambda value: f"{value}"
)
def test_an_axis_that_grows_in_steps_ends_where_no_further_epoch_can_be(most, end):
    view = ChartView(is_steady=True, most_x=most)
    axis = draw_chart([curve("loss", *range(12))], 60, 12, view=view)[-1].text
    assert axis.split()[-1] == end


def test_a_steady_axis_ends_at_most_an_eighth_beyond_its_points_or_at_the_next_eight():
    for newest in range(1, 3000):
        assert newest <= steady_end(newest) < newest + max(8, newest / 8)


async def test_a_chart_with_a_gap_is_drawn_again_only_when_it_changes(stage, monkeypatch):
    drawn: list[int] = []

    def noting(series, *arguments, **options):
        drawn.append(len(series[0].points) if series else 0)
        return draw_chart(series, *arguments, **options)

    monkeypatch.setattr("widgets.line_chart.draw_chart", noting)
    chart = LineChart()
    app = stage(chart)
    async with app.run_test(size=(60, 12)) as pilot:
        for n_points, n_drawings in ((3, None), (3, 0), (4, 1), (4, 0)):
            drawn.clear()
            chart.set_series([curve("loss", 3.0, float("nan"), *(2.0 - number / 7 for number in range(n_points)))])
            await settled(pilot)
            assert n_drawings is None or len(drawn) == n_drawings
        drawn.clear()
        chart.set_series([curve("loss", float("nan"), 3.0, *(2.0 - number / 7 for number in range(4)))])
        await settled(pilot)
        assert len(drawn) == 1, "the gap is elsewhere"
