from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.apps import settled
from widgets.glyphs import ASCII
from widgets.line import Line
from widgets.live_table import Cell, Column, LiveTable, Row
from widgets.ordering import Order, sort_rows

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
COLUMNS = [
    Column("model", "MODEL", 10),
    Column("version", "VERSION", 8),
    Column("score", "SCORE", 6, align="right"),
    Column("age", "AGE", 4, align="right"),
    Column("note", "NOTE", 40, priority=1),
]


def row(key: str, version: str, score: float | None = None, hours: float | None = None, note: str = "") -> Row:
    since = None if hours is None else NOON - timedelta(hours=hours)
    text = "–" if score is None else f"{score:.1%}"
    return Row(key, (key, version, Cell(text, value=score), Cell("" if since is None else "1d", value=since), note))


ROWS = [
    row("b", "1.10.0", 0.9, 30),
    row("a", "1.9.0", 0.11, 25),
    row("d", "2.0.0", None, None),
    row("c", "1.9.0", float("nan"), 26),
]


def keys(rows: list[Row]) -> str:
    return "".join(row.key for row in rows)


@pytest.mark.parametrize(
    ("column", "descending", "expected"),
    [
        pytest.param(0, False, "abcd", id="words"),
        pytest.param(1, False, "acbd", id="versions as versions, equal ones as they stood"),
        pytest.param(1, True, "dbac", id="equal ones as they stood, downwards as well"),
        pytest.param(2, False, "abdc", id="numbers as numbers, the missing last"),
        pytest.param(2, True, "badc", id="the missing last, downwards as well"),
        pytest.param(3, False, "acbd", id="ages as times, the youngest first"),
        pytest.param(3, True, "bcad", id="the oldest first"),
    ],
)
def test_rows_are_sorted_by_what_their_cells_mean(column, descending, expected):
    assert keys(sort_rows(ROWS, column, descending=descending)) == expected


def test_words_with_an_order_of_their_own_follow_it():
    rows = [Row(word, (Cell(word, rank=rank),)) for rank, word in enumerate(["info", "warning", "critical"])]
    assert keys(sort_rows(rows, 0, descending=True)) == "criticalwarninginfo"


def test_a_cell_of_many_tones_is_sorted_by_its_text():
    rows = [Row(text, (Line(((text, ""),)),)) for text in ("b2", "b10", "a")]
    assert keys(sort_rows(rows, 0)) == "ab2b10"


@pytest.mark.parametrize(("glyphs", "arrow"), [(None, "▼"), (ASCII, ASCII.down)], ids=["unicode", "ascii"])
async def test_the_header_shows_the_column_and_the_direction(stage, glyphs, arrow):
    table = LiveTable(COLUMNS)
    app = stage(table, **({"glyphs": glyphs} if glyphs else {}))
    async with app.run_test(size=(60, 8)) as pilot:
        table.set_rows(ROWS)
        table.order = Order("score", descending=True)
        await settled(pilot)
        assert app.text()[0].split() == ["MODEL", "VERSION", f"SCORE{arrow}", "AGE"]


async def test_a_column_without_room_is_named_with_its_direction(stage):
    table = LiveTable(COLUMNS)
    async with stage(table).run_test(size=(60, 8)) as pilot:
        table.set_rows(ROWS)
        table.order = Order("note")
        await settled(pilot)
        assert table.order_out_of_sight == "by NOTE ▲"
        table.order = Order("age")
        assert table.order_out_of_sight == ""


async def test_the_cursor_stays_on_its_row_and_the_filter_stays(stage):
    table = LiveTable(COLUMNS)
    app = stage(table)
    async with app.run_test(size=(60, 8)) as pilot:
        table.set_rows(ROWS)
        table.move_to("b")
        await settled(pilot)
        app.forget()
        table.order = Order("model")
        table.filter_words = "1."
        await settled(pilot)
        assert (table.cursor_key, keys(list(table.rows))) == ("b", "abc")
        assert app.heard == []
        table.order = None
        assert keys(list(table.rows)) == "bac"


async def test_a_tick_of_a_sorted_list_sends_only_the_changed_cell(stage):
    table = LiveTable(COLUMNS)
    app = stage(table)
    async with app.run_test(size=(60, 24)) as pilot:
        rows = [row(f"r{index:02}", "1.0.0", index / 100, 1) for index in range(20)]
        table.order = Order("score", descending=True)
        table.set_rows(rows)
        await settled(pilot)
        app.forget()
        table.set_rows([*rows[:7], row("r07", "1.0.1", 0.07, 1), *rows[8:]])
        await settled(pilot)
        assert len(app.updates) == 1
        (span,) = app.updates[0].spans
        assert span[2] - span[1] == 1
        assert app.n_bytes < 60
