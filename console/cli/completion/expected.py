"""What the parser expects at the cursor: a command, an option, or the value of an argument."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from console.cli.spec import help_of

FOLDERS = frozenset({"DIR", "FOLDER"})
"""The metavars of arguments that take a folder; every other path is a file's."""


class PathKind(StrEnum):
    """What the shell itself completes beside the candidates."""

    NONE = "none"
    FILES = "files"
    FOLDERS = "folders"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A word that can stand at the cursor, and what it means."""

    word: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """What can stand at the cursor."""

    kind: PathKind = PathKind.NONE
    candidates: tuple[Candidate, ...] = ()
    value_of: argparse.Action | None = None
    """The argument whose value stands there, if nothing that the parser knows does."""
    prefix: str = ""
    """What of the word at the cursor stands before the value: the option of `--option=value`."""
    given: Mapping[str, str] = field(default_factory=dict)
    """The last value of each argument so far, by its name in the parser."""


class _Line:
    """The walk along the words before the cursor."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser
        self.given: dict[str, str] = {}
        self.used: set[int] = set()
        self.waiting: argparse.Action | None = None  # the option whose value comes next
        self.options_ended = False
        self._places = _positionals(parser)

    @property
    def place(self) -> argparse.Action | None:
        """The argument or the command whose turn it is."""
        return self._places[0] if self._places else None

    def take(self, word: str) -> bool:
        """Take one word; False if no command is named so."""
        if self.waiting is not None and not (self._is_option(word) and self.waiting.nargs is not None):
            self.given[self.waiting.dest] = word
            if self.waiting.nargs not in ("*", "+"):
                self.waiting = None
            return True
        self.waiting = None
        if word == "--" and not self.options_ended:
            self.options_ended = True
        elif self._is_option(word):
            self._take_option(word)
        elif isinstance(self.place, argparse._SubParsersAction):
            if (below := self.place.choices.get(word)) is None:
                return False
            self.parser, self._places = below, _positionals(below)
            self.used.clear()
        elif self.place is not None:
            self.given[self.place.dest] = word
            if self.place.nargs not in ("*", "+"):
                del self._places[0]
        return True

    def _is_option(self, word: str) -> bool:
        return not self.options_ended and len(word) > 1 and word.startswith("-")

    def _take_option(self, word: str) -> None:
        name, equals, value = word.partition("=")
        if (option := self.parser._option_string_actions.get(name)) is None:
            return
        self.used.add(id(option))
        if equals:
            self.given[option.dest] = value
        elif option.nargs != 0:
            self.waiting = option

    def options(self) -> Iterator[Candidate]:
        """Return the options that may still be given."""
        barred = set(self.used)
        for group in self.parser._mutually_exclusive_groups:
            members = {id(action) for action in group._group_actions}
            barred |= members if members & self.used else set()
        for action in self.parser._actions:
            is_again = id(action) in barred and not isinstance(action, argparse._AppendAction)
            if action.option_strings and action.help is not argparse.SUPPRESS and not is_again:
                yield Candidate(max(action.option_strings, key=len), help_of(action) or "")


def expected_after(parser: argparse.ArgumentParser, words: Sequence[str], current: str) -> Expected:
    """Find what can stand at the cursor.

    Args:
        parser: The parser of the program.
        words: The words before that at the cursor, without the name of the program.
        current: The word at the cursor up to it; empty if a new word begins.

    >>> parser = argparse.ArgumentParser(prog="desk", add_help=False)
    >>> verbs = parser.add_subparsers()
    >>> move = verbs.add_parser("move", add_help=False)
    >>> _ = move.add_argument("--stage", choices=("Staging", "Production"))
    >>> [candidate.word for candidate in expected_after(parser, [], "m").candidates]
    ['move']
    >>> [candidate.word for candidate in expected_after(parser, ["move"], "--").candidates]
    ['--stage']
    >>> [candidate.word for candidate in expected_after(parser, ["move", "--stage"], "P").candidates]
    ['Production']
    """
    line = _Line(parser)
    if not all(map(line.take, words)):
        return Expected()
    if line.waiting is not None and not (current.startswith("-") and line.waiting.nargs is not None):
        return _value(line.waiting, current, line.given)
    if not line.options_ended and current.startswith("-"):
        name, equals, value = current.partition("=")
        if not equals:
            return Expected(candidates=_beginning(line.options(), current))
        option = line.parser._option_string_actions.get(name)
        return Expected() if option is None or option.nargs == 0 else _value(option, value, line.given, f"{name}=")
    if isinstance(line.place, argparse._SubParsersAction):
        summaries = {choice.dest: help_of(choice) or "" for choice in line.place._choices_actions}
        commands = (Candidate(name, summaries.get(name, "")) for name in line.place.choices)
        return Expected(candidates=_beginning(commands, current))
    if line.place is None:
        return Expected(candidates=() if current or line.options_ended else tuple(line.options()))
    return _value(line.place, current, line.given)


def _value(action: argparse.Action, current: str, given: Mapping[str, str], prefix: str = "") -> Expected:
    if action.choices is not None:
        words = (Candidate(f"{prefix}{choice}") for choice in action.choices)
        return Expected(candidates=_beginning(words, prefix + current))
    name = action.metavar if isinstance(action.metavar, str) else ""
    if name in FOLDERS:
        return Expected(kind=PathKind.FOLDERS, prefix=prefix)
    if name == "FILE" or getattr(action.type, "__name__", "") == "Path":
        return Expected(kind=PathKind.FILES, prefix=prefix)
    return Expected(value_of=action, prefix=prefix, given=given)


def _positionals(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if not action.option_strings]


def _beginning(candidates: Iterator[Candidate], current: str) -> tuple[Candidate, ...]:
    return tuple(candidate for candidate in candidates if candidate.word.startswith(current))
