"""One change of several objects, one after another, each recorded by itself; failures name their object."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from core.errors import CoreError

T = TypeVar("T")


class PartlyDoneError(CoreError):
    """Some or all of several objects refused the change.

    Attributes:
        n_done: The number of objects that have changed.
        n_all: The number of all objects.
    """

    def __init__(self, done: Sequence[str], refused: Sequence[str]) -> None:
        changed = f"Done: {', '.join(done)}." if done else "No object was changed."
        super().__init__("\n".join((changed, *(f"Not done: {each}" for each in refused))))
        self.n_done = len(done)
        self.n_all = len(done) + len(refused)


def carry_out_each(
    things: Sequence[T], name: Callable[[T], str], carry_out: Callable[[T], object], done: list[T]
) -> str:
    """Change objects one after another.

    Args:
        things: The objects.
        name: Names an object in full.
        carry_out: Changes an object.
        done: Takes the objects that have changed, also where others refuse.
    Returns:
        Their names.
    Raises:
        PartlyDoneError: Some of several objects refused.
        CoreError: The only object refused.
    """
    refused = []
    for thing in things:
        try:
            carry_out(thing)
        except (CoreError, OSError) as error:
            if len(things) == 1:
                raise
            refused.append(f"{name(thing)}: {error}")
        else:
            done.append(thing)
    names = [name(thing) for thing in done]
    if refused:
        raise PartlyDoneError(names, refused)
    return ", ".join(names)
