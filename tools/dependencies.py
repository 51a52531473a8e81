"""What BondX depends on, directly or through another package: what pyproject.toml requires, as it is installed here."""

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


class NotInstalledError(Exception):
    """A requirement is not installed, so its version, its licence and what it needs are unknown."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """An installed distribution, and the names of those that it needs here."""

    distribution: metadata.Distribution
    needs: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """Its name, as it spells it."""
        return str(self.distribution.metadata["Name"])

    @property
    def version(self) -> str:
        """Its version."""
        return self.distribution.version


def project() -> dict[str, Any]:
    """Return the table `project` of pyproject.toml."""
    found: dict[str, Any] = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    return found


def closure(texts: Iterable[str]) -> dict[str, Dependency]:
    """Return the distributions that requirements need on this system, by name in one spelling, sorted.

    Raises:
        NotInstalledError: One is not installed.
    """
    found: dict[str, Dependency] = {}
    waiting, seen = list(applicable(texts, frozenset())), set()
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        if name not in found:
            found[name] = Dependency(_installed(name))
        further = list(applicable(found[name].distribution.requires or (), extras))
        found[name].needs.update(canonicalize_name(each.name) for each in further)
        waiting += further
    return dict(sorted(found.items()))


def applicable(texts: Iterable[str], extras: frozenset[str]) -> Iterator[Requirement]:
    """Return the requirements that hold on this system with these extras.

    >>> texts = ["a>=1", "b; extra == 'web'", "c; sys_platform == 'no such system'"]
    >>> [each.name for each in applicable(texts, frozenset())]
    ['a']
    >>> [each.name for each in applicable(texts, frozenset({"web"}))]
    ['a', 'b']
    """
    for requirement in map(Requirement, texts):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""}):
            yield requirement


def _installed(name: str) -> metadata.Distribution:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise NotInstalledError(
            f"{name} is not installed, so what it needs is unknown. Install what you ask for, such as the extra text: "
            "pip install -c constraints.txt -e '.[text]'"
        ) from None
