"""NO_COLOR: no byte sent sets a colour, in any theme, on any screen, in dialogs and on the command line."""

import os
import re
import sys

import pexpect
import pytest

from tests.waiting import PATIENCE_SECONDS
from themes.palettes import THEMES

SGR = re.compile(rb"\x1b\[([\d;:]*)m")
CODE = (
    "import sys; from pathlib import Path; from console.app.start import run_console; "
    "sys.exit(run_console(Path(sys.argv[1]), theme=sys.argv[2], embed=False))"
)


def colours(output: bytes) -> set[int]:
    """Return the colour codes of every style that was sent, those that end a colour included."""
    codes = {int(code) for sequence in SGR.findall(output) for code in re.findall(rb"\d+", sequence)}
    return {code for code in codes if 30 <= code <= 49 or 90 <= code <= 107}


def environment() -> dict[str, str]:
    return os.environ | {"NO_COLOR": "1", "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}


@pytest.mark.parametrize("theme", ["bondx-dark", "bondx-ansi"])
def test_a_console_without_colour_sends_none(workspace, theme):
    arguments = ["-c", CODE, str(workspace.root), theme]
    child = pexpect.spawn(sys.executable, arguments, dimensions=(40, 120), env=environment(), timeout=PATIENCE_SECONDS)
    child.expect(b"liquidity_shock")
    seen = child.before + child.after
    child.send("q")
    child.expect(pexpect.EOF)
    seen += child.before
    child.close()

    assert colours(seen) == set()
    assert re.search(rb"\x1b\[(\d+;)*7(;\d+)*m", seen), "the cursor is still seen: in reverse"


@pytest.mark.parametrize("theme", THEMES)
async def test_no_screen_and_no_dialog_has_a_colour(open_console, theme, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    async with open_console((120, 40), theme=theme) as console:
        for keys in (("1",), ("2", "w"), ("3", "w"), ("3", "C"), ("5", "K"), ("colon", *"pro"), ("ctrl+p",)):
            await console.press(*keys)
            strips = console.app.screen._compositor.render_strips(console.app.size)
            styles = [segment.style for strip in strips for segment in strip if segment.style]
            coloured = {
                str(style) for style in styles for each in (style.color, style.bgcolor) if each and not each.is_default
            }
            assert coloured == set(), keys
            await console.press("escape", "escape")


async def test_an_empty_variable_asks_for_nothing(open_console, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "")
    async with open_console((120, 40)) as console:
        strips = console.app.screen._compositor.render_strips(console.app.size)
        assert any(segment.style and segment.style.color for strip in strips for segment in strip)


@pytest.mark.parametrize("line", [["status"], ["registry", "list"], ["--help"], ["alerts", "list"]], ids=" ".join)
def test_the_command_line_sends_no_colour(workspace, line):
    command = ["-m", "console.cli.main", "--workspace", str(workspace.root), *line]
    child = pexpect.spawn(sys.executable, command, dimensions=(40, 120), env=environment(), timeout=PATIENCE_SECONDS)
    child.expect(pexpect.EOF)

    assert colours(child.before) == set()
