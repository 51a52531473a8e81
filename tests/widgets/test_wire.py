from __future__ import annotations

import random

import pyte
import pytest
from textual.screen import ModalScreen

from tests.apps import settled
from widgets.live_table import Cell, Column, LiveTable, Row
from widgets.status_line import Status, StatusLine
from widgets.wire import LeanChops, LeanLayout, LeanScreen


class Question(LeanScreen, ModalScreen[bool]):
    pass


TONES = ["", "good", "warn", "bad", "muted", "accent", "strong", "series-4"]
TEXTS = ["0.912", "● Production", "日本の債券", "", "12 of 100", "e\u0301tat"]


def a_row(key: int, chance: random.Random) -> Row:
    return Row(str(key), tuple(Cell(chance.choice(TEXTS), chance.choice(TONES)) for _ in range(4)))


def shown(terminal: pyte.Screen) -> list[list[tuple]]:
    """Give every cell; what colour a blank would have had is nothing that anyone can see."""
    return [
        [
            (cell.data, cell.bg, cell.reverse) if cell.data == " " else tuple(cell)
            for cell in (terminal.buffer[y][x] for x in range(terminal.columns))
        ]
        for y in range(terminal.lines)
    ]


@pytest.mark.parametrize("theme", ["bondx-dark", "bondx-light", "bondx-ansi"])
async def test_a_terminal_shows_the_same_as_with_textuals_own_writer_in_fewer_bytes(stage, theme):
    chance = random.Random(7)
    table = LiveTable([Column(str(index), f"C{index}", 10, flex=index % 2) for index in range(4)], classes="pane")
    status = StatusLine()
    app = stage(status, table, theme=theme)
    n_lean = n_stock = 0
    lean_terminal, stock_terminal = pyte.Screen(80, 24), pyte.Screen(80, 24)
    lean, stock = pyte.Stream(lean_terminal), pyte.Stream(stock_terminal)
    async with app.run_test(size=(80, 24)) as pilot:
        table.focus()
        # The app opens with ANSI queries aside, so the first update is drawn whole on both.
        app.forget()
        app.screen.refresh()
        await settled(pilot)
        rows = [a_row(key, chance) for key in range(30)]
        for step in range(25):
            rows[chance.randrange(30)] = a_row(100 + step, chance)
            table.set_rows(rows)
            status.set_status(Status(host="desk", clock=f"14:{step:02}", n_critical=step % 3, armed=step % 5 == 0))
            await pilot.press(chance.choice(["j", "k", "pagedown", "g"]))
        await settled(pilot)
        for update in app.updates:
            assert isinstance(update, LeanChops | LeanLayout)
            theirs = super(type(update), update).render_segments(app.console)
            ours = update.render_segments(app.console)
            stock.feed(theirs.replace("\n", ""))
            lean.feed(ours)
            n_stock, n_lean = n_stock + len(theirs), n_lean + len(ours)
    assert shown(lean_terminal) == shown(stock_terminal)
    assert n_lean < n_stock * 0.8


async def test_dialogs_and_screenshots_work_on_lean_screens(stage):
    app = stage(StatusLine())
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(Question())
        await settled(pilot)
        assert "<svg" in app.export_screenshot()
        app.pop_screen()
        await settled(pilot)
        assert all(isinstance(update, LeanChops | LeanLayout) for update in app.updates)


async def test_partial_repaints_show_the_same_as_a_whole_repaint(stage):
    chance = random.Random(11)
    columns = [Column(str(index), f"C{index}", 10, flex=index % 2) for index in range(4)]
    tables = [LiveTable(columns, classes="pane") for _ in range(3)]
    status = StatusLine()
    app = stage(status, *tables)
    by_bits, whole = pyte.Screen(80, 24), pyte.Screen(80, 24)
    async with app.run_test(size=(80, 24)) as pilot:
        app.forget()
        app.screen.refresh()
        await settled(pilot)
        for step in range(25):
            chance.choice(tables).set_rows([a_row(key, chance) for key in range(chance.randrange(9))])
            status.set_status(Status(host="desk", clock=f"14:{step:02}", n_critical=step % 3))
            chance.choice(tables).display = step % 4 != 0
            chance.choice(tables).focus()
            await settled(pilot)
        for update in app.updates:
            pyte.Stream(by_bits).feed(update.render_segments(app.console))
        app.forget()
        app.screen.refresh()
        await settled(pilot)
        for update in app.updates:
            pyte.Stream(whole).feed(update.render_segments(app.console))
    assert shown(by_bits) == shown(whole)
