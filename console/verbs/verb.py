"""What a verb is: one thing an operator can do, told once. Keys, commands, footer, help and palette follow from it.

A verb is about a noun: the object under the cursor when its key is pressed, or the one that a command line names.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from console.verbs.offer import OfferContext

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from console.presentation.offer import Offer
    from core.view.snapshot import Snapshot

Thing = TypeVar("Thing")


class Argument(msgspec.Struct, frozen=True):
    """A word that a command takes."""

    word: str  # as the usage spells it
    choices: "Callable[[Snapshot, Sequence[str]], Sequence[str]]" = lambda _snapshot, _before: ()
    """What may stand here, given the words before it."""
    read: Callable[[str], Any] = str
    """What the word means to the verb; raises `UsageError` when it means nothing."""
    takes_rest: bool = False
    """All that follows, blanks within it as they are."""


class Key(msgspec.Struct, frozen=True):
    """A key: as Textual names it, what the footer calls it in at most two words, and what the help says about it."""

    keys: str  # several with commas; "" is bound elsewhere, and only explained here
    label: str  # "" keeps it out of the footer
    words: str
    sign: str = ""  # as people write it, where that is not `keys`
    pinned: bool = False  # stays in the footer when there is little room
    takes_next_keys: bool = False  # done before any key behind it is looked at: those belong to what it opens

    @property
    def display(self) -> str:
        """The key as people write it."""
        return self.sign or self.keys


class Command(msgspec.Struct, frozen=True):
    """A command of the `:` line, beyond the words that name its object."""

    summary: str
    options: tuple[Argument, ...] = ()
    n_required: int = 0  # of the options
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Noun(Generic[Thing]):
    """A kind of object that verbs are about: how a command line names one, and what is said where there is none."""

    arguments: tuple[Argument, ...]
    missing: str = ""  # why a key does nothing without one
    find: "Callable[[Snapshot, Sequence[str]], Thing]"
    """Finds the object that the words of a command name; raises `NotFoundError`."""
    usual: "Callable[[Snapshot], Thing | None]" = lambda _snapshot: None
    """The object that is meant on a screen where none is under the cursor."""


Things = Mapping[Noun[Any], object]
"""The objects that stand under the cursors of a screen, by noun."""


class Verb(Generic[Thing]):
    """One thing an operator can do. Subclasses say what; the catalog holds one object of each."""

    name: str
    """Names the verb, and its command where it has one."""
    noun: Noun[Any] | None = None
    """What it is about; its key is offered on the screens that show this noun, without one on every screen."""
    on: tuple[str, ...] = ()
    """The only screens on which its key is offered, by name."""
    key: Key | None = None
    command: Command | None = None
    changes: bool = False
    """Whether it changes anything; then its key is a capital, and it is refused while nothing may be changed."""

    @property
    def action(self) -> str:
        """The action of Textual that its key is bound to."""
        return f"verb({self.name!r})"

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """The words of its command: those that name the object, then the options."""
        return (*(self.noun.arguments if self.noun else ()), *(self.command.options if self.command else ()))

    @property
    def n_required(self) -> int:
        """How many words its command cannot do without."""
        return len(self.noun.arguments if self.noun else ()) + (self.command.n_required if self.command else 0)

    @property
    def usage(self) -> str:
        """Its command as one would type it, optional words in brackets."""
        words = [a.word if i < self.n_required else f"[{a.word}]" for i, a in enumerate(self.arguments)]
        return " ".join((self.name, *words))

    def refused(self, app: "ConsoleControls", thing: Thing | None) -> str | None:
        """Say why the verb would do nothing now, in the sentence that a dim key answers with, or None."""
        if self.changes and (refused := app.refusal) is not None:
            return refused
        if thing is None:
            return self.noun.missing or None if self.noun else None
        return self.refusal(thing)

    def refusal(self, thing: Thing) -> str | None:
        """Say why it cannot be done to this object, or None."""
        return None

    def do(self, app: "ConsoleControls", thing: Thing, *options: Any) -> Awaitable[None] | None:
        """Do it. What takes a while is answered with: keys typed behind this one wait for that.

        Args:
            app: The console.
            thing: The object, as it was when the key was pressed; None for a verb without a noun.
            options: The other words of the command, read; a key has none.
        Raises:
            CoreError: It cannot be done; the sentence is shown to the operator.
        """
        raise NotImplementedError


class Change(Verb[Thing]):
    """A verb that changes something. It is offered in a dialog, and done when the operator confirms."""

    changes = True

    def offer(self, context: OfferContext, thing: Thing, *options: Any) -> "Offer":
        """Look the present state up, and say what would be done. Runs in a thread, and may read files.

        The offer's `commit` does the very thing that is shown; core refuses it when somebody was faster.

        Raises:
            CoreError: It cannot be done; the dialog then says why.
        """
        raise NotImplementedError

    def do(self, app: "ConsoleControls", thing: Thing, *options: Any) -> None:
        """Open the dialog."""
        app.offer(partial(self.offer, OfferContext.of(app), thing, *options))


class ScreenAction(Verb[None]):
    """A verb that a screen does by itself, in its method `action_NAME`: it is about how things are shown."""

    def __init__(self, name: str, key: Key, *, noun: Noun[Any] | None = None, on: tuple[str, ...] = ()) -> None:
        self.name = name
        self.key = key
        self.noun = noun
        self.on = on

    @property
    def action(self) -> str:
        """The screen's own."""
        return self.name
