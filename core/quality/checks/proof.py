"""What a share of rows proves: exact binomial bounds."""

import math

from scipy.special import betaincinv, ndtri

SURE = 0.05  # the error rate of a one-sided bound
SURER = 0.001  # the same, where a breach blocks by itself


def share_bound(n_held: float, n: float, *, error_rate: float = SURE) -> float:
    """Return the least share that rows leave possible, in %.

    Source:
        Clopper and Pearson, Biometrika 26(4), 1934, one-sided.

    >>> [round(share_bound(k, 150), 2) for k in (0, 1, 5)]
    [0.0, 0.03, 1.32]
    """
    return 100 * float(betaincinv(n_held, n - n_held + 1, error_rate)) if n_held > 0 else 0.0


def median_rank(n: int) -> int:
    """Return the position, from 0, of the sorted value that the median exceeds in at most 5 % of samples.

    The normal law stands for the binomial.

    >>> [median_rank(n) for n in (5, 20, 150)]
    [4, 14, 86]
    """
    return min(math.ceil(n / 2 - float(ndtri(SURE)) * math.sqrt(n) / 2), n - 1)
