"""Parameters in words."""

from collections.abc import Mapping

from core.models.tuning.ranges import ParameterValue


def spelled(parameters: Mapping[str, ParameterValue]) -> str:
    """Write parameters in a line.

    >>> spelled({"num_leaves": 12, "learning_rate": 0.05213})
    'learning_rate 0.0521, num_leaves 12'
    """
    return ", ".join(f"{name} {number(value)}" for name, value in sorted(parameters.items()))


def number(value: ParameterValue) -> str:
    """Write a value, a long number in three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
