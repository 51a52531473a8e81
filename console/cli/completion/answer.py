"""The answer to a Tab: what the shell completes by itself, and the words that can stand at the cursor."""

import argparse
import os
import shlex
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

from console.cli.completion.expected import Candidate, Expected, expected_after
from console.cli.streams import prepare_streams, print_or_drop
from core.escape import is_shown_as_is

MOST_LETTERS = 80
"""Of the meaning of a word, which stands beside it in a list."""


class ParserFor(Protocol):
    """Makes the parser that can read an unfinished command line."""

    def __call__(self, words: Sequence[str], *, shows_meanings: bool) -> argparse.ArgumentParser:
        """Make it for these words; without meanings, commands need only have their names."""


def answer(words: Sequence[str], parser_for: ParserFor) -> int:
    """Print what can stand at the cursor, for the scripts: the kind of files, then a word and its meaning in each line.

    Nothing is complained of: whoever presses Tab has asked for no command.

    Args:
        words: The question; behind `--` the words of the line up to the cursor, the last of which is being typed.
        parser_for: Makes the parser.
    """
    prepare_streams()
    shell, typed = words[1], [_unquoted(word) if words[1] == "bash" else word for word in words[3:]] or [""]
    *before, current = typed
    parser = parser_for(before, shows_meanings=shell != "bash" and not current.startswith("-"))
    expected = expected_after(parser, before, current)
    found = [*expected.candidates, *_names(expected, current)]
    lines = [str(expected.kind), *(_line(candidate, shell) for candidate in found if is_shown_as_is(candidate.word))]
    print_or_drop("\n".join(lines), "stdout")
    return 0


def _names(expected: Expected, current: str) -> Iterator[Candidate]:
    """Look into the workspace for the value of an argument; without one in reach, there are no names."""
    if expected.value_of is None:
        return
    from console.cli.completion.names import MOST, names_for
    from core.state.workspace import Workspace

    given = expected.given.get("workspace")
    root = Workspace.locate(None if given is None else Path(os.path.expandvars(given)), os.environ)
    named = names_for(expected.value_of, expected.given, root)
    offered = (Candidate(expected.prefix + candidate.word, candidate.meaning) for candidate in named)
    yield from islice((candidate for candidate in offered if candidate.word.startswith(current)), MOST)


def _line(candidate: Candidate, shell: str) -> str:
    """Spell a candidate; bash shows no meanings."""
    meaning = " ".join(candidate.meaning.split())
    if shell == "bash" or not meaning or not is_shown_as_is(meaning):
        return candidate.word
    shown = meaning if len(meaning) <= MOST_LETTERS else f"{meaning[: MOST_LETTERS - 1]}…"
    return f"{candidate.word}\t{shown}"


def _unquoted(word: str) -> str:
    """Return a word as bash would: it hands over what was typed, with its quotes and backslashes.

    >>> _unquoted("'my desk'"), _unquoted("my\\\\ desk"), _unquoted('"my de')
    ('my desk', 'my desk', 'my de')
    """
    for closing in ("", '"', "'"):
        try:
            return "".join(shlex.split(word + closing))
        except ValueError:  # a quote is still open
            continue
    return word
