"""Whether the installed libraries are those that BondX requires, and those that this release was tested with."""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from core.installed_packages import installed_version, required, spelled
from core.maintenance.environment_item import EnvironmentItem, condition
from core.plain_files import read_file
from core.typed_numbers import whole_number

# The wheel holds a copy beside this module; a checkout has the file at its top.
CONSTRAINTS = (Path(__file__).with_name("constraints.txt"), Path(__file__).parents[2] / "constraints.txt")
_BOUND = re.compile(r"(>=|<=|==|!=|<|>)\s*([\w.]+)")
_HOLDS: Mapping[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_MOST_NAMED = 5  # libraries of another version than tested; the rest is counted


def examine_libraries() -> Iterator[EnvironmentItem]:
    """Check the version of every library that BondX requires, without importing any."""
    installed = {}
    for name, bounds in required():
        found = installed[spelled(name)] = installed_version(name)
        cure = f"pip install '{name}{bounds}'"
        if found is None:
            yield EnvironmentItem(name=f"library {name}", is_present=False, is_required=True, cure=cure)
        elif not is_within(found, bounds):
            yield condition(f"library {name}", is_required=True, found=f"{found}; BondX needs {bounds}", cure=cure)
    yield _against_tested({name: found for name, found in installed.items() if found is not None})


def pinned_versions() -> Mapping[str, str]:
    """Return the exact versions that this release was tested with; empty if its list is not at hand."""
    file = _constraints()
    return {} if file is None else dict(_pins(read_file(file).decode()))


def _constraints() -> Path | None:
    return next((file for file in CONSTRAINTS if file.is_file()), None)


def _pins(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, is_pin, version = line.partition("#")[0].partition("==")
        if is_pin:
            yield spelled(name.strip()), version.strip()


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
    return _HOLDS[sign](left, right)


def _against_tested(installed: Mapping[str, str]) -> EnvironmentItem:
    tested = pinned_versions()
    if not tested:
        return condition("library versions", found=f"{len(installed)} required; the list of tested versions is missing")
    others = [
        f"{name} {found} (tested: {tested[name]})"
        for name, found in sorted(installed.items())
        if name in tested and found != tested[name]
    ]
    if not others:
        return condition("library versions", found=f"{len(installed)} required; each has the tested version")
    rest = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
    return condition(
        "library versions",
        found=f"not tested: {', '.join(others[:_MOST_NAMED])}{rest}",
        cure=f"pip install -c {_constraints()} bondx-console",
    )


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a release; what follows them, such as rc1, is left out."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(whole_number, found[0].split("."))) if found else ()
