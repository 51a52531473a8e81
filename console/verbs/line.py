"""From the list of verbs to the `:` command line: how a line is read, completed, and carried out."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from console.verbs.catalog import COMMANDS
from console.verbs.verb import Argument, Verb
from core.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from core.view.snapshot import Snapshot

_MAX_CHOICES = 12
_BY_WORD = {word: verb for verb in COMMANDS for word in (verb.name, *(verb.command.aliases if verb.command else ()))}


@dataclass(frozen=True, slots=True)
class Call:
    """A command line that can be carried out."""

    verb: Verb[Any]
    words: tuple[str, ...]


def parse(line: str) -> Call:
    """Read a command line.

    Raises:
        UsageError: There is no such command, or its arguments are wrong.

    >>> call = parse("ack ab12")
    >>> call.verb.name, call.words
    ('acknowledge', ('ab12',))
    """
    words = line.split()
    if not words:
        raise UsageError("Type a command, or press Tab for the list.")
    verb = _BY_WORD.get(words[0])
    if verb is None:
        nearest = difflib.get_close_matches(words[0], _BY_WORD, n=1, cutoff=0.5)
        hint = f"did you mean :{nearest[0]}?" if nearest else "Tab lists the commands."
        raise UsageError(f"There is no command :{words[0]}; {hint}")
    given = tuple(words[1:])
    if verb.arguments and verb.arguments[0].takes_rest:
        given = tuple(rest.rstrip() for rest in line.split(maxsplit=1)[1:])
    if not verb.n_required <= len(given) <= len(verb.arguments):
        raise UsageError(f"Usage: :{verb.usage}")
    return Call(verb, given)


def carry_out(app: "ConsoleControls", call: Call) -> None:
    """Carry out a command line as its key would, on the object that it names.

    Raises:
        CoreError: The object does not exist, or the command is refused now.
    """
    verb, noun = call.verb, call.verb.noun
    n_words = len(noun.arguments) if noun else 0
    if verb.changes and (refused := app.refusal) is not None:
        raise RefusedError(refused)
    options = [option.read(word) for option, word in zip(verb.arguments[n_words:], call.words[n_words:], strict=False)]
    thing = noun.find(app.snapshot, call.words[:n_words]) if noun else None
    if (refused := verb.refused(app, thing)) is not None:
        raise RefusedError(refused)
    later = verb.do(app, thing, *options)
    if isawaitable(later):
        app.call_next(lambda: later)


def complete(line: str, snapshot: "Snapshot") -> tuple[str, ...]:
    """Return the complete lines that the typed line may become, best first."""
    words = line.split()
    typed = "" if not words or line.endswith(" ") else words.pop()
    if not words:
        return tuple(f"{v.name} " if v.arguments else v.name for v in COMMANDS if v.name.startswith(typed))
    verb = _BY_WORD.get(words[0])
    before = words[1:]
    if verb is None or len(before) >= len(verb.arguments):
        return ()
    is_last = len(before) + 1 >= len(verb.arguments)
    head = " ".join(words)
    choices = _choices(verb.arguments[len(before)], snapshot, before)
    return tuple(f"{head} {choice}{'' if is_last else ' '}" for choice in choices if choice.startswith(typed))


def every_line(snapshot: "Snapshot") -> Iterator[tuple[str, Verb[Any]]]:
    """Spell every command with its possible arguments, for the palette; of many versions only the newest few."""
    for verb in COMMANDS:
        lines: list[tuple[str, ...]] = [(verb.name,)]
        for argument in verb.arguments[: verb.n_required]:
            lines = [
                (*line, choice) for line in lines for choice in _choices(argument, snapshot, line[1:])[:_MAX_CHOICES]
            ]
        yield from ((" ".join(line), verb) for line in lines)


def _choices(argument: Argument, snapshot: "Snapshot", before: Sequence[str]) -> tuple[str, ...]:
    return tuple(argument.choices(snapshot, before))
