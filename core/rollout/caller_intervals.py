"""Which ratios, or differences, of means are not excluded: intervals that stay valid at every look.

Each end holds although its arm can have missed rare large losses: the lower one after they are added to the stable
version, the upper one after they are added to the candidate (see `rare_losses`).
"""

import math
from collections.abc import Callable

from core.rollout.by_caller import (
    LEAST_CALLERS,
    contrast,
    difference_of,
    effective_callers,
    log_evidence,
    pooled_weight,
    ratio_of,
)
from core.rollout.caller_sums import CallerSums
from core.rollout.rare_losses import LEAST_VALUES, unseen_in, values_needed

_SMALLEST_RATIO, _LARGEST_RATIO = 1e-4, 1e4
_N_BISECTIONS = 14
_TINY = 1e-12


def ratio_interval(sums: CallerSums, alpha: float, bound: float | None) -> tuple[float, float | None] | None:
    """Return the ratios of means that are not excluded; None for no upper bound, or without a ratio at all.

    Args:
        sums: The sums by cell.
        alpha: How often the interval may miss the ratio, ever.
        bound: The largest loss there can be; None if that is unknown.
    """
    centre = ratio_of(sums)
    if centre is None or not _is_enough(sums):
        return None
    centre = min(max(centre, _SMALLEST_RATIO), _LARGEST_RATIO)
    ends = _Ends(sums, alpha, bound)
    least, most = math.log(_SMALLEST_RATIO), math.log(_LARGEST_RATIO)
    low = high = None
    if ends.is_below(ratio=_SMALLEST_RATIO):
        low = math.exp(_boundary(lambda at: ends.is_below(ratio=math.exp(at)), least, math.log(centre)))
    if ends.is_above(ratio=_LARGEST_RATIO):
        high = math.exp(_boundary(lambda at: ends.is_above(ratio=math.exp(at)), most, math.log(centre)))
    return None if low is None and high is None else (low or 0.0, high)


def difference_interval(sums: CallerSums, alpha: float, bound: float | None) -> tuple[float, float] | None:
    """Return the differences of means that are not excluded; None while they are unbounded; arguments as above."""
    centre = difference_of(sums)
    if centre is None or not _is_enough(sums):
        return None
    ends = _Ends(sums, alpha, bound)
    step = math.sqrt(contrast(sums, shift=centre).variance) / max(pooled_weight(sums), _TINY) + ends.unseen
    for _ in range(12):
        if ends.is_below(shift=centre - step) and ends.is_above(shift=centre + step):
            low = _boundary(lambda at: ends.is_below(shift=at), centre - step, centre)
            return low, _boundary(lambda at: ends.is_above(shift=at), centre + step, centre)
        step *= 2
    return None


class _Ends:
    """Says which ratios, or differences, are excluded."""

    def __init__(self, sums: CallerSums, alpha: float, bound: float | None) -> None:
        self._sums, self._needed = sums, math.log(2 / alpha)
        n_stable, _, n_candidate, _ = sums.arms()
        n_needed = values_needed(bound, alpha / 2)
        self._has_low, self._has_high = n_stable >= n_needed, n_candidate >= n_needed
        self._in_stable = unseen_in(sums, of_candidate=False, bound=bound, error_rate=alpha / 2)
        self._in_candidate = unseen_in(sums, of_candidate=True, bound=bound, error_rate=alpha / 2)
        self.unseen = max(self._in_stable, self._in_candidate)

    def is_below(self, *, ratio: float = 1.0, shift: float = 0.0) -> bool:
        """Whether the interval lies above a ratio or a difference."""
        if not self._has_low:
            return False
        of = contrast(self._sums, ratio=ratio, shift=shift + self._in_stable)
        return log_evidence(of, higher=True, needed=self._needed) >= self._needed

    def is_above(self, *, ratio: float = 1.0, shift: float = 0.0) -> bool:
        """Whether the interval lies below a ratio or a difference."""
        if not self._has_high:
            return False
        of = contrast(self._sums, ratio=ratio, shift=shift - self._in_candidate / ratio)
        return log_evidence(of, higher=False, needed=self._needed) >= self._needed


def _is_enough(sums: CallerSums) -> bool:
    n_stable, _, n_candidate, _ = sums.arms()
    return min(effective_callers(sums)) >= LEAST_CALLERS and min(n_stable, n_candidate) >= LEAST_VALUES


def _boundary(excluded: Callable[[float], bool], outside: float, inside: float) -> float:
    """Find where an exclusion that holds at one end stops."""
    for _ in range(_N_BISECTIONS):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if excluded(middle) else (outside, middle)
    return outside
