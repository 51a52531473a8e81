"""The parameters of an algorithm in the settings: their names and the kind of value of each. Light to import."""

import math
from collections.abc import Mapping
from typing import Any

from core.errors import UsageError
from core.escape import shown
from core.models.errors import UnknownParameterError

_SHARES = frozenset(
    {
        "bagging_fraction",
        "colsample_bytree",
        "expected_share",
        "feature_fraction",
        "group_correlation",
        "keep_evidence",
        "subsample",
    }
)
_IN_WORDS = {"max_features": ("sqrt", "log2")}  # of scikit-learn
_SHARE_OF_ROWS = ("random_forest", "min_samples_leaf")  # scikit-learn takes a number of rows or a share of them


class ParameterValueError(UsageError):
    """A parameter of an algorithm has a value that the algorithm cannot use."""

    def __init__(self, algorithm: str, parameter: str, value: object, expected: str) -> None:
        super().__init__(f"{parameter} of {algorithm} is {shown(value)}: expected {expected}.")


def require_usable(algorithm: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Refuse a parameter that an algorithm does not take, or a value of another kind than its default.

    Args:
        algorithm: Its name.
        given: The parameters in the settings.
        defaults: What it takes, with the defaults. All are sizes, shares or strengths: none is below zero.
    Raises:
        UnknownParameterError: It takes no such parameter.
        ParameterValueError: A value is no number or out of its range, or is no whole number where one is needed.

    >>> require_usable("lightgbm", {"num_leaves": 31, "learning_rate": 1}, {"num_leaves": 15, "learning_rate": 0.08})
    """
    if unknown := sorted(set(given) - set(defaults)):
        raise UnknownParameterError(algorithm, unknown, sorted(defaults))
    for name, value in given.items():
        if value in _IN_WORDS.get(name, ()):
            continue
        needs_whole = isinstance(defaults[name], int) and (algorithm, name) != _SHARE_OF_ROWS
        most = 1.0 if name in _SHARES else math.inf
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not is_number or not 0 <= value <= most or (needs_whole and value != int(value)):
            kind = "a whole number" if needs_whole else "a number"
            raise ParameterValueError(
                algorithm, name, value, f"{kind} {'from 0 to 1' if most == 1 else 'of at least 0'}"
            )
