"""One change of several objects: each is carried out and recorded by itself, and whatever fails is told by object."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from core.errors import CoreError

T = TypeVar("T")


class PartlyDoneError(CoreError):
    """Some objects refused the change; the others have changed."""

    def __init__(self, done: Sequence[str], refused: Sequence[str]) -> None:
        super().__init__("\n".join((*refused, f"Done: {', '.join(done)}." if done else "Nothing was changed.")))
        self.n_done = len(done)
        self.n_all = len(done) + len(refused)


def carry_out_each(things: Sequence[T], name: Callable[[T], str], carry_out: Callable[[T], object]) -> str:
    """Change objects one after another.

    Returns:
        Their names.
    Raises:
        PartlyDoneError: Some of several objects refused.
        CoreError: The only object refused.
    """
    done, refused = [], []
    for thing in things:
        try:
            carry_out(thing)
        except (CoreError, OSError) as error:
            if len(things) == 1:
                raise
            refused.append(f"{name(thing)}: {error}")
        else:
            done.append(name(thing))
    if refused:
        raise PartlyDoneError(done, refused)
    return ", ".join(done)
