"""Checks of a model trained on a user's own rows, on the rows held out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.arrays import BoolArray
from core.quality.check import Check, Measurement, UnreadableError, fixed

GIVEN_AWAY_SHARE = 0.95
GIVEN_AWAY_SKILL = 0.98
MORE_THAN_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class FittedModel:
    """The results of a model on rows held out.

    Attributes:
        n_rows: How many rows were held out.
        metrics: Its metrics on them.
        importance: Share of each column, largest first.
        single_feature_leak: The `column` that alone predicts most of the target, and its `share`; empty if unmeasured.
    """

    n_rows: int
    metrics: Mapping[str, float]
    importance: Mapping[str, float] = field(default_factory=dict)
    single_feature_leak: Mapping[str, Any] = field(default_factory=dict)

    def identify(self, rows: BoolArray) -> tuple[str, ...]:
        """Name rows by their number."""
        return tuple(f"row {position}" for position in np.flatnonzero(rows).tolist())


def skill(model: FittedModel) -> Measurement:
    """Measure a lower bound of the model's gain over a constant prediction."""
    low, value = model.metrics.get("skill_low"), model.metrics.get("skill")
    if value is None or low is None:
        raise UnreadableError("the skill could not be measured")
    return Measurement(
        low,
        model.n_rows,
        reason=f"the model reduces the loss of a constant prediction by {value:.1%}, at least {low:.1%}",
    )


def leaks(model: FittedModel) -> Measurement:
    """Count columns that nearly determine the target: such a column is rarely known in advance."""
    name, weight = next(iter(model.importance.items()), ("", 0.0))
    is_given_away = weight >= GIVEN_AWAY_SHARE and model.metrics.get("skill", 0.0) >= GIVEN_AWAY_SKILL
    if model.single_feature_leak.get("share", 0.0) >= GIVEN_AWAY_SKILL:
        name, is_given_away = str(model.single_feature_leak["column"]), True
    if not is_given_away:
        return Measurement(0.0, 0, reason="no column alone predicts the target")
    reason = f"{name} alone predicts nearly all of the target: is it known in advance?"
    return Measurement(1.0, 0, reason=reason, culprits=(name,), n_culprits=1)


NO_LEAK: Check[FittedModel] = Check("no_leak", leaks, "<=", fixed(0.0), "columns")
BEATS_CONSTANT: Check[FittedModel] = Check("beats_constant", skill, ">=", fixed(MORE_THAN_NOTHING), blocking=True)
