"""Slices of the requests: the columns by whose levels a candidate is judged, and the number that a request carries.

A slice column has at most sixteen levels, the first for a missing value, so the levels of five columns fit into twenty
bits. The levels are fixed in the plan, before the first request.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from core.explain.deny_list import NONE_DENIED, DenyList
from core.rollout.read_columns import ReadColumn
from core.settings.policy import MAX_CUTS, MAX_LEVELS, SliceRule

if TYPE_CHECKING:
    from core.arrays import IntArray

MISSING = "missing"
OTHER = "other"
_BITS = 4
_MASK = (1 << _BITS) - 1


class Slice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One column, and the levels into which its values are divided."""

    column: str
    names: tuple[str, ...]  # of the levels, in the order of their numbers; the first is for a missing value
    levels: tuple[str, ...] = ()  # the values of a categorical column that have a level of their own
    cuts: tuple[float, ...] = ()  # where a numeric column is divided; a value at a cut belongs above it
    origin: str = ""  # where cuts come from that nobody named

    @property
    def number_of(self) -> Callable[[Any], int]:
        """The function from a value to the number of its level."""
        if self.cuts:
            cuts = self.cuts
            return lambda value: 0 if value is None or value != value else bisect_right(cuts, value) + 1
        numbers = {level: number for number, level in enumerate(self.levels, start=1)}
        other = len(self.levels) + 1
        return lambda value: 0 if value is None else numbers.get(value, other)

    def __str__(self) -> str:
        """Spell the column and its levels.

        >>> str(Slice(column="size", names=("missing", "below 5", "5 or more"), cuts=(5.0,)))
        'size (below 5, 5 or more)'
        """
        origin = f"; {self.origin}" if self.origin else ""
        return f"{self.column} ({', '.join(self.names[1:])}{origin})"


class SliceLevel(msgspec.Struct, frozen=True, kw_only=True):
    """One level of one slice column."""

    column: str
    level: str

    def __str__(self) -> str:
        return f"{self.column}={self.level}"


def levels_of(slices: Sequence[Slice]) -> tuple[SliceLevel, ...]:
    """List every level of every column, in the order in which evidence is kept."""
    return tuple(SliceLevel(column=each.column, level=name) for each in slices for name in each.names)


def packed(numbers: Sequence[int]) -> int:
    """Pack the numbers of the levels, one for each column.

    >>> packed([2, 1])
    18
    """
    found = 0
    for position, number in enumerate(numbers):
        found |= number << (_BITS * position)
    return found


def places_of(slices: Sequence[Slice], code: int) -> tuple[int, ...]:
    """Return the places, in `levels_of`, of the levels of a request.

    >>> region = Slice(column="region", names=("missing", "EU", "US", "other"), levels=("EU", "US"))
    >>> places_of([region, region], packed([2, 0]))
    (2, 4)
    """
    places, start = [], 0
    for position, each in enumerate(slices):
        places.append(start + min((code >> (_BITS * position)) & _MASK, len(each.names) - 1))
        start += len(each.names)
    return tuple(places)


def places_of_many(slices: Sequence[Slice], codes: "IntArray") -> "Iterator[IntArray]":
    """Return, for each column, the places in `levels_of` of the levels of many requests."""
    import numpy as np

    start = 0
    for position, each in enumerate(slices):
        yield start + np.minimum((codes >> (_BITS * position)) & _MASK, len(each.names) - 1)
        start += len(each.names)


def code_of(slices: Sequence[Slice], row: Mapping[str, Any]) -> int:
    """Return the number that a request with these values carries."""
    return packed([each.number_of(row.get(each.column)) for each in slices])


def make_slices(
    rules: Sequence[SliceRule], columns: Mapping[str, Mapping[str, ReadColumn]], denied: DenyList = NONE_DENIED
) -> tuple[Slice, ...]:
    """Fix the levels of the slice columns of a policy.

    Args:
        rules: The slice columns.
        columns: The columns of each version that answers, by version; the first is the stable version.
        denied: Columns whose levels are numbered and not named, since their values must not appear.
    Raises:
        ValueError: A version does not read a column, or the column cannot be divided as the rule says.
    """
    for rule in rules:
        for version, known in columns.items():
            if rule.column not in known:
                names = ", ".join(sorted(known)) or "none that it declares"
                raise ValueError(f"{version} does not read the slice column {rule.column!r}; its columns: {names}")
    stable = next(iter(columns.values()), {})
    found = [_slice(rule, stable[rule.column]) for rule in rules]
    return tuple(numbered(each) if denied.hides_values(each.column) else each for each in found)


def numbered(found: Slice) -> Slice:
    """Return a slice column that tells the numbers of its levels alone.

    >>> numbered(Slice(column="region", names=("missing", "EU", "US"), levels=("EU", "US"))).names
    ('missing', 'level 1', 'level 2')
    """
    names = (MISSING, *(f"level {number}" for number in range(1, len(found.names))))
    return msgspec.structs.replace(found, names=names, origin="")


def _slice(rule: SliceRule, column: ReadColumn) -> Slice:
    if column.kind == "date":
        raise ValueError(f"the slice column {rule.column!r} holds dates, which cannot be divided into levels")
    if column.kind == "bool":
        return Slice(column=rule.column, names=(MISSING, "false", "true"), cuts=(0.5,))
    if column.is_number:
        if rule.levels:
            raise ValueError(f"the slice column {rule.column!r} is a number: give cuts, not levels")
        return _numeric(rule, column.quantiles)
    if rule.cuts:
        raise ValueError(f"the slice column {rule.column!r} is not a number: give levels, not cuts")
    return _categorical(rule, column)


def _numeric(rule: SliceRule, quantiles: Sequence[float]) -> Slice:
    cuts, origin = rule.cuts, ""
    if not cuts:
        cuts = _thinned(quantiles, rule.bins)
        if not cuts:
            raise ValueError(
                f"the quantiles of the slice column {rule.column!r} are not stored with the stable version: give cuts, "
                f"such as {{column: {rule.column}, cuts: [1, 10]}}"
            )
        origin = f"{len(cuts) + 1} equal parts of the training rows"
    inner = [f"{low:g} to {high:g}" for low, high in pairwise(cuts)]
    names = (MISSING, f"below {cuts[0]:g}", *inner, f"{cuts[-1]:g} or more")
    return Slice(column=rule.column, names=names, cuts=cuts, origin=origin)


def _thinned(quantiles: Sequence[float], bins: int) -> tuple[float, ...]:
    """Choose, from the stored quantiles, those that divide the rows into about `bins` equal parts."""
    n_parts = len(quantiles) + 1
    chosen = [quantiles[round(part * n_parts / bins) - 1] for part in range(1, bins)] if quantiles else []
    return tuple(float(f"{cut:.4g}") for cut in sorted(set(chosen)))[:MAX_CUTS]


def _categorical(rule: SliceRule, column: ReadColumn) -> Slice:
    levels = rule.levels or column.levels[:MAX_LEVELS]
    if not levels:
        raise ValueError(
            f"the slice column {rule.column!r} takes any text: name its levels, such as "
            f"{{column: {rule.column}, levels: [EU, US]}}; all others are judged together"
        )
    is_complete = column.is_closed and set(levels) >= set(column.levels)
    return Slice(column=rule.column, names=(MISSING, *levels, *(() if is_complete else (OTHER,))), levels=levels)
