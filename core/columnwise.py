"""The same work on each column of a table, as many at a time as there are processors."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

AnyColumn = TypeVar("AnyColumn")
Result = TypeVar("Result")
MOST_THREADS = 8  # each holds a column or two of its own


def columnwise(function: Callable[[AnyColumn], Result], columns: Iterable[AnyColumn]) -> list[Result]:
    """Apply a function that spends its time in NumPy or Arrow, which let others run meanwhile.

    Returns:
        The results in the order of the columns.
    Raises:
        Exception: What the function raises for the first column it raises for; those not begun by then are dropped.
    """
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS), thread_name_prefix="column") as pool:
        return list(pool.map(function, columns))
