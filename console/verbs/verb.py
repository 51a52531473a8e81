"""A verb: one action of an operator, described once. Keys, commands, footer, help and palette follow from it.

A verb is about a noun: the object under the cursor at the key press, or the object that a command line names.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from console.presentation.keys import with_keys
from console.verbs.offer import OfferContext

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from console.presentation.offer import Offer
    from core.view.snapshot import Snapshot

Thing = TypeVar("Thing")


class Argument(msgspec.Struct, frozen=True):
    """An argument of a command."""

    word: str  # as the usage spells it
    choices: "Callable[[Snapshot, Sequence[str]], Sequence[str]]" = lambda _snapshot, _before: ()
    """The possible values, given the arguments before it."""
    choices_here: "Callable[[ConsoleControls], Sequence[str]] | None" = None
    """The possible values that the shown screen decides, in place of `choices`."""
    read: Callable[[str], Any] = str
    """Reads the argument; raises `UsageError` for a wrong value."""
    takes_rest: bool = False
    """Whether it takes the rest of the line, blanks included."""


class Key(msgspec.Struct, frozen=True):
    """A key: Textual's name, its footer label of at most two words, and its help text."""

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
    """A command of the `:` line: its summary, and its arguments after those that name the object."""

    summary: str
    options: tuple[Argument, ...] = ()
    n_required: int = 0  # of the options
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Noun(Generic[Thing]):
    """A kind of object that verbs are about: how a command line names it, and the answer where there is none."""

    arguments: tuple[Argument, ...]
    group: str = "console"
    """The first half of the ids of its verbs: the screen that it belongs to."""
    missing: str = ""  # the answer of a key without an object; names keys by the ids of their verbs
    find: "Callable[[Snapshot, Sequence[str]], Thing]"
    """Finds the object that the words of a command name; raises `NotFoundError`."""
    usual: "Callable[[Snapshot], Thing | None]" = lambda _snapshot: None
    """The default object on a screen without one under the cursor."""


Things = Mapping[Noun[Any], object]
"""The objects under the cursors of a screen, by noun."""


class Verb(Generic[Thing]):
    """One action of an operator. Subclasses define it; the catalog holds one object of each."""

    name: str
    """Names the verb, and its command where it has one."""
    noun: Noun[Any] | None = None
    """Its noun; its key is offered on the screens that show this noun, without a noun on every screen."""
    on: tuple[str, ...] = ()
    """The only screens on which its key is offered, by name."""
    key: Key | None = None
    command: Command | None = None
    changes: bool = False
    """Whether it changes anything; then its key is a capital, and it is refused without write access."""

    @property
    def id(self) -> str:
        """Its name in the settings of keys: `registry.promote`."""
        group = self.noun.group if self.noun else self.on[0] if self.on else "console"
        return f"{group}.{self.name}"

    @property
    def action(self) -> str:
        """The action of Textual that its key is bound to."""
        return f"verb({self.name!r})"

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """The arguments of its command: those that name the object, then the options."""
        return (*(self.noun.arguments if self.noun else ()), *(self.command.options if self.command else ()))

    @property
    def n_required(self) -> int:
        """The number of required arguments of its command."""
        return len(self.noun.arguments if self.noun else ()) + (self.command.n_required if self.command else 0)

    @property
    def usage(self) -> str:
        """Its command as typed, optional arguments in brackets."""
        words = [a.word if i < self.n_required else f"[{a.word}]" for i, a in enumerate(self.arguments)]
        return " ".join((self.name, *words))

    def label(self, thing: Thing | None) -> str:
        """Return the footer label of its key: a key with two meanings names the one that it has for this object."""
        return self.key.label if self.key is not None else ""

    def refused(self, app: "ConsoleControls", thing: Thing | None) -> str | None:
        """Return the sentence with which a dim key answers, or None if the verb may act."""
        if self.changes and (refused := app.refusal) is not None:
            return refused
        if thing is None:
            return with_keys(self.noun.missing) or None if self.noun else None
        return self.refusal(thing)

    def refusal(self, thing: Thing) -> str | None:
        """Return the reason why it is refused for this object, or None."""
        return None

    def offered(self, app: "ConsoleControls", thing: Thing) -> bool:
        """Whether `:` and the palette offer it for this object now. A line that is typed in full says why not."""
        return not (self.changes and app.standing.read_only) and self.refusal(thing) is None

    def do(self, app: "ConsoleControls", thing: Thing, *options: Any) -> Awaitable[None] | None:
        """Do it. A slow action is awaited: later keys wait for it.

        Args:
            app: The console.
            thing: The object as of the key press; None for a verb without a noun.
            options: The other arguments of the command, already read; a key has none.
        Raises:
            CoreError: It is refused; the sentence is shown to the operator.
        """
        raise NotImplementedError


class Change(Verb[Thing]):
    """A verb that changes something. It is offered in a dialog, and done once the operator confirms."""

    changes = True

    def offer(self, context: OfferContext, thing: Thing, *options: Any) -> "Offer":
        """Look up the present state, and describe the change. Runs in a thread, and may read files.

        The offer's `commit` does exactly what is shown; core refuses it if the state was changed by someone else first.

        Raises:
            CoreError: It is refused; the dialog then says why.
        """
        raise NotImplementedError

    def do(self, app: "ConsoleControls", thing: Thing, *options: Any) -> None:
        """Open the dialog."""
        key = app.keymap.key_of(self)
        app.offer(partial(self.offer, OfferContext.of(app), thing, *options), key=key.display if key else "")


class ScreenAction(Verb[None]):
    """A verb that the screen carries out in its method `action_NAME`: it only changes the view."""

    def __init__(self, name: str, key: Key, *, noun: Noun[Any] | None = None, on: tuple[str, ...] = ()) -> None:
        self.name = name
        self.key = key
        self.noun = noun
        self.on = on

    @property
    def action(self) -> str:
        """The screen's own action."""
        return self.name
