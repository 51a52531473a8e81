"""A zoomed pane fills the body; the top line and the way out stay."""

import pytest

from console.screen_catalog import SCREENS
from widgets.painted import Painted


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=str)
@pytest.mark.parametrize("name", [screen.name for screen in SCREENS])
async def test_zoom_keeps_the_top_line_and_the_way_out(open_console, name, size):
    async with open_console(size) as console:
        await console.app.action_go(name)
        await console.settled()
        before = console.text().splitlines()
        await console.press("plus")
        rows = console.text().splitlines()
        pane, body = console.screen.focused, console.screen.query_one("#body")

        assert rows[:2] == before[:2], "the top line and the row of screens"
        assert "Esc unzoom" in rows[-1]
        assert pane.region.height == body.region.height
        assert pane.region.width == body.region.width

        await console.press("escape")
        assert console.text().splitlines() == before


async def test_the_keys_of_a_zoomed_pane_still_act_on_it(open_console):
    async with open_console((80, 24)) as console:
        await console.press("3", "plus", "j", "j", "d")

        details = console.screen.query_one("#details", Painted)
        assert not console.screen.is_zoomed, "the details need the room"
        assert details.region.height > 0


async def test_a_row_that_is_looked_for_ends_the_zoom(open_console):
    async with open_console((120, 40)) as console:
        await console.press("3", "tab", "plus")
        assert console.screen.is_zoomed
        console.screen.show_row("spread/1.0.0")
        await console.settled()

        assert not console.screen.is_zoomed
