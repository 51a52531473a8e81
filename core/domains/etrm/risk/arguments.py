"""What the risk measures refuse, before a figure comes of it: each error names the argument, its value and the rule."""

import math
from typing import Any

import numpy as np

from core.arrays import AnyArray, BoolArray, FloatArray
from core.errors import UsageError

LEAST_LEVEL = 0.5  # below it, the normal quantile changes its sign, and "risk" would name a profit
MOST = 1e100  # no currency comes near it, and exposures twice times a covariance still fit into a float
SYMMETRY = 1e-9  # of the largest entry: rounding in a covariance that was computed, not a wrong matrix
LEAST_EIGENVALUE = -1e-10  # of the largest eigenvalue, for the same reason


def checked_level(level: float) -> float:
    """Return a confidence level.

    Raises:
        UsageError: It is not a number of at least 0.5 and below 1.
    """
    if isinstance(level, bool) or not isinstance(level, int | float | np.number) or not LEAST_LEVEL <= level < 1.0:
        raise UsageError(f"level: {level!r} is not at least {LEAST_LEVEL} and below 1; give a share such as 0.99.")
    return float(level)


def checked_count(name: str, value: int, *, least: int) -> int:
    """Return a whole number.

    Raises:
        UsageError: It is not a whole number, or below `least`.
    """
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or value < least:
        raise UsageError(f"{name}: {value!r} is not a whole number of at least {least}.")
    return int(value)


def checked_scale(name: str, value: float) -> float:
    """Return a positive number.

    Raises:
        UsageError: It is not a finite number above 0.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0.0 < value < math.inf:
        raise UsageError(f"{name}: {value!r} is not a finite number above 0.")
    return float(value)


def checked_floats(name: str, values: Any, *, n_axes: int | None = None, least: int = 1) -> FloatArray:
    """Return finite numbers of at most 1e100.

    Args:
        name: What the error calls them.
        values: Numbers, shape (..., n).
        n_axes: The number of axes; None for one or more.
        least: The smallest length of the last axis.
    Raises:
        UsageError: They are not numbers, not of this shape, or one is NaN, infinite or beyond 1e100; its position is
            named.
    """
    given = np.asarray(values)
    if given.dtype.kind not in "fiu":
        raise UsageError(f"{name}: holds {given.dtype}, not numbers.")
    if given.ndim == 0 or (n_axes is not None and given.ndim != n_axes):
        wanted = "at least 1" if n_axes is None else n_axes
        raise UsageError(f"{name}: has {given.ndim} axes, and {wanted} are needed.")
    if given.shape[-1] < least:
        raise UsageError(f"{name}: has {given.shape[-1]} values, and at least {least} are needed.")
    numbers = np.asarray(given, dtype=np.float64)
    if not (usable := np.abs(numbers) <= MOST).all():
        at = tuple(int(part) for part in np.argwhere(~usable)[0])
        place = at[0] if len(at) == 1 else at
        raise UsageError(f"{name}: the value at {place} is {numbers[at]}; give finite numbers up to {MOST:g}.")
    return numbers


def checked_flags(name: str, values: Any) -> BoolArray:
    """Return exceedances, one a day, in the order of the days.

    Raises:
        UsageError: There are none, or they are not booleans or 0 and 1.
    """
    given: AnyArray = np.asarray(values)
    if given.ndim != 1 or given.size == 0:
        raise UsageError(f"{name}: has the shape {given.shape}, and one flag a day is needed.")
    if given.dtype.kind not in "biuf" or not np.isin(given, (0, 1)).all():
        raise UsageError(f"{name}: holds values other than true and false.")
    return given.astype(np.bool_)


def checked_covariance(covariance: Any, n: int) -> FloatArray:
    """Return a covariance of n factors.

    Raises:
        UsageError: It is not an n × n matrix of finite numbers, not symmetric, or not positive semi-definite.
    """
    matrix = checked_floats("covariance", covariance, n_axes=2)
    if matrix.shape != (n, n):
        raise UsageError(f"covariance: has the shape {matrix.shape}, and the exposures need {(n, n)}.")
    largest = float(np.abs(matrix).max())
    if float(np.abs(matrix - matrix.T).max()) > SYMMETRY * largest:
        raise UsageError("covariance: is not symmetric.")
    eigenvalues = np.linalg.eigvalsh((matrix + matrix.T) / 2.0)
    if eigenvalues[0] < LEAST_EIGENVALUE * max(float(eigenvalues[-1]), 0.0) or eigenvalues[-1] < 0.0:
        raise UsageError(f"covariance: is not positive semi-definite; its least eigenvalue is {eigenvalues[0]:.3g}.")
    return matrix
