"""Tasks that run beside the screens, on the loop of the console, and what their threads open."""

import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from textual.worker import WorkType


class BackgroundHost(Protocol):
    """What runs tasks: the console, or one of its screens, which ends its tasks when it is left."""

    def run_worker(self, work: "WorkType[None]", *, group: str = ..., exclusive: bool = ...) -> object:
        """Run a task beside the screens."""


class Closable(Protocol):
    """What holds a process or a file until it is closed."""

    def close(self) -> None:
        """Let go of it; once more does nothing."""


class OpenedHere:
    """What threads have opened for a screen: closed when the screen ends, or at once if the screen has ended by then.

    A cancelled task drops the result of its thread, and nobody would close it. So a thread adds what it has opened
    itself, as soon as there is something to close.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened: list[Closable] = []
        self._has_ended = False

    def add(self, opened: Closable) -> None:
        """Take what must be closed, from any thread."""
        with self._lock:
            if not self._has_ended:
                self._opened.append(opened)
                return
        opened.close()

    def close(self) -> None:
        """Close everything, and whatever is still added."""
        with self._lock:
            self._has_ended = True
            opened, self._opened = self._opened, []
        for each in opened:
            each.close()


def in_background(
    host: BackgroundHost,
    work: Callable[[], Coroutine[Any, Any, None]],
    *,
    group: str = "default",
    exclusive: bool = False,
) -> None:
    """Run a task beside the screens.

    Args:
        host: What ends the task when it is left.
        work: What makes the coroutine. A host that ends before the first step never asks for one; a coroutine that was
            made already would be left unawaited, which Python warns about.
        group: The tasks among which `exclusive` counts.
        exclusive: Whether earlier tasks of the group and host are cancelled.
    """
    named: WorkType[None] = work
    host.run_worker(named, group=group, exclusive=exclusive)
