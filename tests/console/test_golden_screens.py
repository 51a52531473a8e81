"""Every screen and dialog as it should look: `make golden` writes the files anew, `git diff` shows what has changed.

A golden is the screen row by row, and below it the styles of each row: a letter for a style and the number of cells
it holds for. The letters are explained at the end.
"""

import os
import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from string import ascii_letters

import pytest
from rich.style import Style

from console.app.app import BondxApp
from console.dialogs.change import ChangeDialog
from console.presentation import status
from core.actor import Actor
from core.state import Lease, Workspace
from tests.console.conftest import NOW
from tools.demo import OPERATOR, make_demo
from tools.demo_retraining import retrain_demo
from tools.demo_stress import stress_demo
from tools.demo_views import view_demo
from tools.scenes import SCENES

FOLDER = Path(__file__).parent / "golden"
SIZES = ((80, 24), (120, 40))
HUGE = (160, 48)  # for the screens that have another layout there
CASES = tuple(
    (name, keys, size)
    for name, keys in SCENES
    for size in ((*SIZES, HUGE) if name.startswith(("8-stress", "1-view")) else SIZES)
)
# Follows from keys drawn by chance, and from every field of a document.
HASH = re.compile(r"(?<![.\w])(?=\d*[a-f])[0-9a-f]{12,}\b")
UPDATES = os.environ.get("GOLDEN") == "update"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Iterator[Workspace]:
    """The demo workspace as made on one certain machine, with an engine that has been at work for an hour."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "gethostname", lambda: "desk-4")
        patch.setattr(status, "HOST", "desk-4")
        patch.setattr(Actor, "current", lambda origin: Actor("mira", "desk-4", origin))
        for name in ("core.registry.registration.software", "core.tracking.runs.environment"):
            patch.setattr(name, dict)
        patch.setattr("core.tracking.runs.git_state", lambda _folder: None)
        workspace = make_demo(tmp_path_factory.mktemp("golden") / "desk-risk", now=NOW)
        stress_demo(workspace, NOW)
        retrain_demo(workspace, NOW)
        view_demo(workspace, NOW)
        patch.setattr("core.state.lease.process_id", lambda: 4711)
        with Lease.acquire(workspace, OPERATOR, "headless", clock=lambda: NOW - timedelta(hours=1)):
            yield workspace


def described(style: Style) -> str:
    """Put a style into words that do not depend on the order of its parts."""
    on = [name for name in ("bold", "dim", "italic", "underline", "reverse", "strike") if getattr(style, name)]
    colours = [
        f"{style.color.name if style.color else 'default'} on {style.bgcolor.name if style.bgcolor else 'default'}"
    ]
    return " ".join(colours + on)


def golden(app: BondxApp) -> str:
    """Write the screen down: its rows, the styles of each row, and what the letters of the styles mean."""
    texts, runs, letters = [], [], {}
    for strip in app.screen._compositor.render_strips(app.size):
        texts.append(HASH.sub(lambda found: "#" * len(found[0]), strip.text.rstrip()))
        styles = [(described(segment.style or Style()), len(segment.text)) for segment in strip]
        row = []
        for style, pieces in groupby(styles, key=lambda each: each[0]):
            letter = letters.setdefault(style, ascii_letters[len(letters)])
            row.append(f"{letter}{sum(n for _, n in pieces)}")
        runs.append(" ".join(row))
    legend = [f"{letter} = {style}" for style, letter in letters.items()]
    rule = "-" * app.size.width
    return "\n".join([*texts, rule, *(f"{n:>2} {row}" for n, row in enumerate(runs, 1)), rule, *legend, ""])


@pytest.fixture(autouse=True)
def common_terminal(monkeypatch):
    """A terminal with all colours and signs, whatever the tests run in."""
    for name, value in {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "LC_ALL", "LC_CTYPE", "TMUX"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("name", "keys", "size"), CASES, ids=[f"{size[0]}x{size[1]}-{name}" for name, _, size in CASES]
)
async def test_a_screen_matches_its_golden(open_console, name, keys, size):
    async with open_console(size, theme="bondx-dark") as console:
        for key in keys:
            await console.press(key)
            await console.caught_up()
        if isinstance(dialog := console.app.screen, ChangeDialog):
            await console.until(lambda: dialog._listens, "a dialog that listens")
            await console.settled()
        seen = golden(console.app)
    file = FOLDER / f"{name}-{size[0]}x{size[1]}.txt"
    if UPDATES:
        FOLDER.mkdir(exist_ok=True)
        file.write_text(seen, encoding="utf-8")
    assert file.exists(), f"There is no {file.name} yet: make golden writes it."
    assert seen.splitlines() == file.read_text(encoding="utf-8").splitlines(), "If this was meant: make golden."


def test_every_screen_has_a_golden_and_every_golden_a_screen():
    pictured = {name.partition("-")[2].partition("-")[0] for name, _ in SCENES}
    assert set(BondxApp.MODES) <= pictured, "tools/scenes.py lacks a screen"
    expected = {f"{name}-{width}x{height}.txt" for name, _, (width, height) in CASES}
    stale = {file.name for file in FOLDER.glob("*.txt")} - expected
    if UPDATES:
        for name in stale:
            (FOLDER / name).unlink()
    assert stale == set() or UPDATES, "Nothing makes these any more: make golden takes them away."
