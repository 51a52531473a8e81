"""Screens as they should look, in files of their own: for screens that no key of the demo leads to."""

import os
from pathlib import Path

import pytest

from console.presentation import status
from tests.console.test_golden_screens import FOLDER, golden

OWN = FOLDER / "texts"


@pytest.fixture
def pictured(monkeypatch):
    """Return what compares a screen with its file, on a terminal and a host that are always the same."""
    monkeypatch.setattr(status, "HOST", "desk-4")
    for name, value in {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "LC_ALL", "LC_CTYPE", "TMUX"):
        monkeypatch.delenv(name, raising=False)

    def compare(console, name: str) -> None:
        size = console.app.size
        file: Path = OWN / f"{name}-{size.width}x{size.height}.txt"
        seen = golden(console.app)
        if os.environ.get("GOLDEN") == "update":
            OWN.mkdir(exist_ok=True)
            file.write_text(seen, encoding="utf-8")
        assert file.exists(), f"There is no {file.name} yet: make golden writes it."
        assert seen.splitlines() == file.read_text(encoding="utf-8").splitlines(), "If this was meant: make golden."

    return compare
