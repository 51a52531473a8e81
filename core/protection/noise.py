"""Noise for numbers that leave: a normal error, in proportion to the spread of the column, that only the key removes.

What it guarantees: each number is moved by an error of its own, whose standard deviation is the share asked of the
column's; without the key nobody can compute the errors, and who knows some of them learns nothing of the others. What
it does not: it is no differential privacy, since the scale follows the data, and an unusual number stays unusual. The
mean of many rows is hardly moved, which is what keeps a model useful. Another share, seed, file or reading of the file
gives errors that have nothing to do with the former ones, so no difference of two exports is free of errors; their mean
has smaller errors than each of them, and who gets many exports can average the noise away.
"""

import hashlib
import hmac

import numpy as np
from scipy.special import ndtri

from core.arrays import FloatArray

_PURPOSE = b"bondx noise 1\0"
_BITS = 53


def normal_noise(key: bytes, n: int, *parts: str) -> FloatArray:
    """Return standard normal numbers that follow from a key.

    A general generator could be solved for its state by who knows some errors; SHAKE-256 cannot.

    Args:
        key: The key.
        n: How many.
        parts: What the numbers are for: other parts give other numbers.

    >>> found = normal_noise(b"sixteen letters!", 10_000, "size")
    >>> bool(abs(found.mean()) < 0.05 and abs(found.std() - 1) < 0.05)
    True
    """
    content = _PURPOSE + b"".join(
        len(raw := each.encode("utf-8", "surrogatepass")).to_bytes(8, "big") + raw for each in parts
    )
    seed = hmac.digest(key, content, "sha256")
    drawn = np.frombuffer(hashlib.shake_256(seed).digest(8 * n), dtype=">u8") >> np.uint64(64 - _BITS)
    return np.asarray(ndtri((drawn.astype(np.float64) + 0.5) / 2.0**_BITS), dtype=np.float64)


def with_noise(values: FloatArray, noise: FloatArray, share: float, *, is_whole: bool) -> FloatArray:
    """Add noise to a column.

    Args:
        values: Its numbers, NaN where empty, shape (n,).
        noise: Standard normal numbers, shape (n,).
        share: The standard deviation of the noise, as a share of the column's.
        is_whole: Whether the column holds whole numbers, and must stay so.
    """
    known = np.isfinite(values)
    moved = values + noise * share * float(np.std(values[known]))
    return np.where(known, np.round(moved) if is_whole else moved, np.nan)
