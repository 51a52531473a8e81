"""How long a session will still take, from what its last epochs took; never a guess before there is one."""

from collections.abc import Sequence
from statistics import median

RECENT_EPOCHS = 10


def remaining_seconds(durations: Sequence[float], n_left: int) -> float | None:
    """Estimate the time to the last epoch a session may run.

    The median of the recent durations ignores the one epoch that a busy machine held up. The estimate is an upper
    one: convergence may end the session earlier, and nobody can know when.

    Args:
        durations: Seconds of the epochs timed so far, oldest first.
        n_left: Epochs left until the epoch limit.
    Returns:
        Seconds, 0 when nothing is left, or None while no epoch has been timed.

    >>> remaining_seconds([2.0, 2.0, 9.0], 10)
    20.0
    >>> remaining_seconds([], 10) is None
    True
    """
    if n_left <= 0:
        return 0.0
    if not durations:
        return None
    return median(durations[-RECENT_EPOCHS:]) * n_left
