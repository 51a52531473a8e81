"""The same work on each column of a table, on all processors in parallel."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

AnyColumn = TypeVar("AnyColumn")
Result = TypeVar("Result")
MOST_THREADS = 8  # each needs memory for a column or two


def columnwise(function: Callable[[AnyColumn], Result], columns: Iterable[AnyColumn]) -> list[Result]:
    """Apply a function that spends its time in NumPy or Arrow, which release the interpreter lock.

    Returns:
        The results in the order of the columns.
    Raises:
        Exception: The exception of the first column that fails; columns not started by then are dropped.
    """
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS), thread_name_prefix="column") as pool:
        return list(pool.map(function, columns))
