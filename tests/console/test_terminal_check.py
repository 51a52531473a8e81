"""What `bondx doctor --environment` says of a terminal: every cure that it names helps."""

import io
import os
import sys

import pytest

from console.commands.doctor import A_TERMINAL, terminal
from widgets.glyphs import UNICODE, choose_glyphs


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def on_terminal(monkeypatch):
    """Ask what is said of a terminal with this environment."""

    def ask(*, columns=80, lines=24, **environ):
        for name in ("LC_ALL", "LC_CTYPE", "LANG", "TERM"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {**environ, "COLUMNS": str(columns), "LINES": str(lines)}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr(sys, "stdout", Terminal())
        return terminal()

    return ask


LOCALE = "export LC_ALL=C.UTF-8 for Unicode lines and symbols"
TERM = f"export TERM={A_TERMINAL}, or the name of your terminal"


@pytest.mark.parametrize(
    ("environ", "cures"),
    [
        pytest.param({"TERM": "xterm", "LANG": "en_US.UTF-8"}, [], id="nothing lacks"),
        pytest.param({"TERM": "xterm", "LANG": "C"}, [LOCALE], id="a locale without Unicode"),
        pytest.param({"TERM": "xterm", "LC_ALL": "C", "LANG": "C.UTF-8"}, [LOCALE], id="LC_ALL overrides LANG"),
        pytest.param({"TERM": "linux", "LANG": "C"}, [], id="no locale brings Unicode to the Linux console"),
        pytest.param({"TERM": "dumb", "LANG": "C.UTF-8"}, [TERM], id="the locale is right already"),
        pytest.param({"LANG": "C"}, [TERM, LOCALE], id="neither is right"),
    ],
)
def test_the_cures_of_a_terminal(on_terminal, environ, cures):
    item = on_terminal(**environ)
    assert item.cure == "; ".join(cures)
    assert item.state == ("weak" if cures else "ok")
    if LOCALE in cures:
        assert choose_glyphs({**os.environ, "TERM": A_TERMINAL, "LC_ALL": "C.UTF-8"}) is UNICODE


@pytest.mark.parametrize(("columns", "lines"), [(79, 24), (80, 23)])
def test_a_window_that_is_too_small_is_told_the_size_it_needs(on_terminal, columns, lines):
    item = on_terminal(columns=columns, lines=lines, TERM="xterm", LANG="C.UTF-8")
    assert item.cure == "enlarge the window to at least 80x24"
    assert f"{columns}x{lines}" in item.found
