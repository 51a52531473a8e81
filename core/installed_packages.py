"""The packages that are installed for this Python, our own release among them."""

import os
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from importlib.metadata import Distribution

DISTRIBUTION = "bondx-console"

_METADATA = (".dist-info", ".egg-info")
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)\s*(?:\[[^]]*\])?(?P<bounds>[^;]*)(?:;(?P<marker>.*))?")


class Requirement(NamedTuple):
    """A package that the product needs."""

    name: str
    bounds: str  # of its version, such as ">=8.2,<9"


def installed_packages() -> frozenset[str]:
    """Return the names of the metadata of all installed packages, such as `numpy-2.1.0.dist-info`, with their folders.

    Nothing is imported and no metadata is read: a folder of 200 packages takes about 0.1 ms.
    """
    found: set[str] = set()
    for folder in dict.fromkeys(sys.path):
        try:
            with os.scandir(folder or ".") as entries:
                found.update(entry.path for entry in entries if entry.name.endswith(_METADATA))
        except OSError:  # an archive, or a folder that does not exist
            continue
    return frozenset(found)


def installed_version(name: str) -> str | None:
    """Return the version of an installed package; None if it is not installed."""
    from importlib import metadata  # 20 ms that would delay the start of a console

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def licence_of(distribution: "Distribution") -> str:
    """Return the licence of an installed package.

    It is the expression, else the classifiers, else the first line of the field or of its file, else "unknown".
    """
    about = distribution.metadata
    if expressions := about.get_all("License-Expression"):
        return str(expressions[0])
    classified = [
        line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or () if line.startswith("License")
    ]
    if named := [name for name in classified if name != "OSI Approved"]:
        return ", ".join(named)
    files = [str(name) for name in about.get_all("License-File") or ()]
    texts = [str(text) for text in about.get_all("License") or ()]
    texts += [distribution.read_text(f"{folder}{name}") or "" for name in files for folder in ("licenses/", "")]
    return next((line.strip() for text in texts for line in text.splitlines() if line.strip()), "unknown")


def purl_of(name: str, version: str) -> str:
    """Return the address of a version of a package, as inventories spell it.

    >>> purl_of("Typing_Extensions", "4.12")
    'pkg:pypi/typing-extensions@4.12'
    """
    return f"pkg:pypi/{spelled(name)}@{version}"


def own_release() -> str:
    """Return the version of the installed product; "unknown" in a bare source tree."""
    return installed_version(DISTRIBUTION) or "unknown"


def required() -> list[Requirement]:
    """Return the packages that the installed product requires without extras; empty in a bare source tree."""
    from importlib import metadata  # 20 ms that would delay the start of a console

    try:
        texts = metadata.requires(DISTRIBUTION) or ()
    except metadata.PackageNotFoundError:
        return []
    found = filter(None, map(_REQUIREMENT.match, texts))
    return [
        Requirement(each["name"], each["bounds"].strip()) for each in found if "extra" not in (each["marker"] or "")
    ]


def spelled(name: str) -> str:
    """Return the one spelling of the name of a package.

    >>> spelled("Typing_Extensions")
    'typing-extensions'
    """
    return re.sub(r"[-_.]+", "-", name).lower()
