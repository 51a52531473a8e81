from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.apps import pressed, settled
from widgets.columns import fit_columns
from widgets.live_table import Cell, Column, LiveTable, Row
from widgets.short_numbers import shorter_number
from widgets.textual_internals import write_frame

CALM = settings(deadline=None, derandomize=True)
COLUMNS = [
    Column("model", "MODEL", 10),
    Column("version", "VERSION", 8),
    Column("score", "SCORE", 7, align="right"),
    Column("note", "NOTE", 12, flex=1, priority=1),
]


def rows(n_rows: int = 3, **changes: str) -> list[Row]:
    return [
        Row(f"r{index}", (f"model{index}", "1.0.0", Cell(changes.get(f"r{index}", "0.900"), "good"), "steady"))
        for index in range(n_rows)
    ]


async def test_rows_stand_in_fixed_columns_below_their_titles(stage):
    table = LiveTable(COLUMNS)
    app = stage(table)
    async with app.run_test(size=(60, 6)) as pilot:
        table.set_rows(rows())
        await settled(pilot)
        header, first = app.text()[:2]
        assert header.split() == ["MODEL", "VERSION", "SCORE", "NOTE"]
        assert first.index("1.0.0") == header.index("VERSION")
        assert first.index("0.900") + 5 == header.index("SCORE") + 5


async def test_a_table_that_changes_remembers_no_more_regions(stage):
    table = LiveTable(COLUMNS)
    app = stage(table)
    async with app.run_test(size=(80, 24)) as pilot:
        for step in range(40):  # another cell each time
            table.set_rows(rows(20, **{f"r{step % 20}": f"0.{step:03}"}))
            await settled(pilot)
        assert len(table._dirty_regions) <= 1
        assert len(table._repaint_regions) <= 1


async def test_only_the_changed_cell_is_sent(stage):
    table = LiveTable(COLUMNS)
    app = stage(table)
    async with app.run_test(size=(80, 24)) as pilot:
        table.set_rows(rows(20))
        await settled(pilot)
        app.forget()
        table.set_rows(rows(20, r7="0.907"))
        await settled(pilot)
        assert len(app.updates) == 1
        (span,) = app.updates[0].spans
        y, first, last = span
        assert (y, last - first) == (8, 1)  # one digit of one cell, in the eighth row below the header
        assert app.n_bytes < 60


async def test_rows_that_are_the_same_are_not_laid_out_again(stage, monkeypatch):
    table = LiveTable(COLUMNS)
    app = stage(table)
    async with app.run_test(size=(80, 24)) as pilot:
        table.set_rows(same := rows(20))
        await settled(pilot)
        with monkeypatch.context() as patch:
            patch.setattr(LiveTable, "_select_rows", lambda _: pytest.fail("the rows were chosen again"))
            table.set_rows(list(same))
        table.set_columns(COLUMNS[:3])  # which drops them
        assert table.rows == ()
        assert table.row_keys == frozenset()
        table.set_columns(COLUMNS)
        table.set_rows(same)
        table.filter_words = "model1"
        assert table.row_keys == {"r1", *(f"r{n}" for n in range(10, 20))}


async def test_unchanged_rows_send_nothing(stage):
    table = LiveTable(COLUMNS)
    app = stage(table)
    async with app.run_test(size=(80, 24)) as pilot:
        table.set_rows(rows(20))
        await settled(pilot)
        app.forget()
        table.set_rows(rows(20))
        await settled(pilot)
        assert app.n_bytes == 0


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_cursor_move_sends_less_than_a_kilobyte(stage, size):
    table = LiveTable(COLUMNS, classes="pane")
    app = stage(table)
    async with app.run_test(size=size) as pilot:
        table.set_rows(rows(20))
        table.focus()
        await settled(pilot)
        app.forget()
        await pressed(pilot, "j")
        assert 0 < app.n_bytes < 1000


async def test_the_cursor_stays_on_its_row_when_rows_are_sorted_inserted_and_removed(stage):
    table = LiveTable(COLUMNS)
    app = stage(table)
    async with app.run_test(size=(80, 10)) as pilot:
        table.set_rows(rows(5))
        assert table.move_to("r3")
        await settled(pilot)
        app.forget()
        table.set_rows(list(reversed(rows(9))))
        await settled(pilot)
        assert table.cursor_key == "r3"
        assert app.heard == []
        table.set_rows([row for row in rows(9) if row.key != "r3"])
        await settled(pilot)
        assert app.heard == [("highlighted", table.cursor_key)]
        table.set_rows([])
        await settled(pilot)
        assert app.heard[-1] == ("highlighted", None)


@pytest.mark.parametrize(
    ("keys", "row_key"),
    [
        pytest.param(["j", "down"], "r2", id="j and down go down"),
        pytest.param(["j", "j", "k", "up"], "r0", id="k and up go back"),
        pytest.param(["k"], "r0", id="nothing lies above the first row"),
        pytest.param(["G"], "r49", id="G goes to the last row"),
        pytest.param(["end", "home"], "r0", id="home goes to the first row"),
        pytest.param(["G", "g"], "r0", id="g goes to the first row"),
        pytest.param(["pagedown"], "r8", id="a page is what fits less one row"),
        pytest.param(["pagedown", "pageup"], "r0", id="and back"),
    ],
)
async def test_keys_move_the_cursor(stage, keys, row_key):
    table = LiveTable(COLUMNS)
    app = stage(table)
    async with app.run_test(size=(80, 10)) as pilot:
        table.set_rows(rows(50))
        table.focus()
        await pressed(pilot, *keys)
        assert table.cursor_key == row_key
        assert any(row_key.replace("r", "model") in line for line in app.text())


async def test_enter_and_a_double_click_choose_the_row(stage):
    table = LiveTable(COLUMNS)
    app = stage(table)
    async with app.run_test(size=(80, 10)) as pilot:
        table.set_rows(rows())
        table.focus()
        await pressed(pilot, "j", "enter")
        assert app.heard[-1] == ("chosen", "r1")
        await pilot.click(LiveTable, offset=(4, 3), times=2)
        await settled(pilot)
        assert app.heard[-1] == ("chosen", "r2")


async def test_enter_on_an_empty_list_chooses_nothing(stage):
    table = LiveTable(COLUMNS, empty="No session yet. S starts one.")
    app = stage(table)
    async with app.run_test(size=(80, 10)) as pilot:
        table.focus()
        await pressed(pilot, "enter", "j", "G", "pagedown")
        assert app.heard == []
        assert any("S starts one" in line for line in app.text())


async def test_a_filter_keeps_rows_with_all_its_words_and_says_how_to_leave(stage):
    table = LiveTable(COLUMNS)
    app = stage(table)
    async with app.run_test(size=(80, 10)) as pilot:
        table.set_rows(rows(12))
        table.filter_words = "MODEL1 steady"
        await settled(pilot)
        assert [row.key for row in table.rows] == ["r1", "r10", "r11"]
        table.filter_words = "nothing has this"
        await settled(pilot)
        assert any("Esc clears the filter" in line for line in app.text())
        table.filter_words = ""
        assert len(table.rows) == table.n_all_rows == 12


async def test_a_filter_of_the_list_itself_promises_no_escape(stage):
    table = LiveTable(COLUMNS)
    app = stage(table)
    async with app.run_test(size=(80, 10)) as pilot:
        table.set_rows(rows(12))
        table.own_filter = "nothing"
        await settled(pilot)
        assert any('No row has "nothing" in it. The view has this filter.' in line for line in app.text())
        assert not any("Esc" in line for line in app.text())
        table.filter_words = "nothing typed"
        await settled(pilot)
        assert 'Esc clears all but "nothing", the filter of the view.' in " ".join(" ".join(app.text()).split())


@pytest.mark.parametrize(
    "text",
    [
        "[/]",
        "[@click=app.bell]press[/]",
        "[red]red[/red]",
        "a\x1b[2Jb",
        "a\nb\tc",
        "\u202egnp.exe",
        "日本の債券",
        "e\u0301",
    ],
    ids=["closing tag", "action", "colour tag", "escape", "line break", "direction override", "wide", "combining"],
)
async def test_data_is_shown_and_never_obeyed(stage, text):
    table = LiveTable(COLUMNS, classes="pane")
    app = stage(table)
    async with app.run_test(size=(60, 6)) as pilot:
        table.set_rows([Row("r", (text, "1.0.0", "0.9", text))])
        write_frame(table, title=text, subtitle=text)
        await settled(pilot)
        lines = app.text()
        assert not any(ord(character) < 32 or character == "\u202e" for line in lines for character in line)
        assert all(len({strip.cell_length}) == 1 for strip in app.screen._compositor.render_strips())
        if text.startswith("["):
            assert text[:10] in lines[2]


async def test_another_title_repaints_the_cells_of_the_title_alone(stage):
    table = LiveTable(COLUMNS, classes="pane")
    app = stage(table)
    async with app.run_test(size=(60, 6)) as pilot:
        write_frame(table, title="Versions of all models", subtitle="120 of 300")
        await settled(pilot)
        for title, subtitle in (("Versions", "9"), ("", ""), ("Versions", "120 of 300")):
            write_frame(table, title=title, subtitle=subtitle)
            repainted = set(table._repaint_regions)
            await settled(pilot)
            lines = app.text()

            assert {(region.y, region.height) for region in repainted} == {(0, 1), (table.outer_size.height - 1, 1)}
            assert max(region.width for region in repainted) < 30
            frame = lines[0].strip("╭─╮ "), lines[table.outer_size.height - 1].strip("╰─╯ ")
            assert frame == (title, subtitle)


async def test_wide_characters_keep_the_columns_in_line(stage):
    table = LiveTable(COLUMNS)
    app = stage(table)
    async with app.run_test(size=(60, 6)) as pilot:
        table.set_rows([Row("a", ("日本の債券です", "1.0.0", "0.9", "")), Row("b", ("spread", "1.0.0", "0.9", ""))])
        await settled(pilot)
        wide, narrow = (strip for strip in app.screen._compositor.render_strips()[1:3])
        assert wide.crop(0, 60).cell_length == narrow.cell_length
        assert wide.crop(13, 18).text == narrow.crop(13, 18).text


def test_columns_of_the_highest_priority_number_are_dropped_first():
    columns = [Column("a", "A", 10), Column("b", "B", 10, priority=1), Column("c", "C", 10, priority=2)]
    assert [index for index, _ in fit_columns(columns, 32)] == [0, 1, 2]
    assert [index for index, _ in fit_columns(columns, 31)] == [0, 1]
    assert [index for index, _ in fit_columns(columns, 20)] == [0]
    assert [index for index, _ in fit_columns(columns, 3)] == [0]


@pytest.mark.parametrize("width", range(30, 200, 7))
def test_flexible_columns_share_what_is_left_and_never_more(width):
    columns = [Column("a", "A", 10, flex=1), Column("b", "B", 5, flex=2, max_width=20), Column("c", "C", 6)]
    widths = dict(fit_columns(columns, width))
    assert sum(widths.values()) + 2 == width
    assert widths[1] <= 20


async def test_two_rows_of_one_key_are_refused(stage):
    table = LiveTable(COLUMNS)
    app = stage(table)
    async with app.run_test(size=(60, 6)):
        with pytest.raises(ValueError, match="share a key"):
            table.set_rows([*rows(1), *rows(1)])
        with pytest.raises(ValueError, match="4 cells"):
            table.set_rows([Row("a", ("one",))])


async def test_a_long_list_shows_how_far_it_is_scrolled(stage):
    table = LiveTable(COLUMNS)
    app = stage(table)
    async with app.run_test(size=(60, 11)) as pilot:
        table.set_rows(rows(100))
        table.focus()
        await settled(pilot)
        assert "┃" in app.text()[1]
        await pressed(pilot, "G")
        assert "┃" in app.text()[10]
        assert "┃" not in app.text()[1]


@pytest.mark.parametrize("size", [(1, 1), (5, 2), (20, 3)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_smallest_panes_do_not_crash(stage, size):
    table = LiveTable(COLUMNS, classes="pane")
    app = stage(table)
    async with app.run_test(size=size) as pilot:
        table.set_rows(rows(9))
        table.focus()
        await pressed(pilot, "j", "G", "k", "pageup")
        assert table.cursor_key is not None


async def test_ten_thousand_rows_draw_only_those_in_view(stage):
    table = LiveTable(COLUMNS)
    app = stage(table)
    async with app.run_test(size=(80, 24)) as pilot:
        table.set_rows(rows(10_000))
        table.focus()
        await pressed(pilot, "G")
        assert len(table._drawn) <= 46


async def test_a_list_that_grows_at_its_top_keeps_no_more_than_some_screens_as_they_were_drawn(stage):
    table = LiveTable(COLUMNS, sticky=True)
    app = stage(table)
    async with app.run_test(size=(80, 24)) as pilot:
        for n_rows in range(20, 800, 20):
            table.set_rows(rows(n_rows)[::-1])
            await settled(pilot)
        assert len(table._drawn) <= 256
        assert "model779 " in app.text()[1]


async def test_without_focus_the_cursor_is_quiet_and_without_colour_it_has_a_sign(stage):
    table = LiveTable(COLUMNS)
    app = stage(table)
    async with app.run_test(size=(80, 24)) as pilot:
        table.set_rows(rows())
        table.focus()
        await settled(pilot)
        assert app.text()[1].startswith("▌")
        app.set_focus(None)
        await settled(pilot)
        assert not app.text()[1].startswith("▌")


async def test_new_columns_keep_the_rows_that_still_fit(stage):
    table = LiveTable(COLUMNS)
    app = stage(table)
    async with app.run_test(size=(80, 24)) as pilot:
        table.set_rows(rows())
        table.set_columns([Column(column.key, column.title.lower(), column.width) for column in COLUMNS])
        await settled(pilot)
        assert app.text()[0].split() == ["model", "version", "score", "note"]
        assert len(table.rows) == 3
        table.set_columns(COLUMNS[:2])
        assert table.rows == ()


@pytest.mark.parametrize("theme", ["bondx-dark", "bondx-ansi"])
async def test_without_colour_the_cursor_is_one_reversed_bar(stage, theme, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    table = LiveTable(COLUMNS)
    app = stage(table, theme=theme)
    async with app.run_test(size=(80, 24)) as pilot:
        table.set_rows(rows())
        table.focus()
        await settled(pilot)
        assert app.no_color
        assert all(segment.style.reverse for segment in table.render_line(1))
        assert not any(segment.style.reverse for segment in table.render_line(2))


def test_in_too_little_room_words_are_cut_and_numbers_are_not():
    columns = [Column("stage", "STAGE", 14), Column("score", "SCORE", 7, align="right")]
    assert fit_columns(columns, 16) == ((0, 8), (1, 7))


@pytest.mark.parametrize(
    ("score", "width", "shown"),
    [
        ("-267.3%", 6, "-267%"),
        ("-26700.0%", 6, "-3e4%"),
        ("-26700.0%", 9, "-26700.0%"),
        ("~-1234%", 6, "~-1e3%"),
        ("150,000", 6, "150000"),
        ("0.000416 bps", 8, "4e-4 bps"),
        ("12345/50000", 9, "12345/5e4"),
        ("1.235e-05", 6, "1.2e-5"),
        ("-267.3%", 3, "…"),
        ("diverged", 6, "diver…"),
    ],
)
async def test_a_number_without_room_is_rounded_and_never_cut(stage, score, width, shown):
    table = LiveTable((Column("name", "NAME", 4), Column("score", "SCORE", width, align="right")))
    app = stage(table)
    async with app.run_test(size=(30, 4)) as pilot:
        table.set_rows([Row("r0", ("a", score))])
        await settled(pilot)
        assert app.text()[1].split()[1:] == shown.split()


@CALM
@given(value=st.floats(-1e9, 1e9), decimals=st.integers(0, 6), width=st.integers(2, 16))
def test_a_shorter_number_is_the_same_but_for_its_last_digit(value, decimals, width):
    text = f"{value:.{decimals}f}"
    short = shorter_number(text, width)
    assert short is not None
    assert len(short) <= width
    if short:
        assert float(short) == pytest.approx(float(text), rel=0.5)


def test_a_column_of_names_is_cut_before_it_is_dropped():
    columns = [
        Column("id", "ID", 7),
        Column("name", "NAME", 8, flex=1, priority=1, cut="middle"),
        Column("best", "BEST", 6, align="right", priority=2),
    ]
    assert fit_columns(columns, 39, longest=(7, 24, 6)) == ((0, 7), (1, 24), (2, 6))
    assert fit_columns(columns, 38, longest=(7, 24, 6)) == ((0, 7), (1, 30)), "the column that may go first"
    assert fit_columns(columns, 20, longest=(7, 24, 6)) == ((0, 7), (1, 12))
    assert fit_columns(columns, 16, longest=(7, 24, 6)) == ((0, 7), (1, 8))
    assert fit_columns(columns, 15, longest=(7, 24, 6)) == ((0, 7),)


def test_cells_that_no_word_fills_go_to_the_column_whose_words_are_cut():
    columns = [
        Column("name", "NAME", 8, cut="middle"),
        Column("state", "STATE", 12),
        Column("n", "N", 6, align="right"),
    ]
    assert fit_columns(columns, 28, longest=(14, 7, 1)) == ((0, 13), (1, 7), (2, 6))
    assert fit_columns(columns, 28, longest=(8, 12, 6)) == ((0, 8), (1, 12), (2, 6)), "nothing is cut"
    assert fit_columns(columns, 28, longest=(14, 12, 1)) == ((0, 8), (1, 12), (2, 6)), "numbers keep their width"
