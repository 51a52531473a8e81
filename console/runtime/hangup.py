"""How a console exits without q: a dropped line, a SIGTERM, a terminal left in a strange mode.

A dropped SSH line is not left to Textual's loop, which may be stalled on that very line: a daemon thread polls
the terminal for POLLHUP, and the process ends at once with 129. State is safe by then, since every acknowledged
change is on disk and sessions checkpoint each epoch; `save` gets a moment to let the engine stop. A terminal that is
still there, as after a SIGHUP from a supervisor, is restored.
"""

import asyncio
import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

HANGUP_EXIT_CODE = 128 + signal.SIGHUP
TERMINATED_EXIT_CODE = 128 + signal.SIGTERM
SAVE_SECONDS = 2.0
RESTORE_SECONDS = 0.5  # a stalled line takes no bytes
# What Textual 8.2 switches on: paste brackets, resize and focus reports, mouse reports, synchronised output, kitty's
# keys, the alternate screen; off again in this order, since kitty's keys belong to a screen.
MODES_OFF = (
    "\x1b[?2004l\x1b[?2048l\x1b[?1004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l\x1b[?2026l"
    "\x1b[<u\x1b[?1049l\x1b[?7h\x1b[?25h\x1b[0m"
)


class HangupWatch:
    """Ends the process when the terminal goes away, whatever the main thread is doing."""

    def __init__(self, save: Callable[[], None], *, leave: Callable[[int], None] = os._exit) -> None:
        self._save = save
        self._leave = leave
        self._once = threading.Lock()
        self._line_modes: list[Any] | None = None

    def install(self, file_descriptor: int = 0) -> None:
        """Catch SIGHUP, and poll the terminal when there is one; the main thread calls this."""
        signal.signal(signal.SIGHUP, lambda _signal, _frame: self._in_thread())
        if os.isatty(file_descriptor):
            self._line_modes = termios.tcgetattr(file_descriptor)
            threading.Thread(target=self._poll, args=(file_descriptor,), name="hangup", daemon=True).start()

    def _poll(self, file_descriptor: int) -> None:
        poll = select.poll()
        poll.register(file_descriptor, 0)  # POLLHUP and POLLERR are reported without being asked for
        while not any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll()):
            pass
        self.hang_up()

    def _in_thread(self) -> None:
        # A signal handler interrupts the main thread, which may hold any lock that saving needs.
        threading.Thread(target=self.hang_up, name="hangup-save", daemon=True).start()

    def hang_up(self) -> None:
        """Save for at most `SAVE_SECONDS`, restore the terminal if it still takes anything, then end the process."""
        if not self._once.acquire(blocking=False):
            return
        for work, seconds in ((self._save, SAVE_SECONDS), (self._restore, RESTORE_SECONDS)):
            working = threading.Thread(target=work, name="hangup-save", daemon=True)
            working.start()
            working.join(seconds)
        self._leave(HANGUP_EXIT_CODE)

    def _restore(self) -> None:
        """Switch the terminal's modes off; what other threads still draw goes nowhere, so that nothing follows."""
        if self._line_modes is None:
            return
        with suppress(OSError, termios.error):
            drawn = 2 if sys.__stderr__ is None else sys.__stderr__.fileno()
            terminal = os.dup(drawn)
            os.dup2(os.open(os.devnull, os.O_WRONLY), drawn)
            termios.tcsetattr(terminal, termios.TCSANOW, self._line_modes)
            os.write(terminal, MODES_OFF.encode())


def on_terminate(loop: asyncio.AbstractEventLoop, leave: Callable[[], None]) -> None:
    """Leave in order on SIGTERM: the handler runs inside the loop, so the terminal is restored."""
    loop.add_signal_handler(signal.SIGTERM, leave)


def draw_on_terminal() -> None:
    """Let Textual, which draws on stderr, draw on stdout where only that leads to the terminal (`bondx 2>errors`)."""
    if sys.__stderr__ is None or not sys.__stderr__.isatty():
        vars(sys)["__stderr__"] = sys.__stdout__


def restore_terminal() -> None:
    """Switch off what Textual 8.2 leaves on after quitting: mouse reports in pixels (mode 1016)."""
    stream = sys.__stderr__
    if stream is not None and stream.isatty():
        stream.write("\x1b[?1016l")
        stream.flush()
