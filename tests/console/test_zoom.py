"""A zoomed pane fills the body; the top line and the way out stay."""

import pytest

from console.dialogs.dialog import FullScreenDialog
from console.screen_catalog import SCREENS
from widgets.painted import Painted


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=str)
@pytest.mark.parametrize("name", [screen.name for screen in SCREENS])
async def test_zoom_keeps_the_top_line_and_the_way_out(open_console, name, size):
    async with open_console(size) as console:
        await console.app.action_go(name)
        await console.caught_up()
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


@pytest.mark.parametrize("size", [(80, 24), (160, 48), (40, 12)], ids=str)
@pytest.mark.parametrize(("screen", "key"), [("resources", "v"), ("training", "v"), ("overview", "l")], ids="-".join)
async def test_charts_and_logs_keep_the_top_line_and_the_way_out(open_console, monkeypatch, screen, key, size):
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    async with open_console(size) as console:
        await console.app.action_go(screen)
        await console.caught_up()
        before = console.text().splitlines()[0]
        await console.press(key)
        await console.until(lambda: isinstance(console.app.screen, FullScreenDialog), "the charts or logs")
        await console.until(lambda: "Esc closes" in console.text().splitlines()[-2], "the way out")
        assert console.text().splitlines()[0] == before
        dialog = console.app.screen.query_one("#dialog")
        assert dialog.region == (0, 1, size[0], size[1] - 1)


async def test_a_copy_from_the_charts_says_what_became_of_it(open_console, monkeypatch):
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    async with open_console((80, 24)) as console:
        await console.press("7", "v")
        await console.until(lambda: "chart 1 of" in console.text(), "the charts")
        await console.press("y")
        assert "Sent to the terminal (unconfirmed): " in console.text()
        await console.press("j")
        assert "Sent to the terminal (unconfirmed): " in console.text(), "it stays for its time"
        console.app.screen.say("")
        await console.settled()
        assert "Esc closes" in console.text()
