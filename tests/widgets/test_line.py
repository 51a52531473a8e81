from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cached_cell_len, cell_len

from widgets.line import Line, changed_ranges, clean, fit, fit_line, n_cells, shorten

# The same cases on every machine, however slow it is.
CALM = settings(deadline=None, derandomize=True)
TEXT = st.text(alphabet="ab 0.─●日本e\u0301", max_size=24)
SPANS = st.lists(st.tuples(TEXT, st.sampled_from(["", "good", "bad"])), max_size=5).map(tuple)


@CALM
@given(text=st.text(), width=st.integers(0, 30), align=st.sampled_from(["left", "right", "center"]))
def test_a_fitted_text_has_exactly_its_width(text, width, align):
    assert cell_len(fit(clean(text), width, align=align)) == width


@CALM
@given(text=st.text())
def test_a_cleaned_text_can_be_printed_on_one_line(text):
    assert clean(text).isprintable()


@CALM
@given(spans=SPANS, width=st.integers(1, 60))
def test_a_fitted_line_has_exactly_its_width_and_keeps_its_text(spans, width):
    line = fit_line(Line(spans), width)
    assert line.width == width
    if Line(spans).width <= width:
        assert line.text.rstrip() == Line(spans).text.rstrip()


@CALM
@given(old=SPANS, new=SPANS, width=st.integers(1, 60))
def test_cells_outside_the_changed_ranges_are_alike(old, new, width):
    before, after = fit_line(Line(old), width), fit_line(Line(new), width)
    ranges = changed_ranges(before, after)
    assert all(0 <= first < last <= width for first, last in ranges)
    changed = {cell for first, last in ranges for cell in range(first, last)}
    shown, wanted = cells_of(before), cells_of(after)
    assert all(shown[cell] == wanted[cell] for cell in range(width) if cell not in changed)


def cells_of(line: Line) -> list[tuple[str, str]]:
    """Say what stands in each terminal cell: a wide character in both of its cells, marks with their base."""
    cells: list[tuple[str, str]] = []
    for text, tone in line.spans:
        for character in text:
            size = cell_len(character)
            if size == 0 and cells:
                cells[-1] = (cells[-1][0] + character, cells[-1][1])
            cells.extend([(character, "" if character == " " else tone)] * size)
    return cells


@pytest.mark.parametrize(
    ("old", "new", "ranges"),
    [
        pytest.param("epoch 41", "epoch 41", [], id="nothing changed"),
        pytest.param("epoch 41", "epoch 42", [(7, 8)], id="one digit"),
        pytest.param("1" + " " * 20 + "1", "2" + " " * 20 + "2", [(0, 1), (21, 22)], id="far apart, two pieces"),
        pytest.param("1   1", "2   2", [(0, 5)], id="near, one piece"),
        pytest.param("   ", " \u0301日", [(0, 3)], id="a mark and a wide character make up for each other"),
        pytest.param("日本 1", "日本 2", [(5, 6)], id="behind wide characters"),
    ],
)
def test_changes_are_sent_in_as_few_bytes_as_sensible(old, new, ranges):
    assert changed_ranges(Line(((old, ""),)), Line(((new, ""),))) == ranges


def test_another_ground_changes_the_whole_line():
    assert changed_ranges(Line((("spread", ""),)), Line((("spread", ""),), "cursor")) == [(0, 6)]


def test_a_text_that_is_new_each_second_is_counted_and_not_remembered():
    before = cached_cell_len.cache_info().misses
    for second in range(100):
        line = Line(((f"round {second:03}", ""), (" of a session", "muted")))
        assert line.width == 22
        assert fit_line(line, 30).width == 30
        assert shorten(line.text, 40) == line.text
    assert cached_cell_len.cache_info().misses == before


@given(st.text(st.characters(exclude_categories=["C", "Z", "M"]), max_size=20))
def test_a_printable_text_takes_the_cells_that_rich_counts(text):
    assert n_cells(text) == cell_len(text)
