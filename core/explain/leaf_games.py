"""Exact Shapley values of trees, by two readings of "the feature is not known".

A tree is a sum over its leaves, so its Shapley values are sums over the leaves' games. At a leaf each player is one
feature on its path, and the game is a product: the leaf's value times a factor for each player.

*Path-dependent*: the factor of a player that is not known is the share of the training rows that pass its splits. The
Shapley value is the integral of the game's multilinear extension, a polynomial in one variable, and Gauss-Legendre
quadrature of enough nodes is exact.
*Background*: the player that is not known takes the value of a background row. For one such row each factor is 0 or 1,
and the value has a closed form in the numbers of players that only the row, or only the background row, satisfies.

Sources:
    Lundberg, Erion, Chen et al., From local explanations to global understanding with explainable AI for trees, Nature
    Machine Intelligence 2 (2020): both games, and the closed form (their algorithms 1 and 3).
    Owen, Multilinear extensions of games, Management Science 18 (1972): the integral.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from math import factorial
from typing import NamedTuple

import numpy as np

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from core.explain.plain_trees import PlainTree, PlainTrees

MOST_CELLS = 2_000_000  # of an intermediate array
MOST_PLAYERS_OF_LEAF = 48  # bits of an integer that also names a leaf
FEW_ROWS = 8  # up to here looking for equal games costs more than playing them


class Leaves(NamedTuple):
    """The leaves of one tree, their paths padded to the same length."""

    value: FloatArray  # (leaves,)
    player: IntArray  # (leaves, slots); -1 for a slot without a player
    share: FloatArray  # (leaves, slots): of the training rows that pass the player's splits
    node: IntArray  # (steps, leaves)
    side: BoolArray  # (steps, leaves)
    slot: IntArray  # (steps, leaves); -1 below the end of a path


def path_dependent(trees: PlainTrees, matrix: AnyArray, players: Sequence[int], n_players: int) -> FloatArray:
    """Return the contributions of players by the path-dependent reading.

    Args:
        trees: The trees.
        matrix: The rows, shape (n, columns).
        players: The player of each column.
        n_players: How many players there are.
    Returns:
        Shape (n, n_players); with `expected_value` they sum to the trees' answer.
    """
    cells, of_column = trees.cells(matrix), np.asarray(players, dtype=np.int64)
    out = np.zeros((len(cells), n_players))
    for tree in trees.trees:
        leaves = leaves_of(tree, of_column)
        if not leaves.player.size:
            continue
        step = max(1, MOST_CELLS // leaves.player.size)
        for start in range(0, len(cells), step):
            rows = slice(start, start + step)
            _play_shares(out[rows], leaves, passes_of(leaves, tree.goes_left(cells[rows])))
    return out


def _play_shares(out: FloatArray, leaves: Leaves, passes: BoolArray) -> None:
    """Add the contributions of all leaves of a tree; rows that pass the same splits of a path share its game."""
    n_rows, n_leaves, width = passes.shape
    keys = codes(passes) + (np.arange(n_leaves, dtype=np.int64) << width) if width <= MOST_PLAYERS_OF_LEAF else None
    if keys is None or n_rows < FEW_ROWS:
        games, leaf, game_of = passes.reshape(-1, width), np.tile(np.arange(n_leaves), n_rows), None
    else:
        found, first, game_of = np.unique(keys.ravel(), return_index=True, return_inverse=True)
        games, leaf = passes.reshape(-1, width)[first], (found >> width).astype(np.int64)
    share, scale = leaves.share[leaf], leaves.value[leaf][:, None]
    gap = games - share
    values = np.zeros(gap.shape)
    for node, weight in zip(*quadrature(width), strict=True):
        factor = share + node * gap
        whole = factor.prod(axis=1, keepdims=True) * (weight * scale)
        values += np.divide(whole, factor, out=np.zeros(gap.shape), where=factor > 0)
    values *= gap
    of_row = (values if game_of is None else values[game_of.ravel()]).reshape(n_rows, n_leaves * width)
    player = leaves.player.ravel()
    is_player, n_players = player >= 0, out.shape[1]
    place = np.arange(n_rows)[:, None] * n_players + player[is_player]
    total = np.bincount(place.ravel(), weights=of_row[:, is_player].ravel(), minlength=n_rows * n_players)
    out += total.reshape(n_rows, n_players)


def expected_value(trees: PlainTrees) -> float:
    """Return the mean of the answers over the training rows, by the rows that reached each leaf."""
    total = trees.constant
    for tree in trees.trees:
        for leaf, path in tree.paths():
            total += float(tree.value[leaf] * np.prod([_share(tree, node, goes_left) for node, goes_left in path]))
    return total


def against_background(
    trees: PlainTrees, matrix: AnyArray, background: AnyArray, players: Sequence[int], n_players: int
) -> FloatArray:
    """Return the contributions of players by the background reading.

    Args:
        trees: The trees.
        matrix: The rows, shape (n, columns).
        background: The background rows, shape (m, columns).
        players: The player of each column.
        n_players: How many players there are.
    Returns:
        Shape (n, n_players); with the mean answer to the background they sum to the trees' answer.
    """
    out = np.zeros((len(matrix), n_players))
    for game in background_games(trees, matrix, background, players):
        _play(out, *game)
    return out


def background_games(
    trees: PlainTrees, matrix: AnyArray, background: AnyArray, players: Sequence[int], *, least: int = 1
) -> Iterator[tuple[Leaves, int, IntArray, IntArray]]:
    """Yield the game of each leaf: the leaves of its tree, its place among them, and what each side passes there.

    Args:
        trees: The trees.
        matrix: The rows, shape (n, columns).
        background: The background rows, shape (m, columns).
        players: The player of each column.
        least: Trees on whose paths there are fewer players are left out.
    """
    cells, others, of_column = trees.cells(matrix), trees.cells(background), np.asarray(players, dtype=np.int64)
    for tree in trees.trees:
        leaves = leaves_of(tree, of_column)
        width = leaves.player.shape[1] if leaves.player.size else 0
        if width < least:
            continue
        if width > MOST_PLAYERS_OF_LEAF:
            raise ValueError(f"a path has more than {MOST_PLAYERS_OF_LEAF} features")
        own, theirs = (codes(passes_of(leaves, tree.goes_left(each))) for each in (cells, others))
        for leaf in range(len(leaves.value)):
            yield leaves, leaf, own[:, leaf], theirs[:, leaf]


def _play(out: FloatArray, leaves: Leaves, leaf: int, own: IntArray, theirs: IntArray) -> None:
    """Add a leaf's contributions; rows that pass the same splits of its path share a game."""
    own_codes, own_of = np.unique(own, return_inverse=True)
    their_codes, counts = np.unique(theirs, return_counts=True)
    player = leaves.player[leaf]
    every = (1 << int((player >= 0).sum())) - 1  # players come before empty slots
    n_slots = int((player >= 0).sum())
    # A pair of which neither row passes some player's splits never reaches the leaf.
    row, other = np.nonzero(((own_codes[:, None] | their_codes) & every) == every)
    if not len(row):
        return
    only_own, only_theirs = own_codes[row] & ~their_codes[other] & every, their_codes[other] & ~own_codes[row] & every
    n_own, n_theirs = np.bitwise_count(only_own), np.bitwise_count(only_theirs)
    gains, losses = _closed_form(len(player))
    weight = counts[other] * (leaves.value[leaf] / counts.sum())
    up, down = gains[n_own, n_theirs] * weight, losses[n_own, n_theirs] * weight
    for slot in range(n_slots):
        pairs = ((only_own >> slot) & 1) * up - ((only_theirs >> slot) & 1) * down
        out[:, player[slot]] += np.bincount(row, weights=pairs, minlength=len(own_codes))[own_of]


def leaves_of(tree: PlainTree, of_column: IntArray) -> Leaves:
    """Return the leaves of a tree, with the players on their paths."""
    paths = list(tree.paths())
    n_steps = max(len(path) for _, path in paths)
    value = np.array([tree.value[leaf] for leaf, _ in paths])
    node, slot = np.zeros((n_steps, len(paths)), dtype=np.int64), np.full((n_steps, len(paths)), -1, dtype=np.int64)
    side = np.zeros((n_steps, len(paths)), dtype=np.bool_)
    of_leaf: list[dict[int, int]] = []
    shares: list[list[float]] = []
    for k, (_, path) in enumerate(paths):
        slots: dict[int, int] = {}
        share: list[float] = []
        for step, (at, goes_left) in enumerate(path):
            own = slots.setdefault(int(of_column[tree.feature[at]]), len(slots))
            if own == len(share):
                share.append(1.0)
            share[own] *= _share(tree, at, goes_left)
            node[step, k], side[step, k], slot[step, k] = at, goes_left, own
        of_leaf.append(slots)
        shares.append(share)
    width = max(len(slots) for slots in of_leaf)
    player, padded = np.full((len(paths), width), -1, dtype=np.int64), np.ones((len(paths), width))
    for k, (slots, share) in enumerate(zip(of_leaf, shares, strict=True)):
        player[k, : len(slots)] = list(slots)
        padded[k, : len(share)] = share
    return Leaves(value, player, padded, node, side, slot)


def _share(tree: PlainTree, node: int, goes_left: bool) -> float:
    child = tree.left[node] if goes_left else tree.right[node]
    return float(tree.cover[child] / tree.cover[node]) if tree.cover[node] else 0.0


def passes_of(leaves: Leaves, goes_left: BoolArray) -> BoolArray:
    """Say which rows pass all splits of each player of each leaf, shape (n, leaves, slots)."""
    n_leaves, width = leaves.player.shape
    passes = np.ones((len(goes_left), n_leaves, width), dtype=np.bool_)
    for node, side, slot in zip(leaves.node, leaves.side, leaves.slot, strict=True):
        there = np.flatnonzero(slot >= 0)
        passes[:, there, slot[there]] &= goes_left[:, node[there]] == side[there]
    return passes


def codes(passes: BoolArray) -> IntArray:
    """Name the players that each row satisfies at each leaf by the bits of a number, shape (n, leaves)."""
    powers = np.left_shift(np.int64(1), np.arange(passes.shape[2], dtype=np.int64))
    return np.asarray(passes @ powers, dtype=np.int64)


@cache
def quadrature(n_slots: int) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights on (0, 1) that integrate a polynomial of degree n_slots - 1 exactly."""
    nodes, weights = np.polynomial.legendre.leggauss((n_slots + 1) // 2)
    return (nodes + 1.0) / 2.0, weights / 2.0


@cache
def _closed_form(most: int) -> tuple[FloatArray, FloatArray]:
    """Return, by how many players only one side satisfies, what one of them gains, and what one of the others loses."""
    gains, losses = np.zeros((most + 1, most + 1)), np.zeros((most + 1, most + 1))
    for own in range(most + 1):
        for theirs in range(most + 1 - own):
            if own:
                gains[own, theirs] = factorial(own - 1) * factorial(theirs) / factorial(own + theirs)
            if theirs:
                losses[own, theirs] = factorial(own) * factorial(theirs - 1) / factorial(own + theirs)
    return gains, losses
