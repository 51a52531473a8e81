"""What a parameter may be in a search: one of a list of values, or a number in an interval."""

import math
from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from core.errors import UsageError
from core.escape import shown

if TYPE_CHECKING:
    import numpy as np

ParameterValue: TypeAlias = float | int | bool | str
ParameterValues: TypeAlias = dict[str, ParameterValue]

LEVELS = 4
"""How many values of an interval a grid tries."""
MOST_POINTS = 100_000
"""Of a grid; beyond, the points are drawn without counting them."""


class ValueList(NamedTuple):
    """A list of values."""

    values: tuple[ParameterValue, ...]


class NumberRange(NamedTuple):
    """A number from `low` to `high`, both included; with `is_log` each order of magnitude is equally likely."""

    low: float
    high: float
    is_log: bool = False
    is_whole: bool = False

    def at(self, share: float) -> ParameterValue:
        """Return the value at a share of the interval.

        >>> NumberRange(0.01, 1.0, is_log=True).at(0.5), NumberRange(3, 9, is_whole=True).at(1.0)
        (0.1, 9)
        """
        if self.is_whole:
            # Each whole number has a share of its own, as wide as those beside it.
            low, high = self.low - 0.5, self.high + 0.5
            low = max(low, 0.5) if self.is_log else low
            whole = round(_between(low, high, share, is_log=self.is_log))
            return int(min(max(whole, self.low), self.high))
        value = _between(self.low, self.high, share, is_log=self.is_log)
        return float(min(max(float(f"{value:.6g}"), self.low), self.high))

    def levels(self, n: int) -> tuple[ParameterValue, ...]:
        """Return values at equal distances, the ends included.

        >>> NumberRange(1, 3, is_whole=True).levels(4)
        (1, 2, 3)
        """
        shares = [step / max(n - 1, 1) for step in range(n)]
        if self.is_whole:
            values = [round(_between(self.low, self.high, share, is_log=self.is_log)) for share in shares]
            return tuple(dict.fromkeys(values))
        return tuple(dict.fromkeys(self.at(share) for share in shares))


SearchRange: TypeAlias = ValueList | NumberRange
SearchRanges: TypeAlias = Mapping[str, SearchRange]


def number_range(name: str, low: float, high: float, *, is_log: bool) -> SearchRange:
    """Make the range of a number; it is whole where both ends are written as whole numbers.

    Args:
        name: Of the parameter, for the error.
        low: The least value.
        high: The greatest.
        is_log: Whether each order of magnitude is equally likely.
    Raises:
        UsageError: The ends are not finite numbers in order, or a logarithm of them does not exist.

    >>> number_range("num_leaves", 4, 64, is_log=True)
    NumberRange(low=4, high=64, is_log=True, is_whole=True)
    """
    place = f"advanced.parameter_ranges.{name}"
    if not (math.isfinite(low) and math.isfinite(high)) or low > high:
        raise UsageError(f"{place} is from {shown(low)} to {shown(high)}: low must be a number not above high.")
    if is_log and low <= 0:
        raise UsageError(f"{place}.low is {shown(low)}: with log it must be above 0.")
    is_whole = isinstance(low, int) and isinstance(high, int)
    return ValueList((low,)) if low == high else NumberRange(low, high, is_log, is_whole)


def allows(each: SearchRange, value: ParameterValue) -> bool:
    """Whether a value lies in a range."""
    if isinstance(each, ValueList):
        return value in each.values
    return isinstance(value, int | float) and each.low <= value <= each.high


def n_points(ranges: SearchRanges) -> int | None:
    """Count the combinations of lists; None if one of them is an interval, since these cannot be counted.

    >>> n_points({"a": ValueList((1, 2)), "b": ValueList((0.1, 0.2, 0.3))})
    6
    """
    if any(isinstance(each, NumberRange) for each in ranges.values()):
        return None
    return math.prod(len(each.values) for each in ranges.values() if isinstance(each, ValueList))


def grid(ranges: SearchRanges, *, levels: int = LEVELS) -> list[ParameterValues]:
    """List the combinations of all values, the last parameter varying fastest; of an interval some values are taken.

    Raises:
        UsageError: There are too many.
    """
    values = [each.values if isinstance(each, ValueList) else each.levels(levels) for each in ranges.values()]
    if (n := math.prod(map(len, values))) > MOST_POINTS:
        raise UsageError(
            f"advanced.parameter_ranges has {n} combinations; a grid has {MOST_POINTS} at most. Name fewer parameters "
            "or values, or set tuning_method to random_search."
        )
    return [dict(zip(ranges, point, strict=True)) for point in product(*values)]


def drawn(ranges: SearchRanges, rng: "np.random.Generator") -> ParameterValues:
    """Draw a value of each parameter."""
    return {name: _drawn(each, rng) for name, each in ranges.items()}


def _drawn(each: SearchRange, rng: "np.random.Generator") -> ParameterValue:
    if isinstance(each, NumberRange):
        return each.at(float(rng.random()))
    return each.values[int(rng.integers(len(each.values)))]


def _between(low: float, high: float, share: float, *, is_log: bool) -> float:
    if is_log:
        return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return low + share * (high - low)
