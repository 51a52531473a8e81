"""Is one arm's failure rate below, or above, a rate stated beforehand? For rollouts without a control to compare.

After a switch of all traffic there is no concurrent control, and a service that never fails gives a comparison no
evidence. An objective ("at most 0.1 % of answers are errors") can be judged from one arm alone. Each request is one
observation, and the evidence is sound however the true rate moves on its side of the objective.
"""

import math
from collections.abc import Sequence

_BELOW: tuple[float, ...] = (0.02, 0.1, 0.25, 0.5, 0.75)
_ABOVE: tuple[float, ...] = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
_HIGHEST_RATE = 0.95


def log_below(n: float, n_failures: float, rate: float) -> float:
    """Weigh the evidence that failures are rarer than a rate.

    Args:
        n: Requests of the arm; fewer than there were where callers fail alike.
        n_failures: How many of them failed.
        rate: The objective, above 0 and below 1.
    Returns:
        log of Σ_j w_j Π (p_j/p)^{x} ((1−p_j)/(1−p))^{1−x} over rates p_j below `rate`: if the true rate is not below,
        it exceeds log 1/β at any time ever with a probability of at most β.
    Source:
        Ville's inequality; Waudby-Smith and Ramdas, JRSS B 86(1), 2024, on betting against a bounded mean.

    >>> round(math.exp(log_below(5_000, 0, 0.001)), 1)
    56.6
    """
    return _mixed(n, n_failures, rate, [share * rate for share in _BELOW])


def log_above(n: float, n_failures: float, rate: float) -> float:
    """Weigh the evidence that failures are more frequent than a rate; arguments as for `log_below`.

    >>> log_above(1_000, 10, 0.001) > math.log(100) > log_above(1_000, 1, 0.001)
    True
    """
    return _mixed(n, n_failures, rate, [min(factor * rate, _HIGHEST_RATE) for factor in _ABOVE])


def log_below_growth(rate: float, true_rate: float) -> float:
    """Return by how much one request adds to the evidence of being below a rate, on average, at a true rate."""
    growths = [
        true_rate * math.log(share) + (1 - true_rate) * (math.log1p(-share * rate) - math.log1p(-rate))
        for share in _BELOW
    ]
    return max(0.0, *growths)


def _mixed(n: float, n_failures: float, rate: float, others: Sequence[float]) -> float:
    logs = [
        n_failures * math.log(other / rate) + (n - n_failures) * (math.log1p(-other) - math.log1p(-rate))
        for other in others
    ]
    highest = max(logs)
    return highest + math.log(sum(math.exp(log - highest) for log in logs) / len(logs))
