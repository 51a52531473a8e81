"""Remember what was computed from a tuple, for as long as the same tuple is asked about.

Snapshots share what has not changed: the versions of two snapshots are the same tuple unless the registry changed. What
a screen derives from ten thousand versions need not be derived again at every key.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_N_TUPLES = 2  # the present, and the past that is looked at


def of_the_same(compute: Callable[[Any], T]) -> Callable[[Any], T]:
    """Remember the results of a function of one sequence. Only tuples are remembered, because others may change.

    Callers share a result, and must not change it.
    """
    known: list[tuple[tuple[Any, ...], T]] = []

    @functools.wraps(compute)
    def remembered(sequence: Any) -> T:
        for seen, result in known:
            if seen is sequence:
                return result
        result = compute(sequence)
        if isinstance(sequence, tuple):
            known.insert(0, (sequence, result))
            del known[_N_TUPLES:]
        return result

    return remembered
