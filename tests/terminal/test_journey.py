"""The whole way on an 80x24 terminal, with the keys a person presses: train, promote, roll back, undo, quit."""

import json
import re
import shutil
import time
from pathlib import Path

import pytest

from console.dialogs.change import HELD_SECONDS
from tests.waiting import until

pytestmark = pytest.mark.terminal


@pytest.fixture
def workspace(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of it that a test may change."""
    return shutil.copytree(trained, tmp_path / "w")


def stages(bondx, workspace: Path) -> dict[str, str]:
    listed = json.loads(bondx("--workspace", workspace, "registry", "list", "spread", "--json").stdout)
    return {version["version"]: version["stage"] for version in listed}


def until_stages(bondx, workspace: Path, expected: dict[str, str]) -> None:
    """Wait for the stages of all versions: a number on a screen may be of another list than the live versions."""
    until(lambda: stages(bondx, workspace) == expected, str(expected), told=lambda: stages(bondx, workspace))


def show_only(console, words: str) -> None:
    """Filter the list, and wait until the footer says that keys are keys again."""
    console.press("/")
    console.type(words)
    console.press("Enter")
    console.wait_until(lambda screen: f"/{words}: " in screen and "P promote" in screen, f"only {words}")


def promote(console, version: str, to_stage: str) -> None:
    console.press("P")
    console.wait_for(f"→ {to_stage}")
    if f"ype {version}, then Y confirms" in console.wait_for(r"Y confirms|then confirms"):
        console.type(version)
    confirm(console)


def confirm(console) -> None:
    """Press Y until the dialog is closed, as a person who reads: it shows all of itself first.

    A dialog that is asked again is deaf for a while, and begins that anew with each Y: to it, the key seems held down.
    So there is one Y for each hint that asks for one, and another only if that came too early.
    """
    console.wait_for("Y confirms: |Show more")
    answered, answered_at = "", 0.0

    def is_closed(screen: str) -> bool:
        nonlocal answered, answered_at
        hint = " ".join(re.findall(r"Y (?:confirms|shows)[\w ,:]*", screen))
        now = time.monotonic()
        if hint and (hint != answered or now - answered_at > 2 * HELD_SECONDS):
            console.press("Y")
            answered, answered_at = hint, now
        return "Cancel" not in screen

    console.wait_until(is_closed, "the dialog closed")


def test_train_promote_roll_back_undo_and_quit_with_a_second_console_attached(terminal, bondx, workspace):
    console = terminal(f"bondx --workspace {workspace} run", cwd=workspace.parent)
    console.wait_for(r"1 Overview")
    console.press("2")
    console.wait_for(r"s-0002 +✓ finished")
    console.press("3")
    console.wait_for(r"spread +1\.0\.1")

    show_only(console, "spread 1.0.0")
    promote(console, "1.0.0", "Staging")
    console.wait_for(r"1\.0\.0 +\S* *Staging")
    promote(console, "1.0.0", "Production")
    console.wait_for(r"1\.0\.0 +\S* *Production")
    console.press("Escape")
    console.wait_for(r"spread +1\.0\.1")
    show_only(console, "spread 1.0.1")
    promote(console, "1.0.1", "Staging")
    console.wait_for(r"1\.0\.1 +\S* *Staging")
    promote(console, "1.0.1", "Production")
    console.wait_for(r"1\.0\.1 +\S* *Production")
    until_stages(bondx, workspace, {"1.0.0": "Archived", "1.0.1": "Production"})

    second = terminal(f"bondx --workspace {workspace}", cwd=workspace.parent, columns=120, rows=40)
    second.wait_for("engine in another console")
    second.wait_for(r"spread +1\.0\.1")

    console.press("R")
    confirm(console)
    second.wait_for(r"spread +1\.0\.0")
    until_stages(bondx, workspace, {"1.0.0": "Production", "1.0.1": "Archived"})

    second.press("3")
    second.wait_for(r"spread +1\.0\.1 +\S* *Archived")
    show_only(second, "spread")
    second.press("U")
    confirm(second)
    second.wait_for(r"spread +1\.0\.1 +\S* *Production")
    console.wait_for(r"1\.0\.1 +\S* *Production")
    until_stages(bondx, workspace, {"1.0.0": "Archived", "1.0.1": "Production"})

    second.press("q")
    second.wait_for("exit code 0")
    console.leave_console()
    console.wait_for("exit code 0")
    verified = bondx("--workspace", workspace, "audit", "verify")
    assert verified.returncode == 0, verified.stdout


def test_a_key_typed_ahead_of_a_dialog_never_confirms_it(terminal, bondx, workspace):
    console = terminal(f"bondx --workspace {workspace}", cwd=workspace.parent)
    console.wait_for("1 Overview")
    console.press("3")
    console.wait_for(r"spread +1\.0\.0")

    console.press("P", "Y", "Enter", "Y")  # one burst, as a held key or a paste sends it
    console.wait_for("Promote .* 1.0.0")
    console.press("Escape")

    listed = json.loads(bondx("--workspace", workspace, "registry", "list", "--json").stdout)
    assert {version["stage"] for version in listed} == {"Development"}


def test_a_read_only_console_changes_nothing_and_says_so(terminal, workspace):
    console = terminal(f"bondx --workspace {workspace} --read-only", cwd=workspace.parent)
    console.wait_for("1 Overview")
    console.press("3")
    console.wait_for(r"spread +1\.0\.0")
    screen = console.wait_for(r"\bRO\b")
    assert "ARMED" not in screen

    console.press("!")
    console.press("P")

    console.wait_for("read-only")
    assert "Y confirms" not in console.screen()


def test_a_console_too_small_for_anything_still_shows_what_runs(terminal, workspace):
    console = terminal(f"bondx --workspace {workspace}", cwd=workspace.parent, columns=40, rows=12)
    console.wait_for("bondx")
    console.resize((20, 5))
    console.resize((120, 40))
    console.wait_for("1 Overview")
    console.leave_console()
    console.wait_for("exit code 0")
