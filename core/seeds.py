"""The random numbers of a session: a separate stream for each purpose, all from one seed."""

import hashlib

SEED_BITS = 31  # the range that every learner and generator accepts


def derive_seed(random_seed: int, purpose: str, *parts: int) -> int:
    """Derive an independent seed, the same on every machine and version of every library.

    Args:
        random_seed: The session's `random_seed`.
        purpose: What the numbers are for ("draw", "validation"); distinct purposes never share numbers.
        parts: Distinguish several uses of one purpose, such as the epoch.
    Returns:
        An integer in [0, 2**31).

    >>> derive_seed(42, "draw", 1) == derive_seed(42, "draw", 1) != derive_seed(42, "draw", 2)
    True
    """
    text = "/".join([purpose, str(random_seed), *map(str, parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> (64 - SEED_BITS)
