"""What the executors with workers elsewhere have in common: work becomes requests, answers become results."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from core.executors.bench import name_of, value_in
from core.executors.packing import packed
from core.executors.threads import ThreadExecutor
from core.executors.work import Work
from core.files import digest
from core.progress import begins

S = TypeVar("S")
T = TypeVar("T")

ATTEMPTS = 3
"""How often a task is done whose worker ends under it."""


@dataclass(frozen=True, slots=True)
class RemoteCall:
    """The work of a list of tasks, as a worker is asked for it.

    Attributes:
        title: For people, in the plural.
        work: The name of the class.
        shared: What the tasks share, packed.
        key: The same for the same work with the same shared value.
    """

    title: str
    work: str
    shared: bytes
    key: str


class RemoteExecutor(ABC):
    """Workers outside this process."""

    def map(self, work: Work[S, T], items: Sequence[S]) -> list[T]:
        """Do every item; return the results in the order of the items.

        Raises:
            ExecutorError: The workers, or the way to them, are gone; the same work may succeed later.
            Exception: What the first item that failed raised.
        """
        if not items:
            return []
        if work.there is None:
            return ThreadExecutor().map(work, items)
        name, shared = name_of(work.there), packed(work.shared())
        call = RemoteCall(work.title, name, shared, digest(name.encode() + b"\0" + shared))
        answers = self.answers(call, [packed(work.sent(item)) for item in items])
        return [work.taken(item, value_in(answer)) for item, answer in zip(items, answers, strict=True)]

    @abstractmethod
    def answers(self, call: RemoteCall, tasks: Sequence[bytes]) -> list[bytes]:
        """Let workers do the tasks; return their answers in order.

        Raises:
            ExecutorError: The workers, or the way to them, are gone.
        """

    @abstractmethod
    def close(self) -> None:
        """Give the workers back."""


def counted(title: str, n_tasks: int) -> Callable[[], None]:
    """Announce work whose tasks end elsewhere: a process that waits for its workers is not stuck while they get on.

    Returns:
        To be called at the end of each task, from any thread.
    """
    lock, n_left = threading.Lock(), n_tasks

    def ended() -> None:
        nonlocal n_left
        with lock:
            n_left -= 1
            if n_left:
                begins(f"{title}, {n_left} of {n_tasks} tasks left")

    begins(f"{title}, {n_tasks} tasks")
    return ended
