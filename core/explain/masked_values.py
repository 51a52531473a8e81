"""What an explanation tells of a column whose values must not appear: numbered levels, and numbers of two digits."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from core.explain.documents import FeatureEffect, ShownCell

DIGITS: Final = 2
_NUMBERED: Final = re.compile(r"level [1-9][0-9]*")


def coarse(number: float) -> float:
    """Return a number that many values share.

    >>> coarse(44.62), coarse(7654321.0), coarse(0.0)
    (45.0, 7700000.0, 0.0)
    """
    return float(f"{number:.{DIGITS}g}")


def numbered_levels(levels: Sequence[str]) -> Mapping[str, str]:
    """Return a number for each level, in the order of their names.

    >>> numbered_levels(["Zoe", "Ana"])
    {'Ana': 'level 1', 'Zoe': 'level 2'}
    """
    return {level: f"level {number}" for number, level in enumerate(sorted(set(levels)), start=1)}


def masked_effect(effect: FeatureEffect) -> FeatureEffect:
    """Return an effect without the values of its column; one that is masked already stays as it is.

    >>> masked_effect(FeatureEffect(feature="a", kind="partial dependence", points=("Zoe", "Ana"), values=(0.5, 1.0)))
    FeatureEffect(feature='a', kind='partial dependence', points=('level 2', 'level 1'), values=(0.5, 1.0))
    """
    texts = [point for point in effect.points if isinstance(point, str)]
    names = {} if all(map(_NUMBERED.fullmatch, texts)) else numbered_levels(texts)

    def told(point: ShownCell) -> ShownCell:
        if isinstance(point, str):
            return names.get(point, point)
        return None if point is None else coarse(point)

    return replace(effect, points=tuple(map(told, effect.points)))


def told_levels(n_inside: int, n_levels: int) -> str:
    """Say how many levels a rule is about.

    >>> told_levels(3, 8)
    'in 3 of its 8 levels'
    """
    return f"in {n_inside} of its {n_levels} levels"


def tells_values(text: str, column: str) -> bool:
    """Say whether a rule names levels or exact numbers of a column, as rules did before it was masked.

    >>> [tells_values(rule, "age") for rule in ("age in {Ana}", "age > 44.62", "age > 45", "age in 3 of its 8 levels")]
    [True, True, False, False]
    """
    name = re.escape(column)
    if re.search(rf"(?<!\w){name} in {{", text):
        return True
    limits = re.findall(rf"(?<!\w){name} (?:<=|>) (-?[0-9.]+(?:e[-+]?[0-9]+)?)", text)
    return any(float(limit) != coarse(float(limit)) for limit in limits)
