"""What an executor does: one function for many items, here or on a worker."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from core.executors.packing import PlainValue

S = TypeVar("S")
T = TypeVar("T")


class RemoteWork(Protocol):
    """The part of the work that a worker does: made once from what its tasks share, then asked for each task.

    It must be a class of a module's top level: it travels by name.
    """

    def __init__(self, shared: PlainValue) -> None: ...

    def do(self, task: PlainValue, /) -> PlainValue:
        """Compute one task; the same task gives the same answer, on whatever worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Generic[S, T]):
    """The same for every item of a list.

    Attributes:
        title: For people, in the plural: "trials of spread".
        here: Does an item in a thread of this process.
        there: Does it on a worker; None where it cannot leave this process.
        shared: What all tasks need, as a plain value; sent to each worker once.
        sent: An item as a plain value.
        taken: The result from a worker's answer.
    """

    title: str
    here: Callable[[S], T]
    there: type[RemoteWork] | None = None
    shared: Callable[[], PlainValue] = lambda: None
    sent: Callable[[S], PlainValue] = lambda item: item
    taken: Callable[[S, PlainValue], T] = lambda _, answer: answer


class Executor(Protocol):
    """Where work is done. Used by several threads at a time."""

    def map(self, work: Work[S, T], items: Sequence[S]) -> list[T]:
        """Do every item; return the results in the order of the items.

        Raises:
            ExecutorError: The workers, or the way to them, are gone; the same work may succeed later.
            Exception: What the first item that failed raised.
        """

    def close(self) -> None:
        """Give the workers back."""
