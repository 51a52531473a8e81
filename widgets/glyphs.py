"""The signs we draw with, for terminals with and without Unicode."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from textual.widget import Widget

_ASCII_SPELLINGS = str.maketrans({"–": "-", "—": "-", "…": "~", "·": ",", "×": "x", "±": "%", "●": "*"})
_ARROW_AND_GAP = re.compile("→(.*?)  ")
_PLAIN_TERMINALS = frozenset({"", "linux", "dumb", "vt52", "vt100", "vt102", "vt220", "ansi", "cons25"})


class Glyphs(msgspec.Struct, frozen=True, kw_only=True):
    """One set of signs. Each accompanies a colour, so that no meaning depends on colour alone."""

    name: str
    cursor: str
    cursor_idle: str
    dot: str
    hollow: str
    passed: str
    failed: str
    warned: str
    ellipsis: str
    arrow: str
    mark: str  # of a row that was marked
    up: str
    down: str
    changed: str
    added: str
    removed: str
    bar_full: str
    bar_empty: str
    rule: str
    upright: str
    corner: str
    tick: str
    thumb: str
    separator: str
    replacement: str
    levels: str  # of a sparkline, lowest first
    markers: str  # one per series of a chart

    def spelled(self, text: str) -> str:
        """Spell our own sentences, which contain dashes and arrows, with the signs of this terminal.

        Each sign takes one cell, but an arrow takes two: a lone ">" would read as "greater than". The second one is
        taken from the next gap of two blanks, so that the columns behind it stay in line.

        >>> ASCII.spelled("5 % → 10 %, then –"), ASCII.spelled("1.1.0 → 1.2.0   live")
        ('5 % -> 10 %, then -', '1.1.0 -> 1.2.0  live')
        """
        if self.name == "unicode" or text.isascii():
            return text
        n_arrows = text.count("→")
        for _ in range(n_arrows):
            text = _ARROW_AND_GAP.sub(r"->\1 ", text, count=1)
        return text.replace("→", "->").translate(_ASCII_SPELLINGS)


UNICODE = Glyphs(
    name="unicode",
    cursor="▌",
    cursor_idle="▏",
    dot="●",
    hollow="○",
    passed="✓",
    failed="✗",
    warned="!",
    ellipsis="…",
    arrow="→",
    mark="→",
    up="▲",
    down="▼",
    changed="±",
    added="+",
    removed="-",
    bar_full="━",
    bar_empty="─",
    rule="─",
    upright="│",
    corner="╰",
    tick="┤",
    thumb="┃",
    separator="·",
    replacement="�",
    levels="▁▂▃▄▅▆▇█",
    markers="●◆▲■▼★",
)

# Each sign has one meaning; only what draws bars, frames and curves shares its signs.
ASCII = Glyphs(
    name="ascii",
    cursor="[",
    cursor_idle=":",
    dot="*",
    hollow="o",
    passed="v",
    failed="x",
    warned="!",
    ellipsis="~",
    arrow="->",
    mark="=",
    up="/",
    down="\\",
    changed="%",
    added="+",
    removed="-",
    bar_full="#",
    bar_empty="-",
    rule="-",
    upright="|",
    corner="+",
    tick="+",
    thumb="#",
    separator=",",
    replacement="?",
    levels="_.-:=+*#",
    markers="ABCDEF",
)


def choose_glyphs(environ: Mapping[str, str], *, setting: str = "auto") -> Glyphs:
    """Choose the signs that this terminal can draw.

    Args:
        environ: The process environment; TERM, LC_ALL, LC_CTYPE and LANG are read.
        setting: "unicode" or "ascii" override the environment; "auto" follows it.

    Returns:
        ASCII for the Linux console, for dumb terminals and where the locale names no UTF-8.
    """
    if setting in ("unicode", "ascii"):
        return ASCII if setting == "ascii" else UNICODE
    return UNICODE if speaks_utf8(environ) and environ.get("TERM", "") not in _PLAIN_TERMINALS else ASCII


def speaks_utf8(environ: Mapping[str, str]) -> bool:
    """Say whether the locale of an environment names UTF-8.

    >>> speaks_utf8({"LANG": "C.UTF-8"}), speaks_utf8({"LANG": "C.UTF-8", "LC_ALL": "POSIX"})
    (True, False)
    """
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    return "utf-8" in locale.lower() or "utf8" in locale.lower()


def glyphs_of(widget: Widget) -> Glyphs:
    """Look up the signs of the app that a widget lives in: its attribute `glyphs`, Unicode without one."""
    glyphs = getattr(widget.app, "glyphs", UNICODE)
    return glyphs if isinstance(glyphs, Glyphs) else UNICODE
