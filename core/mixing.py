"""Numbers whose bits are mixed, so that those of neighbours have nothing in common."""

import numpy as np

from core.arrays import Unsigned64Array

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio: its multiples lie far apart."""


def mixed(words: Unsigned64Array) -> Unsigned64Array:
    """Mix the bits of words, one to one.

    Args:
        words: Different numbers, best far apart, such as multiples of `GOLDEN`.
    Source:
        Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014: the finalizer of SplitMix64.

    >>> hex(mixed(np.array([GOLDEN]))[0])
    '0xe220a8397b1dcdaf'
    """
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
