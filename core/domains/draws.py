"""The named random streams behind every draw of a generator, and the ways to draw."""

import zlib
from collections.abc import Mapping

import numpy as np

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the random stream of one part of a generated world.

    Each part has its own stream, so that a change in one part leaves the other parts unchanged.

    Args:
        seed: Seed of the data set, not negative.
        name: The part, for example "issuers".
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()),))))


def frozen(array: AnyArray) -> AnyArray:
    """Return the array as read-only, for values that a cache shares."""
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
    """Choose units with exactly the given inclusion probabilities, and an almost fixed count.

    Independent coins would let a small panel miss its gates by bad luck; here the count is the sum of the
    probabilities, rounded up or down, and units of every size are represented.

    Args:
        rng: Draws the start, and the order among units of one size.
        probability: Inclusion probability of each unit, shape (n,).
        size: The size of each unit, shape (n,).
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
