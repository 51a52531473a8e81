"""From the list of verbs to the `:` command line: how a line is read, completed, and carried out."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from console.presentation.keys import sign_or
from console.verbs.access import forbidden
from console.verbs.catalog import COMMANDS, VERBS
from console.verbs.verb import Verb
from core.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from console.context import ConsoleControls

_MAX_CHOICES = 12
_KEYS_ALONE = {verb.name: (verb.id, verb.key.display) for verb in VERBS if verb.key and not verb.command}
"""What has a key and no command: the answer names the key, not a command that is spelled alike."""
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
    if verb is None and (key := _KEYS_ALONE.get(words[0])) is not None:
        raise UsageError(f"There is no command :{words[0]}; press {sign_or(*key)} instead.")
    if verb is None:
        nearest = difflib.get_close_matches(words[0], _BY_WORD, n=1, cutoff=0.5)
        hint = f"did you mean :{nearest[0]}?" if nearest else "Tab lists the commands."
        raise UsageError(f"There is no command :{words[0]}; {hint}")
    given = tuple(words[1:])
    if verb.arguments and verb.arguments[-1].takes_rest:
        given = tuple(rest.rstrip() for rest in line.split(maxsplit=len(verb.arguments))[1:])
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
    if (refused := forbidden(app, verb, thing) or verb.refused(app, thing)) is not None:
        raise RefusedError(refused)
    later = verb.do(app, thing, *options)
    if isawaitable(later):
        app.call_next(lambda: later)


def complete(line: str, app: "ConsoleControls") -> tuple[str, ...]:
    """Return the complete lines that the typed line may become, best first; only what is possible now."""
    words = line.split()
    typed = "" if not words or line.endswith(" ") else words.pop()
    if not words:
        named = (verb for verb in COMMANDS if verb.name.startswith(typed) and _is_possible(verb, app, ()))
        return tuple(f"{v.name} " if v.arguments else v.name for v in named)
    verb = _BY_WORD.get(words[0])
    before = words[1:]
    if verb is None or len(before) >= len(verb.arguments):
        return ()
    is_last = len(before) + 1 >= len(verb.arguments)
    head = " ".join(words)
    choices = (choice for choice in _choices(verb, app, before) if choice.startswith(typed))
    return tuple(f"{head} {choice}{'' if is_last else ' '}" for choice in choices)


def every_line(app: "ConsoleControls") -> Iterator[tuple[str, Verb[Any]]]:
    """Spell every possible command with its possible arguments, for the palette; of many versions the newest few."""
    for verb in COMMANDS:
        lines: list[tuple[str, ...]] = [(verb.name,)] if _is_possible(verb, app, ()) else []
        for _ in verb.arguments[: verb.n_required]:
            lines = [(*line, choice) for line in lines for choice in _choices(verb, app, line[1:])[:_MAX_CHOICES]]
        yield from ((" ".join(line), verb) for line in lines)


def _choices(verb: Verb[Any], app: "ConsoleControls", before: Sequence[str]) -> tuple[str, ...]:
    """Return the values of the next argument with which the command may still be possible."""
    argument = verb.arguments[len(before)]
    choices = argument.choices_here(app) if argument.choices_here else argument.choices(app.newest, before)
    is_of_noun = verb.noun is not None and len(before) < len(verb.noun.arguments)
    return tuple(choice for choice in choices if not is_of_noun or _is_possible(verb, app, (*before, choice)))


def _is_possible(verb: Verb[Any], app: "ConsoleControls", words: Sequence[str]) -> bool:
    """Whether some object whose name begins with these words allows the verb now."""
    if verb.noun is None:
        return verb.offered(app, None)
    if len(words) == len(verb.noun.arguments):
        return verb.offered(app, verb.noun.find(app.newest, words))
    choices = verb.noun.arguments[len(words)].choices(app.newest, words)
    return any(_is_possible(verb, app, (*words, choice)) for choice in choices)
