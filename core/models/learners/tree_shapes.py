"""The sizes of trees that compete on a table, by its number of rows, and how they are grown side by side."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from core.own_cgroup import usable_processors

FAST, MOST_DEAR = 0.1, 400  # learning rate and most steps of trees that cost much
LEAST_CAP = 100  # trees; a table with more rows may have a tree per row, up to the maximum
NARROW = 10  # columns up to which a tree sees all of them: a relation of three columns needs all three
DEAR = (
    500_000  # rows times columns times classes, from three classes on, whose trees cost too much to try several sizes
)
WIDE = 300  # columns from which a tree sees a smaller share of them
MANY_ROWS = 100_000  # from here one training uses all processors; below, threads would wait for each other
MOST_THREADS = 8

Grow = TypeVar("Grow")
Grown = TypeVar("Grown")


class Shape(NamedTuple):
    """The size of trees, and how fast they learn."""

    num_leaves: int
    min_data_in_leaf: int
    learning_rate: float
    feature_fraction: float
    bagging_fraction: float

    def parameters(self, n_rows: int) -> dict[str, Any]:
        """Return LightGBM's parameters for a table of `n_rows`."""
        threads = threads_available() if n_rows >= MANY_ROWS else 1
        return {**self._asdict(), "bagging_freq": 1, "num_threads": threads}


class _Size(NamedTuple):
    """What competes from a number of rows on; fewer and faster trees on large tables, whose training takes minutes."""

    from_rows: int
    leaves: tuple[tuple[int, int], ...]  # of a tree, and the least rows of a leaf
    learning_rate: float
    most_trees: int


_BY_SIZE = (
    _Size(0, ((4, 5), (10, 5)), 0.05, 2_000),
    _Size(1_000, ((6, 15), (31, 15)), 0.05, 2_000),
    _Size(10_000, ((15, 20), (63, 20)), 0.06, 2_000),
    _Size(50_000, ((31, 20), (127, 30)), 0.1, 1_000),
    _Size(150_000, ((127, 30),), 0.1, 600),
    _Size(500_000, ((127, 50),), 0.15, 300),
)


def is_dear(n_rows: int, n_columns: int, n_classes: int) -> bool:
    """Return whether trees of many classes cost so much that one size competes, and learns fast."""
    return n_classes > 2 and n_rows * n_columns * n_classes > DEAR


def shapes_for(
    n_rows: int, n_columns: int, parameters: Mapping[str, Any], *, n_classes: int = 0, in_time: bool = False
) -> list[Shape]:
    """List the sizes that compete, smallest first; a size in the settings stands alone.

    Args:
        n_rows: Rows to learn from.
        n_columns: Columns of the matrix.
        parameters: The learner's; zero leaves a value to this function.
        n_classes: Of a classification; each has a tree of its own in every step.
        in_time: Whether later rows are judged by earlier rows. A tree then sees all columns: one without the column
            that carries a level would fit what stands in for it, such as the date, and that fails on later rows.
    """
    _, sizes, rate, _ = _size_of(n_rows)
    if is_dear(n_rows, n_columns, n_classes):
        sizes, rate = sizes[-1:], max(rate, FAST)
    all_seen = WIDE if in_time else NARROW
    share = 1.0 if n_columns <= all_seen else 0.7 if n_columns <= WIDE else max(0.1, 200 / n_columns)
    if leaves := int(parameters["num_leaves"]):
        sizes = ((leaves, sizes[0][1]),)
    elif n_columns > WIDE:
        sizes = sizes[:1]
    return [
        Shape(
            num_leaves=leaves,
            min_data_in_leaf=int(parameters["min_data_in_leaf"]) or least,
            learning_rate=float(parameters["learning_rate"]) or rate,
            feature_fraction=float(parameters["feature_fraction"]) or share,
            bagging_fraction=float(parameters["bagging_fraction"]),
        )
        for leaves, least in sizes
    ]


def most_trees(n_rows: int, n_columns: int, parameters: Mapping[str, Any], *, n_classes: int = 0) -> int:
    """Return the cap on the number of trees, of each class: the settings', or a sane one for the size of the table."""
    most = MOST_DEAR if is_dear(n_rows, n_columns, n_classes) else _size_of(n_rows).most_trees
    return int(parameters["max_trees"]) or min(most, max(LEAST_CAP, n_rows))


def _size_of(n_rows: int) -> _Size:
    return next(size for size in reversed(_BY_SIZE) if n_rows >= size.from_rows)


def side_by_side(function: Callable[[Grow], Grown], items: Sequence[Grow], *, n_rows: int) -> list[Grown]:
    """Apply a function to items in threads, or one after another where each call uses all processors itself."""
    n_threads = 1 if n_rows >= MANY_ROWS else min(threads_available(), len(items))
    with ThreadPoolExecutor(n_threads, thread_name_prefix="trees") as pool:
        return list(pool.map(function, items))


def threads_available() -> int:
    """Return how many threads may compute: the idle processors of this process, or fewer by OMP_NUM_THREADS.

    No result depends on it. On a busy machine, threads that wait for each other are many times slower than one.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    n_own = usable_processors()
    n_idle = n_own - round(os.getloadavg()[0]) if hasattr(os, "getloadavg") else n_own
    return max(1, min(n_idle, MOST_THREADS, int(wanted) if wanted.isdigit() else MOST_THREADS))
