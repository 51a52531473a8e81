"""The licences of what BondX depends on: `make licences`.

What BondX requires is read from pyproject.toml; versions, licences and further requirements come from the metadata of
the installed distributions. A licence that is not among the permitted ones ends the command with exit code 1.
"""

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
PERMITTED = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Unlicense|Zlib|MPL|Mozilla|HPND|0BSD|CC0|Public Domain|WTFPL",
    re.I,
)
LOOKED_AT = re.compile(r"GPL|GNU|SSPL|Commons Clause|Proprietary|Commercial", re.I)
"""Terms that a person should read before BondX is passed on with the work."""

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?P<extras>\[[^]]*\])?[^;]*(?:;\s*(?P<marker>.*))?")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([\w.-]+)['"]""")


class Licence(NamedTuple):
    """What one distribution says of itself."""

    name: str
    version: str
    licence: str
    is_permitted: bool


def main(arguments: list[str] | None = None) -> int:
    """Print the list; return 1 if a licence is not permitted, or nobody knows it."""
    parser = argparse.ArgumentParser(prog="make licences", description="List the licences of all dependencies.")
    parser.add_argument("--extra", action="append", default=[], metavar="NAME", help="with this extra, too; repeatable")
    parser.add_argument("--json", action="store_true", help="print only JSON")
    options = parser.parse_args(arguments)
    found = sorted(licences(options.extra))
    if options.json:
        print(json.dumps([each._asdict() for each in found], indent=2))
    else:
        width = max(len(f"{each.name} {each.version}") for each in found)
        for each in found:
            mark = "" if each.is_permitted else "  <- read it"
            print(f"{f'{each.name} {each.version}':<{width}}  {each.licence}{mark}")
    refused = [each.name for each in found if not each.is_permitted]
    if refused:
        print(f"not among the permitted licences: {', '.join(refused)}", file=sys.stderr)
    return 1 if refused else 0


def licences(extras: list[str]) -> Iterator[Licence]:
    """Return the licence of every installed distribution that BondX requires, directly or through another."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    texts = [*project["dependencies"], *(text for name in extras for text in project["optional-dependencies"][name])]
    waiting = list(requirements(texts, frozenset()))
    seen: set[tuple[str, frozenset[str]]] = set()
    told: set[str] = set()
    while waiting:
        name, wanted = waiting.pop()
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # for another system or another Python
            continue
        if (spelled(name), wanted) in seen:
            continue
        seen.add((spelled(name), wanted))
        if spelled(name) not in told:
            told.add(spelled(name))
            said = licence_of(found)
            yield Licence(found.metadata["Name"], found.version, said, is_permitted(said))
        waiting += requirements(found.requires or (), wanted)


def is_permitted(licence: str) -> bool:
    """Say whether a licence lets any program depend on the work.

    >>> is_permitted("BSD-3-Clause AND MIT"), is_permitted("MIT OR GPL-3.0"), is_permitted("unknown")
    (True, False, False)
    """
    return PERMITTED.search(licence) is not None and LOOKED_AT.search(licence) is None


def requirements(texts: Iterable[str], wanted: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Return the names in requirements, and the extras of each; those of extras that nobody wants are left out."""
    for text in texts:
        requirement = _REQUIREMENT.match(text)
        if requirement is None:
            continue
        extra = _EXTRA.search(requirement["marker"] or "")
        if extra is None or extra[1] in wanted:
            named = (requirement["extras"] or "").strip("[]").split(",")
            yield requirement["name"], frozenset(filter(None, map(str.strip, named)))


def licence_of(distribution: metadata.Distribution) -> str:
    """Return the licence: the expression, else the classifiers, else the first line of the field or of its file."""
    about = distribution.metadata
    if expression := about.get("License-Expression"):
        return str(expression)
    classified = [
        line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or () if line.startswith("License")
    ]
    if named := [name for name in classified if name != "OSI Approved"]:
        return ", ".join(named)
    files = [str(name) for name in about.get_all("License-File") or ()]
    texts = [str(about.get("License") or "")]
    texts += [distribution.read_text(f"{folder}{name}") or "" for name in files for folder in ("licenses/", "")]
    return next((line.strip() for text in texts for line in text.splitlines() if line.strip()), "unknown")


def spelled(name: str) -> str:
    """Return the one spelling of the name of a distribution.

    >>> spelled("Typing_Extensions")
    'typing-extensions'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
