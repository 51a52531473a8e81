"""Names that are cut alike or lose what tells them apart: each is cut again where it differs from the others."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from widgets.line import fit, n_cells

_LEAST_WIDTH = 6
"""In fewer cells, a sign of both cuts leaves no room for the difference."""


def told_apart(names: Iterable[str], width: int, *, ellipsis: str = "…") -> dict[str, str]:
    """Return another cut for names that a cut in their middle makes the same, or takes the telling word from.

    Args:
        names: The names of one column.
        width: Its cells.
        ellipsis: The sign of the characters that were cut.

    >>> told_apart(["etrm_breach", "etrm_risk", "spread"], 7)
    {'etrm_breach': '…breach', 'etrm_risk': '…risk'}
    >>> told_apart(["desk_emea_grade_model_01", "desk_apac_grade_model_01", "spread"], 9)
    {'desk_emea_grade_model_01': 'de…emea_…', 'desk_apac_grade_model_01': 'de…apac_…'}
    """
    alike: defaultdict[str, list[str]] = defaultdict(list)
    names = tuple(dict.fromkeys(names))
    for name in names:
        if n_cells(name) > width >= _LEAST_WIDTH:
            alike[fit(name, width, cut="middle", ellipsis=ellipsis)].append(name)
    apart = {
        name: _cut_at(name, _n_alike(group), width, ellipsis)
        for group in alike.values()
        if len(group) > 1
        for name in group
    }
    return {**apart, **_without_family(names, width, ellipsis)}


def _without_family(names: Sequence[str], width: int, ellipsis: str) -> dict[str, str]:
    """Leave out the first word that names have in common, where all that follows then fits: `…breach`."""
    families: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        first, underscore, rest = name.partition("_")
        if underscore and rest:
            families[first].append(name)
    shorter = {
        name: ellipsis + name.removeprefix(f"{first}_")
        for first, family in families.items()
        if len(family) > 1
        for name in family
        if n_cells(name) > width >= n_cells(name) - n_cells(first) - 1 + n_cells(ellipsis)
    }
    spelled = Counter(shorter.values())
    return {name: short for name, short in shorter.items() if spelled[short] == 1}


def _n_alike(names: Sequence[str]) -> int:
    """Count the characters with which all names begin."""
    pairs = zip(min(names), max(names), strict=False)
    return next((place for place, (one, other) in enumerate(pairs) if one != other), len(min(names)))


def _cut_at(name: str, place: int, width: int, ellipsis: str) -> str:
    """Keep the beginning of a name, and what stands at a place."""
    head = min((width - 2) // 3, place)
    room = width - head - 2
    return fit(f"{name[:head]}{ellipsis}{name[place : place + room]}{ellipsis}", width, ellipsis=ellipsis)
