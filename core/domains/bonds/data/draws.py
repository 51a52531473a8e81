"""The named random streams that every draw of the generator comes from, and the ways to draw."""

import zlib
from collections.abc import Mapping

import numpy as np

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the random stream of one part of the market.

    Each part draws from a stream of its own, so that a change inside one part leaves the others as they were.

    Args:
        seed: Seed of the panel, not negative.
        name: The part, for example "issuers".
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()),))))


def frozen(array: AnyArray) -> AnyArray:
    """Return the array made read-only, for values that a cache shares."""
    array.setflags(write=False)
    return array


def draw_codes(rng: np.random.Generator, shares: Mapping[str, float], n: int) -> IntArray:
    """Draw `n` positions within `shares`, each with its share of the total."""
    return codes_at(rng.random(n), np.array(list(shares.values())))


def codes_at(uniform: FloatArray, shares: FloatArray) -> IntArray:
    """Map uniform draws to positions of `shares`, each with its share of the total.

    >>> codes_at(np.array([0.1, 0.6, 0.999]), np.array([1.0, 3.0])).tolist()
    [0, 1, 1]
    """
    edges = np.cumsum(shares) / np.sum(shares)
    return np.minimum(np.searchsorted(edges, uniform, side="right"), len(edges) - 1).astype(np.int64)


def systematic_sample(rng: np.random.Generator, probability: FloatArray, size: IntArray) -> BoolArray:
    """Choose units with exactly the given inclusion probabilities, and a count that is all but fixed.

    Independent coins would let a small panel miss its gates by bad luck; here the count is the sum of the
    probabilities, rounded up or down, and units of every size have their part in it.

    Args:
        rng: Source of the start, and of the order among units of one size.
        probability: Inclusion probability of each unit, shape (n,).
        size: What each unit counts for, shape (n,).
    Returns:
        Which units were chosen, shape (n,).
    Source:
        Madow, Annals of Mathematical Statistics 20(3), 1949.
    """
    order = np.lexsort((rng.random(len(size)), size))
    edges = np.concatenate(([0.0], np.cumsum(probability[order]))) + rng.random()
    chosen = np.zeros(len(probability), dtype=np.bool_)
    chosen[order] = np.floor(edges[1:]) > np.floor(edges[:-1])
    return chosen
