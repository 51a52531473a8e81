"""Whether the installed libraries are those that BondX requires, and those that this release was tested with."""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from core.maintenance.environment_item import EnvironmentItem
from core.plain_files import read_file
from core.typed_numbers import whole_number

DISTRIBUTION = "bondx-console"
# The wheel holds a copy beside this module; a checkout has the file at its top.
CONSTRAINTS = (Path(__file__).with_name("constraints.txt"), Path(__file__).parents[2] / "constraints.txt")
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?P<bounds>[^;]*)(?P<marker>;.*)?")
_BOUND = re.compile(r"(>=|<=|==|!=|<|>)\s*([\w.]+)")
_SAID = 5  # libraries of another version than tested; the rest is counted


def examine_libraries() -> Iterator[EnvironmentItem]:
    """Check the version of every library that BondX requires, without importing any."""
    installed = {_spelled(name): _version_of(name) for name, _ in required()}
    for name, bounds in required():
        found = installed[_spelled(name)]
        if found is None:
            cure = f"pip install '{name}{bounds}'"
            yield EnvironmentItem(name=f"library {name}", is_present=False, is_required=True, cure=cure)
        elif not is_within(found, bounds):
            yield EnvironmentItem(
                name=f"library {name}",
                is_present=False,
                is_required=True,
                is_condition=True,
                found=f"{found}; BondX needs {bounds}",
                cure=f"pip install '{name}{bounds}'",
            )
    yield _against_tested(installed)


def required() -> Sequence[tuple[str, str]]:
    """Return the libraries that BondX requires, each with the bounds of its version; of extras, none."""
    found = []
    for text in metadata.requires(DISTRIBUTION) or ():
        requirement = _REQUIREMENT.match(text)
        if requirement is not None and "extra" not in (requirement["marker"] or ""):
            found.append((requirement["name"], requirement["bounds"].strip()))
    return found


def pinned_versions() -> Mapping[str, str]:
    """Return the exact versions that this release was tested with; empty if its list is not at hand."""
    for file in CONSTRAINTS:
        if file.is_file():
            return dict(_pins(read_file(file).decode()))
    return {}


def _pins(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, is_pin, version = line.partition("#")[0].partition("==")
        if is_pin:
            yield _spelled(name.strip()), version.strip()


def is_within(version: str, bounds: str) -> bool:
    """Say whether a version is within bounds.

    >>> is_within("8.2.1", ">=8.2,<9"), is_within("9.0", ">=8.2,<9"), is_within("0.9", ">=0.21"), is_within("1.0", "")
    (True, False, False, True)
    """
    found = _numbers(version)
    return all(_holds(found, sign, _numbers(bound)) for sign, bound in _BOUND.findall(bounds))


def _holds(found: tuple[int, ...], sign: str, bound: tuple[int, ...]) -> bool:
    width = max(len(found), len(bound))
    left, right = (numbers + (0,) * (width - len(numbers)) for numbers in (found, bound))
    verdicts = {"==": left == right, "!=": left != right, ">=": left >= right, "<=": left <= right}
    return verdicts.get(sign, left > right if sign == ">" else left < right)


def _against_tested(installed: Mapping[str, str | None]) -> EnvironmentItem:
    tested = pinned_versions()
    others = sorted(
        f"{name} {found} ({tested[name]})"
        for name, found in installed.items()
        if found is not None and name in tested and found != tested[name]
    )
    said = ", ".join(others[:_SAID]) + (f" and {len(others) - _SAID} more" if len(others) > _SAID else "")
    return EnvironmentItem(
        name="library versions",
        is_present=not others,
        is_required=False,
        is_condition=True,
        found=f"others than tested: {said}" if others else f"{len(installed)} required, all as tested",
        cure="pip install -c constraints.txt bondx-console, with the file of this release" if others else "",
    )


def _version_of(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a release; what follows them, such as rc1, is left out."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(whole_number, found[0].split("."))) if found else ()


def _spelled(name: str) -> str:
    """Return the one spelling of the name of a distribution."""
    return re.sub(r"[-_.]+", "-", name).lower()
