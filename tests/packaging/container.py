"""The container file as instructions: which words stand in which stage."""

import json
import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "Containerfile"


class Instruction(NamedTuple):
    """One instruction, such as `COPY` and what follows it."""

    word: str
    rest: str

    @property
    def words(self) -> list[str]:
        """What follows, as words: of JSON, or as a shell parts it."""
        return json.loads(self.rest) if self.rest.startswith("[") else shlex.split(self.rest)


def stages() -> list[list[Instruction]]:
    """Return the instructions of each stage; those before the first `FROM` are in front of its own."""
    lines = [line for line in FILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    found: list[list[Instruction]] = [[]]
    for line in filter(str.strip, "\n".join(lines).replace("\\\n", " ").splitlines()):
        instruction = Instruction(*re.split(r"\s+", line.strip(), maxsplit=1))
        if instruction.word == "FROM" and any(each.word == "FROM" for each in found[-1]):
            found.append([])
        found[-1].append(instruction)
    return found


def last(word: str) -> Instruction:
    """Return the last instruction of this word in the last stage, which is the image."""
    return [each for each in stages()[-1] if each.word == word][-1]


def environment() -> dict[str, str]:
    """Return the environment of the image."""
    pairs = [pair for each in stages()[-1] if each.word == "ENV" for pair in each.words]
    return dict(pair.split("=", 1) for pair in pairs)


def health_command() -> list[str]:
    """Return the command of the health check."""
    _, _, command = last("HEALTHCHECK").rest.partition("CMD ")
    return json.loads(command)
