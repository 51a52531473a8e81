"""How much explanations owe to the choice of the reference rows: those against parts of them differ by that."""

from collections.abc import Sequence

import numpy as np

from core.arrays import FloatArray


def standard_error(parts: Sequence[FloatArray]) -> FloatArray:
    """Return the standard error of the mean of some independent parts.

    Source:
        Schmeiser, Operations Research 30 (1982): batches, of which few suffice for a standard error.

    >>> standard_error([np.array([1.0]), np.array([3.0]), np.array([2.0]), np.array([2.0])]).round(3).tolist()
    [0.408]
    """
    return np.asarray(np.std(parts, axis=0, ddof=1) / np.sqrt(len(parts)))
