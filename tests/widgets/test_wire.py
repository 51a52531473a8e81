from __future__ import annotations

import random

import pyte
import pytest
from textual.containers import Horizontal
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


class Terminal:
    """A terminal at the other end of the line."""

    def __init__(self, columns: int, rows: int) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self.screen)

    def read(self, app) -> int:
        """Read what was sent since the last time, and return its bytes."""
        n_bytes, sent = app.n_bytes, "".join(app.sent)
        app.forget()
        self._stream.feed(sent)
        return n_bytes


async def seen_at_once(app, pilot) -> list[list[tuple]]:
    """Draw everything again, for a terminal that has seen nothing before."""
    terminal = Terminal(*app.size)
    app.forget()
    app.screen.refresh()
    await settled(pilot)
    terminal.read(app)
    return shown(terminal.screen)


RECORDS = [
    Column("sequence", "#", 6, align="right"),
    Column("verb", "WHAT", 19),
    Column("object", "OBJECT", 14, flex=1),
]


def a_record(number: int) -> Row:
    verb = ("version.register", "version.tag", "rollout.start", "日本の債券")[number % 4]
    return Row(
        str(number),
        (Cell(str(number)), Cell(verb, "strong"), Cell(f"model-{number % 7} {number * 7919 % 1000}", "muted")),
    )


async def test_a_list_that_moves_by_a_row_sends_the_row_that_comes_in(stage):
    table = LiveTable(RECORDS, classes="pane")
    app, terminal = stage(StatusLine(), table), Terminal(80, 24)
    async with app.run_test(size=(80, 24)) as pilot:
        table.set_rows([a_record(number) for number in range(40, 0, -1)])
        table.focus()
        app.forget()
        app.screen.refresh()
        await settled(pilot)
        n_whole = terminal.read(app)
        table.move_to("38")
        await settled(pilot)
        terminal.read(app)
        for newest in range(41, 49):
            table.set_rows([a_record(number) for number in range(newest, newest - 40, -1)])
            await settled(pilot)
            assert terminal.read(app) < 250 < n_whole / 10
        assert shown(terminal.screen) == await seen_at_once(app, pilot)


@pytest.mark.parametrize("theme", ["bondx-dark", "bondx-ansi"])
@pytest.mark.parametrize("width", [80, 120])
async def test_lists_that_move_beside_and_above_others_show_the_same_as_a_whole_repaint(stage, theme, width):
    chance = random.Random(width)
    tables = [LiveTable(RECORDS, classes="pane", sticky=number == 1) for number in range(3)]
    app, terminal = stage(StatusLine(), Horizontal(*tables[:2]), tables[2], theme=theme), Terminal(width, 40)
    newest = [60, 60, 60]
    n_moves = 0
    async with app.run_test(size=(width, 40)) as pilot:
        app.forget()
        app.screen.refresh()
        await settled(pilot)
        terminal.read(app)
        for _ in range(40):
            number = chance.randrange(3)
            newest[number] += chance.choice([1, 1, 2, 5, -3])
            rows = [a_record(each) for each in range(newest[number], newest[number] - 50, -1)]
            if chance.random() < 0.3:
                rows[chance.randrange(8)] = a_record(2_000)
            tables[number].set_rows(rows)
            tables[chance.randrange(3)].focus()
            await pilot.press(chance.choice(["j", "k", "pagedown", "g", "G"]))
            await settled(pilot)
            n_moves += sum("r\x1b[" in sent for sent in app.sent)
            terminal.read(app)
        assert n_moves > 5, "the terminal moved lines"
        assert shown(terminal.screen) == await seen_at_once(app, pilot)


async def test_lists_that_move_below_a_dialog_and_after_another_size_show_the_same_as_a_whole_repaint(stage):
    table, below = LiveTable(RECORDS, classes="pane"), LiveTable(RECORDS, classes="pane")
    app, terminal = stage(StatusLine(), table, below), Terminal(80, 24)
    sizes = {4: (90, 30), 9: (80, 24)}
    n_moves = 0
    async with app.run_test(size=(80, 24)) as pilot:
        app.forget()
        app.screen.refresh()
        await settled(pilot)
        for step in range(14):
            if step in (2, 7):
                await app.push_screen(Question())
            elif step in (5, 11):
                app.pop_screen()
            if step in sizes:
                terminal.read(app)
                terminal.screen.resize(sizes[step][1], sizes[step][0])
                await pilot.resize_terminal(*sizes[step])
            for newest, each in ((60 + step, table), (80 + 2 * step, below)):
                each.set_rows([a_record(number) for number in range(newest, newest - 50, -1)])
                await settled(pilot)
            n_moves += sum("r\x1b[" in sent for sent in app.sent)
            terminal.read(app)
            if step % 3 == 0:
                assert shown(terminal.screen) == await seen_at_once(app, pilot), f"step {step}"
    assert n_moves > 5, "the terminal moved lines"
