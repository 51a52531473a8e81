"""The licences of what BondX depends on: `make licences`.

They come from the metadata of the installed distributions. A licence that is not permitted ends the command with exit
code 1.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from core.installed_packages import licence_of
from tools.dependencies import NotInstalledError, closure, project

PERMITTED = re.compile(
    r"\b(?:MIT|BSD|0BSD|Apache|ISC|ISCL|PSF|Python Software Foundation|Unlicense|Zlib|MPL|Mozilla|HPND|CC0"
    r"|Public Domain|WTFPL)\b",
    re.I,
)
LOOKED_AT = re.compile(r"GPL|GNU|SSPL|Commons Clause|Proprietary|Commercial", re.I)
"""Terms that a person should read before BondX is passed on with the work."""


class Licence(NamedTuple):
    """What one distribution says of itself."""

    name: str
    version: str
    licence: str
    is_permitted: bool


def main(arguments: list[str] | None = None) -> int:
    """Print the list; return 1 if a licence is unknown or not permitted."""
    stated = project()
    extras = stated["optional-dependencies"]
    parser = argparse.ArgumentParser(prog="make licences", description="List the licences of all dependencies.")
    parser.add_argument(
        "--extra",
        action="append",
        choices=sorted(extras),
        default=[],
        metavar="NAME",
        help=f"with the dependencies of this extra; repeatable ({', '.join(sorted(extras))})",
    )
    parser.add_argument("--json", action="store_true", help="print only JSON")
    options = parser.parse_args(arguments)
    texts = [*stated["dependencies"], *(text for name in options.extra for text in extras[name])]
    try:
        found = sorted(licences(texts))
    except NotInstalledError as error:
        parser.error(str(error))
    if options.json:
        print(json.dumps([each._asdict() for each in found], indent=2))
    else:
        width = max(len(f"{each.name} {each.version}") for each in found)
        for each in found:
            mark = "" if each.is_permitted else "  <- read it"
            print(f"{f'{each.name} {each.version}':<{width}}  {each.licence}{mark}")
    refused = [each.name for each in found if not each.is_permitted]
    if refused:
        print(
            f"tools/licences.py does not permit the licences of {', '.join(refused)}. "
            "Read them; then add them to PERMITTED, or replace the dependencies.",
            file=sys.stderr,
        )
    return 1 if refused else 0


def licences(texts: Iterable[str]) -> Iterator[Licence]:
    """Return the licence of every distribution that these requirements need, directly or through another."""
    for each in closure(texts).values():
        said = licence_of(each.distribution)
        yield Licence(each.name, each.version, said, is_permitted(said))


def is_permitted(licence: str) -> bool:
    """Say whether a licence lets any program depend on the work.

    >>> is_permitted("BSD-3-Clause AND MIT"), is_permitted("MIT OR GPL-3.0"), is_permitted("unknown")
    (True, False, False)
    """
    return all(map(PERMITTED.search, licence.split(" AND "))) and LOOKED_AT.search(licence) is None


if __name__ == "__main__":
    sys.exit(main())
