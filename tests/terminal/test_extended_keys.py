"""The keys of the console under tmux's `extended-keys` off, on and always, in each spelling of a shifted key."""

import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.terminal

# tmux before 3.5 and `extended-keys-format csi-u` hand on the second, `extended-keys-format xterm` the third.
SPELLINGS = ("{key}", "\x1b[{code};2u", "\x1b[27;2;{code}~")


@pytest.fixture
def workspace(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of it that a test may change."""
    return shutil.copytree(trained, tmp_path / "w")


@pytest.mark.parametrize("mode", ["off", "on", "always"])
def test_every_kind_of_key_reaches_the_console(terminal, workspace, mode):
    console = terminal(f"bondx --workspace {workspace}", cwd=workspace.parent)
    console.set_server("extended-keys", mode)
    console.wait_for("ARMED")
    for spelling in SPELLINGS:

        def press(key: str, answer: str, spelling: str = spelling) -> None:
            console.type(spelling.format(key=key, code=ord(key)))
            console.wait_for(answer)

        def leave(what: str) -> None:
            console.press("Escape")
            console.wait_until(lambda screen: what not in screen, f"no {what}")

        console.press("1")
        console.wait_for(r"\[1 Overview(.|\n)*Live models")
        console.type(spelling.format(key="+", code=ord("+")))
        console.wait_until(lambda screen: "Live models" not in screen, "one pane alone")
        console.press("Escape")
        console.wait_for("Live models")
        console.press("3")
        console.wait_for(r"\[3 Registry")
        press("?", "Keys of Registry")
        leave("Keys of Registry")
        press("P", "Y confirms")
        leave("Y confirms")
        press(":", r": +overview  training")
        leave("overview  training")
        press("!", r"\bRO\b")
        press("!", "ARMED")
        press("<", r"\[past")
        past = console.screen()
        console.type(spelling.format(key=">", code=ord(">")))
        console.wait_until(lambda screen, past=past: screen != past, "a later moment")
        console.press("p")
        console.wait_for("ARMED")


def test_a_paste_with_escape_sequences_presses_no_key(terminal, workspace):
    console = terminal(f"bondx --workspace {workspace}", cwd=workspace.parent)
    console.wait_for("ARMED")
    console.press(":")
    console.wait_for("overview  training")
    console.paste("Risk note\x1b[31m of\x1b zS the \x1bqbook\x1b")
    console.wait_for(r": ?Risk note\[31m of zS the qbook")
    console.press("Escape")
    console.wait_for("ARMED")
    console.paste("\x1bq\x1b[31mqY")
    console.press("3")
    console.wait_for(r"\[3 Registry")
