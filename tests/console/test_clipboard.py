"""What `y` claims is true: in a real tmux, outside it, and where nothing takes a text."""

import shlex
import sys
import uuid

import pytest

from console.runtime.clipboard import MAX_BYTES, osc52
from tests.console.test_leaving import SOUND
from tests.terminal.conftest import Terminal


@pytest.fixture
def tmux(workspace, monkeypatch):
    """A console in a tmux with its default settings."""
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.delenv("TMUX", raising=False)
    terminal = Terminal(f"bondx-{uuid.uuid4().hex[:8]}", 120, 40)
    code = SOUND.format(read_only=True)
    terminal.open(shlex.join([sys.executable, "-c", code, str(workspace.root)]), cwd=workspace.root.parent)
    yield terminal
    terminal.close()


def test_y_in_tmux_puts_the_row_into_its_buffer_and_says_so(tmux):
    tmux.wait_for("liquidity_shock")
    tmux.press("3")
    tmux.wait_for("Versions")
    tmux.press("y")
    tmux.wait_for("Copied into tmux, and sent to the terminal: anomaly")

    assert tmux._tmux("show-buffer").startswith("anomaly  1.3.0")


@pytest.mark.parametrize(
    "environ",
    [{"TERM": "linux"}, {"TERM": "xterm-256color", "TMUX": "/nowhere/socket,1,0"}],
    ids=["a terminal without a clipboard", "a tmux that does not answer"],
)
async def test_a_text_that_nothing_takes_is_shown(open_console, monkeypatch, environ):
    monkeypatch.delenv("TMUX", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    async with open_console() as console:
        await console.press("3", "y")
        await console.until(lambda: "select it here" in console.text(), "the text to select")

        assert "Copied" not in console.sentence


def test_a_sequence_passes_through_a_tmux_on_the_other_side_of_ssh():
    sequence = osc52("x", {"TERM": "tmux-256color"})
    assert sequence.startswith("\x1b]52;c;")
    assert "\x1bPtmux;\x1b\x1b]52" in sequence


def test_what_terminals_cut_off_is_not_sent():
    assert osc52("x" * (MAX_BYTES + 1), {"TERM": "xterm"}) is None
