"""What the pages tell a person to type, what the parsers understand, and the transcripts that prove it.

A transcript is a text file. `$` begins a command line; below it stand regular expressions that its output must hold,
and `= N` if its exit code is not 0.
"""

import argparse
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from console.cli.main import build_parser
from console.mlops.cli import build_parser as build_mlops_parser
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
TRANSCRIPTS = Path(__file__).parent / "transcripts"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`((?:bondx|bondx-mlops|make)(?: [^`]*)?)`")
RUN = re.compile(r"(?:^|[;|&('] *|\buntil )((?:bondx-mlops|bondx|make)(?= |$)[^;|&)]*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
PARSERS = {"bondx": build_parser(), "bondx-mlops": build_mlops_parser()}


@dataclass
class Step:
    """A command line, and what must come of it."""

    line: str
    shows: list[str] = field(default_factory=list)
    code: int = 0


@dataclass(frozen=True)
class Form:
    """A command as a page or a person writes it, reduced to what has to be tried: its words and its options."""

    where: str
    command: tuple[str, ...]
    options: frozenset[str]


def transcript(name: str) -> list[Step]:
    """Read a transcript."""
    steps: list[Step] = []
    for line in (TRANSCRIPTS / f"{name}.txt").read_text().splitlines():
        if line.startswith("$ "):
            steps.append(Step(line[2:]))
        elif line.startswith("= "):
            steps[-1].code = int(line[2:])
        elif line and not line.startswith("# "):
            steps[-1].shows.append(line)
    return steps


def play(name: str, folder: Path) -> None:
    """Type the lines of a transcript into shells in a folder, and hold what comes of each against it."""
    for step in transcript(name):
        command = ["bash", "-c", step.line]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
        said = done.stdout + done.stderr
        assert done.returncode == step.code, f"{step.line}\n{said}"
        for pattern in step.shows:
            assert re.search(pattern, said, re.MULTILINE), f"{step.line} does not show {pattern!r}:\n{said}"


def block_lines(page: Path) -> list[str]:
    """Return the command lines of a page's shell blocks, without comments.

    Blocks with curl are left out: tests/core/serving/test_documented_commands.py runs them whole.
    """
    blocks = [block for block in BLOCK.findall(page.read_text()) if "curl" not in block]
    text = "\n".join(blocks).replace("\\\n", " ")
    return [stripped for line in text.splitlines() if (stripped := re.sub(r"(^|\s+)#\s.*", "", line).strip())]


def forms(page: Path) -> list[Form]:
    """Return every command a page names in its text and its tables, with `list|show` taken apart."""
    spans = SPAN.findall(FENCED.sub("", page.read_text()))
    return [form for span in spans for form in forms_in(page.name, span.replace("\\|", "|"))]


def forms_in(where: str, text: str) -> list[Form]:
    """Take a command line apart: the words that are commands, once for each choice, and the options."""
    plain = re.split(r" (?=[\[-])", text)[0]
    options = frozenset(OPTION.findall(text))
    return [
        Form(where, command_of(list(words), text), options)
        for words in product(*(word.split("|") for word in plain.split()))
    ]


def command_of(words: list[str], text: str) -> tuple[str, ...]:
    """Return the leading words that are commands; those that ought to be and are none are an error in the page."""
    program, *rest = words
    if program == "make":
        return tuple(words[:2])
    parser, found = PARSERS[program], [program]
    while (choices := subcommands(parser)) and rest:
        assert rest[0] in choices, f"`{text}`: {' '.join(found)} has no command {rest[0]}"
        found.append(rest.pop(0))
        parser = choices[found[-1]]
    unknown = set(OPTION.findall(text)) - set(parser._option_string_actions)
    assert not unknown, f"`{text}`: {' '.join(found)} has no {', '.join(sorted(unknown))}"
    return tuple(found)


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the commands below a parser by name."""
    found = (action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(next(found, {}))


def every_command() -> Iterator[tuple[str, ...]]:
    """Return every command that does something, as its words."""
    waiting = [((program,), parser) for program, parser in PARSERS.items()]
    while waiting:
        words, parser = waiting.pop()
        below = subcommands(parser)
        waiting += [((*words, name), each) for name, each in below.items()]
        if parser.get_default("command") is not None:
            yield words


def commands_in(line: str) -> list[Form]:
    """Return the commands of ours that a typed line runs, wherever they stand in it."""
    return [form for command in RUN.findall(line) for form in forms_in(line, command)]
