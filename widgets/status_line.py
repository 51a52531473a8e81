"""The top line of every screen: the workspace, the holder of the engine, alerts, whether writes are armed."""

from __future__ import annotations

from typing import Literal

import msgspec

from widgets.line import Line, Span, clean, fit, n_cells
from widgets.painted import Painted


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of the top line: plain values, ages already in coarse words."""

    host: str = ""
    workspace: str = ""
    engine: Literal["unread", "none", "replica", "silent", "here", "headless", "console"] = "unread"
    """Whether an engine is running or silent, and where: in this console, headless, in another, or at a desk."""
    follows: str = ""
    """Of a replica, the URL of its desk."""
    pid: int | None = None
    """The process of an engine elsewhere."""
    holder: str = ""
    """Who holds the engine."""
    engine_age: str = ""
    """How long the engine has run, or how long it is silent, in words."""
    armed: bool = False
    n_critical: int = 0
    n_warning: int = 0
    n_info: int = 0
    n_acknowledged: int = 0
    """How many open alerts somebody has acknowledged; the other numbers leave them out."""
    knows_alerts: bool = True
    """Whether the alerts were read: without, none of the three numbers is a fact."""
    clock: str = ""
    frozen: str = ""
    """The moment of the past that is shown, if any."""


_PLACES = {"here": "in this console", "console": "in another console"}

Piece = tuple[int, tuple[Span, ...]]
"""A priority (0 stays, the highest number is dropped first) and its spans."""


class StatusLine(Painted):
    """One line that fits any width: details are dropped first; where the operator is, alerts and write access stay."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._status = Status(knows_alerts=False)

    def set_status(self, status: Status) -> None:
        """Show this status; an unchanged status sends nothing."""
        if status != self._status:
            self._status = status
            self.repaint()

    def n_lines(self, width: int) -> int:
        """Always one line."""
        return 1

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw the line: workspace and engine at the left; alerts, write access and clock at the right."""
        left, right = self._left(), self._right()
        if _width(left) + _width(right) + 2 > width:
            right = self._right(brief=True)
        while left or right:
            if _width(left) + _width(right) + 2 <= width:
                break
            worst = max([*left, *right], key=lambda piece: piece[0])
            if worst[0] == 0:
                break
            (left if worst in left else right).remove(worst)
        spans = [span for _, piece in left for span in piece]
        room = width - _width(right)
        used = _width(left)
        if used > room:
            spans = [(fit("".join(text for text, _ in spans), room, ellipsis=self.glyphs.ellipsis), "")]
            used = room
        spans.append((" " * (room - used), ""))
        return [Line((*spans, *(span for _, piece in right for span in piece)))]

    def _left(self) -> list[Piece]:
        status, glyphs = self._status, self.glyphs
        pieces: list[Piece] = [(5, ((" bondx", "strong"),))]
        if status.host:
            pieces.append((4, ((f"  {clean(status.host)}", "muted"),)))
        if status.workspace:
            pieces.append((3, ((f"  {clean(status.workspace)}", ""),)))
        if status.engine == "unread":
            pieces.append((0, (("  reading…", "muted"),)))
        elif status.engine == "none":
            pieces.append((0, ((f"  {glyphs.hollow} no engine", "warn"),)))
        elif status.engine == "replica":
            pieces.append((0, ((f"  {glyphs.dot}", "good"), (" replica", ""))))
            pieces.append((2, ((f" of {clean(status.follows)}", ""),)))
        elif status.engine == "silent":
            pieces.append((0, ((f"  {glyphs.failed} engine silent {clean(status.engine_age)}".rstrip(), "alarm"),)))
        else:
            pieces.append((0, ((f"  {glyphs.dot}", "good"), (" engine", ""))))
            pieces.append((6, ((f" {_PLACES.get(status.engine, status.engine)}", ""),)))
            if status.pid is not None:
                pieces.append((7, ((f" pid {status.pid}", ""),)))
            details = " ".join(clean(part) for part in (status.holder, status.engine_age) if part)
            if details:
                pieces.append((8, ((f" {details}", "muted"),)))
        if status.frozen:
            pieces.append((1, ((f"  [{clean(status.frozen)}]", "warn"),)))
        return pieces

    def _calm(self) -> str:
        """Say that no alert is firing; without an engine at work, nothing looks for a reason to fire one."""
        if self._status.n_acknowledged:
            return f"{self._status.n_acknowledged} acknowledged"
        return "alerts unchecked" if self._status.engine in ("none", "silent") else "no alerts"

    def _right(self, *, brief: bool = False) -> list[Piece]:
        status, glyphs = self._status, self.glyphs
        pieces: list[Piece] = []
        if status.n_critical:
            word = "" if brief else " critical"
            pieces.append((0, ((f"{glyphs.failed} {status.n_critical}{word}  ", "alarm"),)))
        if status.n_warning:
            word = "" if brief else " warning"
            pieces.append((2, ((f"{glyphs.warned} {status.n_warning}{word}  ", "warn"),)))
        if status.n_info:
            pieces.append((9, ((f"{status.n_info} info  ", "muted"),)))
        if not status.knows_alerts:
            pieces.append((2, (("alerts unknown  ", "muted"),)))
        elif not (status.n_critical or status.n_warning or status.n_info):
            pieces.append((9, ((f"{self._calm()}  ", "muted"),)))
        pieces.append((0, (("ARMED ", "alarm") if status.armed else ("RO ", "muted"),)))
        if status.clock:
            pieces.append((1, ((f" {clean(status.clock)} ", ""),)))
        return pieces


def _width(pieces: list[Piece]) -> int:
    return sum(n_cells(text) for _, spans in pieces for text, _ in spans)
