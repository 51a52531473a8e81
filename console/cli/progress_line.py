"""The progress of a command that takes longer than two seconds: a line on the terminal, cleared before any text.

Nothing is drawn in a pipe, on a dumb terminal, and while the command is in the background.
"""

import argparse
import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence

from console.cli import escaped_text
from console.cli.escaped_text import terminal_cells
from core import progress
from core.escape import escaped

FIRST_SECONDS = 2.0
NEXT_SECONDS = 0.5
_CLEAR = b"\r\x1b[K"
_lines: "list[CommandProgress]" = []  # the one that is drawn now, if any


class CommandProgress:
    """The line on standard error; drawn by a thread of its own."""

    def __init__(self, title: str) -> None:
        """Take the name of the command; `begin` starts the thread."""
        self._title = title
        self._part = ""
        self._lock = threading.RLock()
        self._is_drawn = False
        self._line_is_open = False  # the last text has no end
        self._n_pauses = 0
        self._done = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._draw_until_done, name="progress", daemon=True)

    def begin(self) -> None:
        """Start to draw, after `FIRST_SECONDS`."""
        self._thread.start()

    def show(self, part: str) -> None:
        """Take the part of the work that begins."""
        self._part = part

    def make_room(self, text: str) -> None:
        """Clear the line for a text that is written now."""
        with self._lock:
            self._clear()
            if text:  # `print` writes its empty `end` as a text of its own
                self._line_is_open = not text.endswith("\n")

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Within it, draw nothing; what is written ends with the Enter of an answer."""
        with self._lock:
            self._clear()
            self._n_pauses += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_pauses -= 1
                self._line_is_open = False

    def end(self) -> None:
        """Clear the line, and draw no more."""
        self._done.set()
        with self._lock:
            self._clear()

    def _draw_until_done(self) -> None:
        wait = FIRST_SECONDS
        while not self._done.wait(wait):
            wait = NEXT_SECONDS
            with self._lock, contextlib.suppress(OSError):
                if not (self._done.is_set() or self._n_pauses or self._line_is_open) and _is_in_foreground():
                    os.write(2, _CLEAR + self._text().encode(sys.stderr.encoding or "ascii", "replace"))
                    self._is_drawn = True

    def _text(self) -> str:
        columns = os.get_terminal_size(2).columns or 80
        seconds = f", {time.monotonic() - self._began:.0f} s"
        part = f": {self._part}" if self._part else ""
        room = max(columns - 1 - len(seconds), 0)
        text = escaped(f"{self._title}{part}")
        while text and terminal_cells(text) > room:
            text = text[:-1]
        return (text + seconds)[: columns - 1]

    def _clear(self) -> None:
        if self._is_drawn:
            self._is_drawn = False
            with contextlib.suppress(OSError):
                os.write(2, _CLEAR)


@contextlib.contextmanager
def progress_shown(args: argparse.Namespace, title: str) -> Iterator[None]:
    """Within it, the progress of a command is on the terminal if it takes long.

    Args:
        args: The parsed command line; a command that follows something until it is interrupted shows no progress.
        title: The name of the command.
    """
    follows = any(getattr(args, name, False) for name in ("follow", "watch"))
    if follows or getattr(args.command, "keeps_its_log", False) or not _is_drawable():
        yield
        return
    line = CommandProgress(title)
    earlier = progress.listen(line.show)
    escaped_text.before_text(line.make_room)
    _lines.append(line)
    line.begin()
    try:
        yield
    finally:
        line.end()
        _lines.remove(line)
        escaped_text.before_text(None)
        progress.listen(earlier)


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """Within it, no progress is drawn: a question is open."""
    with contextlib.ExitStack() as stack:
        for line in _lines:
            stack.enter_context(line.paused())
        yield


def title_of(parser: argparse.ArgumentParser, words: Sequence[str]) -> str:
    """Return the name of the command that a command line means, such as `bondx registry register`."""
    for word in words:
        nouns = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if nouns and word in nouns[0]:
            parser = nouns[0][word]
    return parser.prog


def _is_drawable() -> bool:
    return os.isatty(2) and sys.stderr.fileno() == 2 and os.environ.get("TERM", "") not in ("", "dumb")


def _is_in_foreground() -> bool:
    return os.tcgetpgrp(2) == os.getpgrp()
