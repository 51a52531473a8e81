"""What `s`, `i` and the commands about a list do to it, on every screen."""

import pytest

from console.screen_catalog import IN_ROW
from core.registry import Registry
from widgets.live_table import LiveTable
from widgets.ordering import Order

ALERTS_BY_AGE = "alerts, the youngest first"


def shown(console) -> list[str]:
    return [row.key for row in console.screen.main_table().rows]


async def type_command(console, line: str) -> None:
    await console.press("colon", *("space" if letter == " " else letter for letter in line), "enter")


@pytest.mark.parametrize("screen", IN_ROW, ids=lambda screen: screen.name)
async def test_s_goes_through_the_columns_and_back_to_the_usual_order(open_console, screen):
    async with open_console((120, 40)) as console:
        await console.press(screen.key)
        table = console.screen.shown_table()
        before, cursor = [row.key for row in table.rows], table.cursor_key
        columns = [column for column in table.shown_columns if column.title.strip()]
        for column in columns:
            await console.press("s")
            assert f"Sorted by {column.title}" in console.sentence
            await console.press("i")
            assert "largest first" in console.sentence
            assert table.cursor_key == cursor
        await console.press("s")
        assert "usual order" in console.sentence
        assert [row.key for row in table.rows] == before
        await console.press("i")
        assert "s sorts" in console.sentence


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (97, 30), (120, 40), (160, 48)], ids=str)
async def test_the_arrow_of_the_order_takes_no_letter_of_a_header(open_console, size):
    async with open_console(size) as console:
        for screen in IN_ROW:
            await console.app.action_go(screen.name)
            await console.settled()
            for table in console.screen.query(LiveTable):
                if not (table.sortable and table.size.width and table.size.height > 1):
                    continue
                table.order = None
                whole = table.paint(*table.size)[0].text.split()
                columns = [column for column in table.shown_columns if column.is_titled]
                for column in columns:
                    table.order = Order(column.key, descending=True)
                    header = table.paint(*table.size)[0].text
                    assert header.replace("▼", " ").split() == whole, (screen.name, table.id, column.key)
                    if f"{column.title}▼" not in header:
                        assert table.order_out_of_sight == f"by {column.title} ▼"
                    assert [each for each in table.shown_columns if each.is_titled] == columns
                table.order = None


async def test_a_named_column_and_direction_sort_the_list(open_console):
    async with open_console((80, 24)) as console:
        await console.press("3", "j", "j")
        cursor = console.screen.main_table().cursor_key
        await type_command(console, "sort version desc")
        versions = [key.partition("/")[2] for key in shown(console)]
        assert versions == sorted(versions, key=lambda text: tuple(map(int, text.split("."))), reverse=True)
        assert console.screen.main_table().cursor_key == cursor
        assert "VERSION▼" in console.text()
        await type_command(console, "sort usual")
        assert "▼" not in console.text().splitlines()[3]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("sort colour", "There is no column colour. Columns to choose from: model, version,"),
        ("sort age up", "There is no direction up. Directions to choose from: asc, desc."),
        ("sort age asc now", "Usage: :sort [COLUMN] [asc|desc]"),
    ],
)
async def test_a_wrong_sort_says_what_there_is_to_choose(open_console, line, sentence):
    async with open_console((120, 40)) as console:
        await console.press("3")
        await type_command(console, line)
        assert sentence in console.sentence
        assert console.screen.main_table().order is None


async def test_the_columns_of_the_shown_list_complete_the_command(open_console):
    async with open_console((80, 24)) as console:
        await console.press("5")
        assert "sort severity " in console.app.commands.complete("sort s")
        assert tuple(console.app.commands.complete("sort severity d")) == ("sort severity desc",)


async def test_a_lineage_keeps_its_order(open_console):
    async with open_console((80, 24)) as console:
        await console.press("3", "t", "s")
        assert "fixed order" in console.sentence


async def test_sorting_changes_nothing_in_the_workspace(open_console, workspace):
    before = Registry(workspace).versions()
    async with open_console((80, 24), read_only=True) as console:
        await console.press("3", "s", "i", "s")
    assert Registry(workspace).versions() == before
