"""Tasks that run beside the screens, on the loop of the console."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from textual.worker import WorkType


class BackgroundHost(Protocol):
    """What runs tasks: the console, or one of its screens, which ends its tasks when it is left."""

    def run_worker(self, work: "WorkType[None]", *, group: str = ..., exclusive: bool = ...) -> object:
        """Run a task beside the screens."""


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
