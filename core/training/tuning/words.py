"""Parameters in words, and the choice of columns. Light to import."""

from collections.abc import Mapping

from core.models.parameters import FEATURES
from core.models.tuning.ranges import ParameterValue
from core.training.tuning.records import SelectionRecord


def with_features(
    parameters: Mapping[str, ParameterValue], record: SelectionRecord | None
) -> dict[str, ParameterValue]:
    """Return parameters with the columns of a verdict that says so."""
    if record is None or not record.ships:
        return dict(parameters)
    return {**parameters, FEATURES: ", ".join(record.features)}


def told_selection(record: SelectionRecord) -> str:
    """Write the choice of columns in a line."""
    kept = ", ".join(each.name for each in record.columns if each.is_kept)
    return f"{record.n_kept} of {record.n_columns} columns ({kept or 'none judged'}); {record.why}"


def spelled(parameters: Mapping[str, ParameterValue]) -> str:
    """Write parameters in a line.

    >>> spelled({"num_leaves": 12, "learning_rate": 0.05213})
    'learning_rate 0.0521, num_leaves 12'
    """
    own = {name: value for name, value in parameters.items() if name != FEATURES}
    return ", ".join(f"{name} {number(value)}" for name, value in sorted(own.items()))


def number(value: ParameterValue) -> str:
    """Write a value, a long number in three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
