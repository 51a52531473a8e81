"""The parameters of an algorithm in the settings: their names and the kind of value of each. Light to import."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from core.errors import UsageError
from core.escape import shown
from core.models.algorithms import AUTO, MEMBERS, require_extra
from core.models.errors import UnknownParameterError
from core.typed_numbers import decimal_number

_SHARES = frozenset(
    {
        "bagging_fraction",
        "colsample_bytree",
        "expected_share",
        "feature_fraction",
        "group_correlation",
        "held_share",
        "keep_evidence",
        "rate_decay",
        "subsample",
    }
)
_IN_WORDS = {
    "max_features": ("sqrt", "log2"),  # of scikit-learn
    "voting": ("soft", "hard", "weighted"),
    "meta_learner": MEMBERS,
    "member_algorithm": (AUTO, *MEMBERS),
}
_LEAST = {
    "folds": 2,
    "held_share": 0.05,
    "max_bin": 2,
    "max_bins": 2,
    "max_depth": 1,
    "max_iter": 1,
    "max_leaf_nodes": 2,
    "n_estimators": 1,
    "num_leaves": 2,
}
_MOST = {"folds": 20, "held_share": 0.5, "max_bins": 255, "num_leaves": 131_072}
_ABOVE_ZERO = frozenset(
    {
        "bagging_fraction",
        "colsample_bytree",
        "feature_fraction",
        "learning_rate",
        "max_features",
        "min_samples_leaf",
        "subsample",
    }
)
"""The limits of LightGBM and scikit-learn, beyond which a training fails."""
_UNLIMITED = ("xgboost", "max_depth")  # 0 limits nothing
_MEMBERS = "members"
_BOUNDS = "weight_bounds"
FEATURES = "features"
"""The parameter of a domain's model that names the columns of the table that it reads, with commas; by default all."""
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
        if name == _MEMBERS:
            _require_members(algorithm, value)
            continue
        if name == _BOUNDS:
            require_bounds(algorithm, value, names_in(str(given.get(_MEMBERS, defaults[_MEMBERS]))))
            continue
        if value in _IN_WORDS.get(name, ()):
            continue
        if isinstance(defaults[name], str):
            raise ParameterValueError(algorithm, name, value, " or ".join(_IN_WORDS[name]))
        if value == defaults[name] and not isinstance(value, bool):
            continue  # some take 0 for "by the size of the table"
        needs_whole = isinstance(defaults[name], int) and (algorithm, name) != _SHARE_OF_ROWS
        if not _is_usable(algorithm, name, value, needs_whole=needs_whole):
            raise ParameterValueError(algorithm, name, value, _expected(algorithm, name, needs_whole=needs_whole))


def _limits(algorithm: str, name: str) -> tuple[float, float]:
    least = 0 if (algorithm, name) == _UNLIMITED else _LEAST.get(name, 0)
    return least, _MOST.get(name, 1.0 if name in _SHARES else math.inf)


def _is_usable(algorithm: str, name: str, value: object, *, needs_whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return False
    least, most = _limits(algorithm, name)
    return least <= value <= most and (value > 0 or name not in _ABOVE_ZERO) and not (needs_whole and value % 1)


def _expected(algorithm: str, name: str, *, needs_whole: bool) -> str:
    least, most = _limits(algorithm, name)
    kind = "a whole number" if needs_whole else "a number"
    if name in _ABOVE_ZERO:
        return f"{kind} above 0{f', at most {most:g}' if math.isfinite(most) else ''}"
    return f"{kind} {f'from {least:g} to {most:,g}' if math.isfinite(most) else f'of at least {least:g}'}"


def names_in(text: str) -> tuple[str, ...]:
    """Return the names in a list with commas.

    >>> names_in("lightgbm, linear")
    ('lightgbm', 'linear')
    """
    return tuple(name.strip() for name in text.split(","))


def bounds_in(text: str) -> dict[str, tuple[float, float]]:
    """Return the least and the greatest weight of members in a list with commas.

    Raises:
        ValueError: An entry has another form, or a member has two of them.

    >>> bounds_in("lightgbm 0.2 to 0.8, linear 0 to 0.5")
    {'lightgbm': (0.2, 0.8), 'linear': (0.0, 0.5)}
    """
    found: dict[str, tuple[float, float]] = {}
    for entry in names_in(text) if text.strip() else ():
        name, low, to, high = entry.split()
        if to != "to" or name in found:
            raise ValueError(entry)
        found[name] = decimal_number(low), decimal_number(high)
    return found


def bounds_text(bounds: Mapping[str, tuple[float, float]]) -> str:
    """Write bounds as `bounds_in` reads them.

    >>> bounds_text({"lightgbm": (0.2, 1.0)})
    'lightgbm 0.2 to 1.0'
    """
    return ", ".join(f"{name} {low!r} to {high!r}" for name, (low, high) in bounds.items())


def require_bounds(algorithm: str, value: object, members: Iterable[str]) -> None:
    """Refuse bounds between which no weights of the members sum to 1.

    Raises:
        ParameterValueError: They are such, or of another form, or of another member.
    """
    members = tuple(members)
    try:
        bounds = bounds_in(value if isinstance(value, str) else "?")
    except ValueError:
        expected = 'members with their least and greatest weight, such as "lightgbm 0.2 to 0.8, linear 0 to 0.5"'
        raise ParameterValueError(algorithm, _BOUNDS, value, expected) from None
    if not set(bounds) <= set(members):
        raise ParameterValueError(algorithm, _BOUNDS, value, f"bounds of members, which are {', '.join(members)}")
    if not all(0.0 <= low <= high <= 1.0 for low, high in bounds.values()):
        raise ParameterValueError(algorithm, _BOUNDS, value, "0 <= least <= greatest <= 1")
    own = [bounds.get(name, (0.0, 1.0)) for name in members]
    if not math.fsum(low for low, _ in own) <= 1.0 <= math.fsum(high for _, high in own):
        expected = "least weights that sum to 1 or less, and greatest weights that sum to 1 or more"
        raise ParameterValueError(algorithm, _BOUNDS, value, expected)


def _require_members(algorithm: str, value: object) -> None:
    """Refuse members of an ensemble that cannot be combined.

    Raises:
        ParameterValueError: They are not two or more different algorithms.
        MissingExtraError: One needs an optional extra that is not installed.
    """
    names = names_in(value) if isinstance(value, str) else ()
    if len(set(names)) < max(len(names), 2) or not set(names) <= set(MEMBERS):
        expected = f"two or more different algorithms with commas, of {', '.join(MEMBERS)}"
        raise ParameterValueError(algorithm, _MEMBERS, value, expected)
    for name in names:
        require_extra(name)
