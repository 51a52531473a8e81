"""How a console exits without q: a dropped line, a SIGTERM, a terminal left in a strange mode.

A dropped SSH line is not left to Textual's loop, which may be stalled on that very line: a daemon thread polls
the terminal for POLLHUP, and the process ends at once with 129. State is safe by then, since every acknowledged
change is on disk and sessions checkpoint each epoch; `save` gets a moment to let the engine stop.
"""

import asyncio
import os
import select
import signal
import sys
import threading
from collections.abc import Callable

HANGUP_EXIT_CODE = 128 + signal.SIGHUP
TERMINATED_EXIT_CODE = 128 + signal.SIGTERM
SAVE_SECONDS = 2.0


class HangupWatch:
    """Ends the process when the terminal goes away, whatever the main thread is doing."""

    def __init__(self, save: Callable[[], None], *, leave: Callable[[int], None] = os._exit) -> None:
        self._save = save
        self._leave = leave
        self._once = threading.Lock()

    def install(self, file_descriptor: int = 0) -> None:
        """Catch SIGHUP, and poll the terminal when there is one; the main thread calls this."""
        signal.signal(signal.SIGHUP, lambda _signal, _frame: self._in_thread())
        if os.isatty(file_descriptor):
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
        """Save for at most `SAVE_SECONDS`, then end the process."""
        if not self._once.acquire(blocking=False):
            return
        saving = threading.Thread(target=self._save, name="hangup-save", daemon=True)
        saving.start()
        saving.join(SAVE_SECONDS)
        self._leave(HANGUP_EXIT_CODE)


def on_terminate(loop: asyncio.AbstractEventLoop, leave: Callable[[], None]) -> None:
    """Leave in order on SIGTERM: the handler runs inside the loop, so the terminal is restored."""
    loop.add_signal_handler(signal.SIGTERM, leave)


def restore_terminal() -> None:
    """Switch off what Textual 8.2 leaves on after quitting: mouse reports in pixels (mode 1016)."""
    stream = sys.__stderr__
    if stream is not None and stream.isatty():
        stream.write("\x1b[?1016l")
        stream.flush()
