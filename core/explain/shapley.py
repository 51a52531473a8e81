"""Shapley values of any game: exactly over all coalitions, or by sampled orders of the players.

Sources:
    Shapley, A value for n-person games (1953).
    Castro, Gómez and Tejada, Polynomial calculation of the Shapley value based on sampling, Computers & Operations
    Research 36 (2009); with each order its reverse: Mitchell, Cooper, Frank and Holmes, Sampling permutations for
    Shapley value estimation, Journal of Machine Learning Research 23 (2022).
"""

from collections.abc import Callable, Sequence
from math import factorial

import numpy as np

from core.arrays import BoolArray, FloatArray


def shapley_of_coalitions(values: Sequence[FloatArray]) -> list[FloatArray]:
    """Return the Shapley value of each player.

    Args:
        values: The worth of each coalition: at position k that of the players whose bits are set in k.

    >>> [float(value) for value in shapley_of_coalitions([np.array(v) for v in (0.0, 1.0, 2.0, 5.0)])]
    [2.0, 3.0]
    """
    n_players = len(values).bit_length() - 1
    out = []
    for player in range(n_players):
        bit, total = 1 << player, np.zeros(np.shape(values[-1]))
        for coalition in range(len(values)):
            if not coalition & bit:
                size = coalition.bit_count()
                weight = factorial(size) * factorial(n_players - size - 1) / factorial(n_players)
                total = total + weight * (values[coalition | bit] - values[coalition])
        out.append(total)
    return out


def interactions_of_coalitions(values: Sequence[FloatArray]) -> dict[tuple[int, int], FloatArray]:
    """Return the Shapley interaction of each pair of players.

    Args:
        values: The worth of each coalition: at position k that of the players whose bits are set in k.
    Source:
        Grabisch and Roubens, International Journal of Game Theory 28 (1999).

    >>> {pair: float(found) for pair, found in interactions_of_coalitions([np.array(v) for v in (0, 1, 2, 5)]).items()}
    {(0, 1): 2.0}
    """
    n_players = len(values).bit_length() - 1
    found = {}
    for one in range(n_players):
        for other in range(one + 1, n_players):
            first, second, total = 1 << one, 1 << other, np.zeros(np.shape(values[-1]))
            for coalition in range(len(values)):
                if coalition & (first | second):
                    continue
                size = coalition.bit_count()
                weight = factorial(size) * factorial(n_players - size - 2) / factorial(n_players - 1)
                gain = values[coalition | first | second] - values[coalition | first]
                total = total + weight * (gain - values[coalition | second] + values[coalition])
            found[one, other] = total
    return found


def sampled_orders(n_players: int, n_pairs: int, *, seed: int) -> list[list[int]]:
    """Draw orders of the players, each followed by its reverse."""
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(n_players).tolist() for _ in range(n_pairs)]
    return [order for pair in drawn for order in (pair, pair[::-1])]


def by_orders(
    worth: Callable[[BoolArray], FloatArray], orders: Sequence[Sequence[int]], n_players: int
) -> tuple[FloatArray, FloatArray]:
    """Return Shapley values estimated from orders, and their standard errors.

    They sum to the worth of all players less the mean worth of none, whatever the orders.

    Args:
        worth: Returns the worth of coalitions, one a row of shape (coalitions, players), in the order of `orders`: for
            each order first no player, then its players one after another.
        orders: Orders from `sampled_orders`.
        n_players: How many players there are.
    """
    known = np.zeros((len(orders), n_players + 1, n_players), dtype=np.bool_)
    for k, order in enumerate(orders):
        for step, player in enumerate(order, start=1):
            known[k, step:, player] = True
    worths = worth(known.reshape(-1, n_players)).reshape(len(orders), n_players + 1)
    steps = np.diff(worths, axis=1)
    gains = np.empty((len(orders), n_players))
    for k, order in enumerate(orders):
        gains[k, order] = steps[k]
    pairs = gains.reshape(-1, 2, n_players).mean(axis=1)
    spread = pairs.std(axis=0, ddof=1) if len(pairs) > 1 else np.full(n_players, np.nan)
    return gains.mean(axis=0), np.asarray(spread / np.sqrt(len(pairs)))
