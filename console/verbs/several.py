"""One change of several objects, each recorded by itself: one by one, or all or none; failures name their object."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from core.errors import CoreError, RefusedError

if TYPE_CHECKING:
    from core.actor import Actor
    from core.state import Workspace

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


def carry_out_all(
    things: Sequence[T],
    name: Callable[[T], str],
    carry_out: Callable[[T], object],
    done: list[T],
    *,
    workspace: "Workspace",
    database: str,
    actor: "Actor",
) -> str:
    """Change objects of one database together: all of them, or none if one refuses.

    Args:
        things: The objects.
        name: Names an object in full.
        carry_out: Changes an object.
        done: Takes the objects once all have changed.
        workspace: The workspace.
        database: The database that holds them.
        actor: Who changes them.
    Returns:
        Their names.
    Raises:
        RefusedError: One of several objects refused; none was changed.
        CoreError: The only object refused.
    """
    from core.governance import audited_together

    with audited_together(workspace, database, actor=actor):
        for thing in things:
            try:
                carry_out(thing)
            except CoreError as error:
                if len(things) == 1:
                    raise
                raise RefusedError(f"{name(thing)}: {error}\nNone of the {len(things)} was changed.") from error
    done.extend(things)
    return ", ".join(map(name, things))
