"""Shadow columns: copies of the columns that say nothing of the target, to compare the columns with.

Source:
    Kursa and Rudnicki, Feature Selection with the Boruta Package, Journal of Statistical Software 36(11), 2010.
"""

import numpy as np

from core.arrays import AnyArray, IntArray


def shadows_of(matrix: AnyArray, group: IntArray, rng: np.random.Generator) -> AnyArray:
    """Give every group the rows of another group, so that a copy is as alike within groups as its column is.

    Rows that are shuffled one by one would look too harmless: trees learn what is constant within a group far more
    easily than noise that differs from row to row, although it says as little of new groups.

    Args:
        matrix: Shape (n, columns).
        group: Group of each row as a code, shape (n,).
        rng: Draws which group takes whose rows; all columns of a row stay together.
    """
    present, code = np.unique(group, return_inverse=True)
    order = np.argsort(code, kind="stable")
    sizes = np.bincount(code)
    starts = np.cumsum(sizes) - sizes
    donor = _derangement(len(present), rng)
    source = np.empty(len(code), dtype=np.int64)
    for own, other in enumerate(donor.tolist()):
        rows = order[starts[own] : starts[own] + sizes[own]]
        offset = int(rng.integers(sizes[other]))
        source[rows] = order[starts[other] + (np.arange(sizes[own]) + offset) % sizes[other]]
    return matrix[source]


def _derangement(n: int, rng: np.random.Generator) -> IntArray:
    """Return a random cycle through all groups: none keeps its own rows, unless it is alone."""
    order = rng.permutation(n)
    donor = np.empty(n, dtype=np.int64)
    donor[order] = np.roll(order, 1)
    return donor
