"""Exact Shapley interactions of trees, in both readings of `leaf_games`.

The interaction of two players is the mean, over the coalitions of the others in the order of Shapley, of what the two
gain together beyond what each gains alone. At a leaf the game is a product, so that it is an integral again: of the
product's second derivative along the diagonal, with the two players' factors taken out.

Sources:
    Grabisch and Roubens, An axiomatic approach to the concept of interaction among players in cooperative games,
    International Journal of Game Theory 28 (1999): the index, and the integral.
    Lundberg, Erion, Chen et al., Nature Machine Intelligence 2 (2020), equations 6 to 9: half of it on each side of a
    matrix whose rows sum to the contributions.
"""

from collections.abc import Sequence
from math import factorial

import numpy as np

from core.arrays import AnyArray, FloatArray, IntArray
from core.explain.leaf_games import MOST_CELLS, Leaves, background_games, leaves_of, passes_of, quadrature
from core.explain.plain_trees import PlainTrees


def interaction_cost(trees: PlainTrees, players: Sequence[int], n_others: int = 0) -> int:
    """Return about how many products one row costs.

    Args:
        trees: The trees.
        players: The player of each column.
        n_others: How many background rows there are; 0 for the path-dependent reading.
    """
    of_column, total = np.asarray(players, dtype=np.int64), 0
    for tree in trees.trees:
        leaves = leaves_of(tree, of_column)
        width = leaves.player.shape[1]
        total += len(leaves.value) * width * width * (n_others or (width + 1) // 2)
    return total


def path_dependent_interactions(
    trees: PlainTrees, matrix: AnyArray, players: Sequence[int], n_players: int
) -> FloatArray:
    """Return the interaction of each pair of players by the path-dependent reading.

    Args:
        trees: The trees.
        matrix: The rows, shape (n, columns).
        players: The player of each column.
        n_players: How many players there are.
    Returns:
        Shape (n, n_players, n_players), symmetric, with zeros on its diagonal: the whole interaction on either side.
    """
    cells, of_column = trees.cells(matrix), np.asarray(players, dtype=np.int64)
    out = np.zeros((len(cells), n_players, n_players))
    for tree in trees.trees:
        leaves = leaves_of(tree, of_column)
        width = leaves.player.shape[1] if leaves.player.size else 0
        if width < 2:
            continue
        step = max(1, MOST_CELLS // (leaves.player.size * width))
        for start in range(0, len(cells), step):
            rows = slice(start, start + step)
            passes = passes_of(leaves, tree.goes_left(cells[rows])).astype(np.float64)
            _play_shares(out[rows], leaves, passes)
    return out


def _play_shares(out: FloatArray, leaves: Leaves, passes: FloatArray) -> None:
    """Add the interactions of all leaves of a tree: products over all slots but two, by quadrature."""
    gap = passes - leaves.share
    width = gap.shape[2]
    values = np.zeros((*gap.shape, width))
    for node, weight in zip(*quadrature(width), strict=True):
        factor = leaves.share + node * gap
        for one in range(width):
            for other in range(one):
                rest = np.delete(factor, (other, one), axis=2).prod(axis=2)
                values[:, :, one, other] += weight * rest
    values *= gap[:, :, :, None] * gap[:, :, None, :] * leaves.value[None, :, None, None]
    for one in range(width):
        for other in range(one):
            first, second = leaves.player[:, one], leaves.player[:, other]
            there = np.flatnonzero((first >= 0) & (second >= 0))
            for leaf in there.tolist():
                out[:, first[leaf], second[leaf]] += values[:, leaf, one, other]
                out[:, second[leaf], first[leaf]] += values[:, leaf, one, other]


def background_interactions(
    trees: PlainTrees, matrix: AnyArray, background: AnyArray, players: Sequence[int], n_players: int
) -> FloatArray:
    """Return the interaction of each pair of players against background rows.

    Args:
        trees: The trees.
        matrix: The rows, shape (n, columns).
        background: The background rows, shape (m, columns).
        players: The player of each column.
        n_players: How many players there are.
    Returns:
        Shape (n, n_players, n_players), as `path_dependent_interactions`.
    """
    out = np.zeros((len(matrix), n_players, n_players))
    for game in background_games(trees, matrix, background, players, least=2):
        _play(out, *game)
    return out


def _play(out: FloatArray, leaves: Leaves, leaf: int, own: IntArray, theirs: IntArray) -> None:
    """Add a leaf's interactions; rows that pass the same splits of its path share a game."""
    own_codes, own_of = np.unique(own, return_inverse=True)
    their_codes, counts = np.unique(theirs, return_counts=True)
    player = leaves.player[leaf]
    n_slots = int((player >= 0).sum())
    every = (1 << n_slots) - 1  # players come before empty slots
    row, other = np.nonzero(((own_codes[:, None] | their_codes) & every) == every)
    if n_slots < 2 or not len(row):
        return
    mine, yours = own_codes[row] & ~their_codes[other] & every, their_codes[other] & ~own_codes[row] & every
    together, apart = _closed_form(n_slots)
    n_mine, n_yours = np.bitwise_count(mine), np.bitwise_count(yours)
    weight = counts[other] * (leaves.value[leaf] / counts.sum())
    both_mine, both_yours = together[n_mine, n_yours] * weight, together[n_yours, n_mine] * weight
    one_each = apart[n_mine, n_yours] * weight
    bits = [((mine >> slot) & 1, (yours >> slot) & 1) for slot in range(n_slots)]
    for one in range(n_slots):
        for second in range(one):
            (a, b), (c, d) = bits[one], bits[second]
            pairs = (a & c) * both_mine + (b & d) * both_yours - ((a & d) | (b & c)) * one_each
            found = np.bincount(row, weights=pairs, minlength=len(own_codes))[own_of]
            out[:, player[one], player[second]] += found
            out[:, player[second], player[one]] += found


def _closed_form(most: int) -> tuple[FloatArray, FloatArray]:
    """Return, by how many players only one side satisfies, what two of them gain, and what one of each side loses."""
    together, apart = np.zeros((most + 1, most + 1)), np.zeros((most + 1, most + 1))
    for mine in range(most + 1):
        for yours in range(most + 1 - mine):
            if mine >= 2:
                together[mine, yours] = factorial(mine - 2) * factorial(yours) / factorial(mine + yours - 1)
            if mine and yours:
                apart[mine, yours] = factorial(mine - 1) * factorial(yours - 1) / factorial(mine + yours - 1)
    return together, apart
