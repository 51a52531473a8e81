"""The rows that one change is about: the marked rows that are shown, or the row under the cursor."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Generic, TypeVar

from console.presentation.phrases import counted
from widgets.line import Line

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen(Generic[T]):
    """Objects for one change, as of the key press. What is not shown is never among them."""

    things: tuple[T, ...]
    are_marked: bool = False
    """Whether they were marked; else it is the row under the cursor."""
    spared: tuple[str, ...] = ()
    """What a hand may expect to be changed and is not: the row under the cursor, marks that are not shown."""
    end: Callable[[Collection[T]], object] = lambda _: None
    """Ends the marks of what was carried out; what refused stays marked."""

    def counted(self, noun: str, n: int) -> str:
        """Name the number of the objects that a change is made to, and that they were marked.

        >>> Chosen(things=("a", "b"), are_marked=True).counted("alert", 2)
        '2 marked alerts'
        >>> Chosen(things=("a",)).counted("alert", 1)
        '1 alert'
        """
        return counted(n, f"marked {noun}" if self.are_marked else noun)

    def spared_lines(self) -> list[Line]:
        """Say what stays as it is although a hand may expect otherwise."""
        return [Line(((sentence, "warn"),)) for sentence in self.spared]


def spared_sentences(noun: str, row: str | None, n_hidden: int) -> tuple[str, ...]:
    """Say what a change of marked rows leaves alone.

    Args:
        noun: The kind of the rows.
        row: The name of the row under the cursor, if other rows are marked and it is not.
        n_hidden: The number of marked rows that a filter or a fold hides.

    >>> spared_sentences("version", "spread 1.2.0", 1)
    ('Not marked, stays as it is: spread 1.2.0, under the cursor.', '1 marked version is not shown and stays as it is.')
    """
    stays = "is not shown and stays as it is" if n_hidden == 1 else "are not shown and stay as they are"
    return (
        *((f"Not marked, stays as it is: {row}, under the cursor.",) if row else ()),
        *((f"{counted(n_hidden, f'marked {noun}')} {stays}.",) if n_hidden else ()),
    )
