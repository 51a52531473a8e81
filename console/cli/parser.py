"""The parser of both programs: it takes every word as it was typed, and no blank word for a name."""

import argparse
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from typing_extensions import override

FREE_TEXT = frozenset({"reason", "override", "description", "filter", "name"})
"""The arguments that may be blank, which means the same as leaving them out."""

_REQUIRED = "the following arguments are required: "
_LONG = re.compile(r"\S{401,}")


class CommandParser(argparse.ArgumentParser):
    """A parser of commands; their subparsers are of this class, too."""

    _words: tuple[str, ...] = ()

    @override
    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """Read the words of an argument.

        A blank word is most often a shell variable that is not set: `prune "$MODEL"` would prune every model.
        """
        is_command = isinstance(action, argparse._SubParsersAction)
        if not is_command and action.dest not in FREE_TEXT and not all(map(str.strip, arg_strings)):
            raise argparse.ArgumentError(action, "is blank: leave it out or give a value; is a shell variable not set?")
        if arg_strings == ["--"] and action.nargs is None and not is_command:
            value = self._get_value(action, "--")  # argparse of Python 3.11 takes it for the end of the options
            self._check_value(action, value)
            return value
        return super()._get_values(action, arg_strings)

    @override
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; a command without commands below it refuses a word that it does not know with its own usage."""
        self._words = tuple(map(str, args or ()))
        known, rest = super().parse_known_args(args, namespace)
        if rest and self._subparsers is None:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return known, rest

    @override
    def error(self, message: str) -> NoReturn:
        """Refuse a line; argparse alone would name what is missing in two goes, the choices in the second."""
        if message.startswith(_REQUIRED):
            message += "".join(f", and one of {choice}" for choice in self._missing_choices())
        super().error(shortened(message))

    def _missing_choices(self) -> Iterator[str]:
        given = {word.partition("=")[0] for word in self._words}
        for group in self._mutually_exclusive_groups:
            names = [action.option_strings for action in group._group_actions]
            if group.required and given.isdisjoint(name for choice in names for name in choice):
                yield ", ".join(choice[0] for choice in names)


def shortened(message: str) -> str:
    """Cut the middle out of every endless word of a message.

    >>> len(shortened(f"there is no model {'x' * 5000}"))
    319
    """
    return _LONG.sub(lambda word: f"{word[0][:200]}…{word[0][-100:]}", message)
