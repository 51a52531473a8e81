"""Which trials are not worth another fold: successive halving, at any time.

Source:
    Jamieson and Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization, AISTATS 2016.
    Li et al., A System for Massively Parallel Hyperparameter Tuning (ASHA), MLSys 2020: a trial goes on if it is in the
    best share of those that have come as far, so that no trial waits for later ones.
"""

import math
from collections.abc import Mapping, Sequence

from core.models.tuning.trial import Trial

REDUCTION = 2
"""One trial in so many goes on after a rung."""


def rungs(n_folds: int) -> tuple[int, ...]:
    """Return after how many folds trials are compared: 1, 2, 4 and so on, and at last all of them.

    >>> rungs(5), rungs(1)
    ((1, 2, 4, 5), (1,))
    """
    steps = [REDUCTION**k for k in range(max(1, math.ceil(math.log(n_folds, REDUCTION) + 1)))]
    return (*(step for step in steps if step < n_folds), n_folds)


def survivors(rung: int, running: Mapping[int, float], earlier: Sequence[Trial]) -> set[int]:
    """Choose which trials go on beyond a rung.

    Args:
        rung: How many folds they are scored on.
        running: The mean loss over these folds of each trial that is under way, by its number.
        earlier: The trials that have ended; those that reached this rung are compared, too.
    Returns:
        The numbers of those among the best half; of equal losses the earlier trial is the better one.

    >>> sorted(survivors(1, {4: 0.5, 5: 0.9, 6: 0.7, 7: 0.8}, []))
    [4, 6]
    """
    reached = [(trial.curve[rung - 1], trial.number) for trial in earlier if len(trial.curve) >= rung]
    all_of_them = (*reached, *((loss, k) for k, loss in running.items()))
    # Trial 0 goes on in any case, and must take no other's place: few trials would else end with it alone.
    ranked = sorted((loss, k) for loss, k in all_of_them if k and math.isfinite(loss))
    # By rank: of trials with one loss, as where a parameter changes no answer, the first ones go on.
    best = {number for _, number in ranked[: math.ceil(len(ranked) / REDUCTION)]}
    return best & set(running)
