"""Checks of a model trained on a user's own rows, on the rows held out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.arrays import BoolArray
from core.quality.check import Check, Measurement, UnreadableError, fixed

GIVEN_AWAY_SHARE = 0.95
GIVEN_AWAY_SKILL = 0.98
MORE_THAN_NOTHING = 0.01  # % of the constant's loss
CHANCE = 0.5  # the AUC of a ranking without information
UNNAMED = "a column of explanation.denied_columns"
EQUAL = 0.0005  # a difference of losses that is not worth a figure


@dataclass(frozen=True, slots=True)
class FittedModel:
    """The results of a model on rows held out.

    Attributes:
        n_rows: How many rows it was tested on.
        metrics: Its metrics on them.
        is_cross_validated: Whether these are all rows of the table, each predicted without it; else they were held out.
        importance: Share of each column, largest first.
        single_feature_leak: The `column` that alone predicts most of the target, and its `share`; empty if unmeasured.
        denied: The columns of which nothing must be told.
        copies: What is said of rows that occur again among others; "" if there are none.
    """

    n_rows: int
    metrics: Mapping[str, float]
    is_cross_validated: bool = False
    importance: Mapping[str, float] = field(default_factory=dict)
    single_feature_leak: Mapping[str, Any] = field(default_factory=dict)
    denied: frozenset[str] = frozenset()
    copies: str = ""

    @property
    def source(self) -> str:
        """Where its rows are from."""
        return f"the file, {'each held out once by cross-validation' if self.is_cross_validated else 'held out'}"

    @property
    def named_by(self) -> tuple[str, ...]:
        """No columns: rows are named by their number."""
        return ()

    def identify(self, rows: BoolArray) -> tuple[str, ...]:
        """Name rows by their number."""
        return tuple(f"row {position}" for position in np.flatnonzero(rows).tolist())


def gain_over_constant(model: FittedModel) -> Measurement:
    """Bound from below what the model gains over a constant prediction, in %.

    A model is judged by a proper loss: squared error of numbers, log loss of probabilities. The gain is the lower end
    of the skill's interval. Log loss has a heavy tail, so few rows rarely prove it; a classifier whose loss is lower in
    the sample may instead prove that it ranks the classes better than chance, by the lower end of its Gini coefficient
    (2 AUC - 1). Ranking alone is not enough: probabilities that lose to the share of each class are miscalibrated.

    Source:
        Gneiting and Raftery, JASA 102(477), 2007, for proper losses.
    """
    skill, low, high = (model.metrics.get(f"skill{end}") for end in ("", "_low", "_high"))
    if skill is None or low is None or high is None:
        raise UnreadableError("the gain over a constant prediction could not be measured")
    rows = "cross-validated rows" if model.is_cross_validated else "test rows"
    loss = "log loss" if "log_loss" in model.metrics else "squared error"
    found = f"its {loss} is {_compared(skill)} (95% interval: {_compared(low)} to {_compared(high)})"
    auc, auc_low = model.metrics.get("auc"), model.metrics.get("auc_low")
    ranks = loss == "log loss" and auc is not None and auc_low is not None and auc_low > CHANCE
    ranking = f"it ranks the classes better than chance (AUC {auc:.3f}, at least {auc_low:.3f})" if ranks else ""
    if low > 0 and 100 * low >= MORE_THAN_NOTHING:
        reason = f"better than a constant prediction on {model.n_rows} {rows}: {found}"
    elif ranks and skill > 0:
        assert auc_low is not None
        low = 2.0 * auc_low - 1.0
        reason = f"{ranking}; {found}, which {model.n_rows} {rows} alone do not prove"
    elif ranks:
        reason = f"{ranking}, but its probabilities are worse than the share of each class: {found}. Calibrate them"
    elif skill > 0:
        reason = f"not proven better than a constant prediction on {model.n_rows} {rows}: {found}"
    else:
        reason = f"no better than a constant prediction on {model.n_rows} {rows}: {found}"
    return Measurement(100 * low, model.n_rows, reason=reason)


def _compared(skill: float) -> str:
    """Say how a loss compares with that of a constant prediction.

    >>> [_compared(skill) for skill in (0.821, 0.0, -0.383, -5.0)]
    ['82.1% lower', 'the same', '38.3% higher', '6.0 times as high']
    """
    if abs(skill) < EQUAL:
        return "the same"
    if skill > 0:
        return f"{skill:.1%} lower"
    return f"{-skill:.1%} higher" if skill > -1 else f"{1 - skill:.1f} times as high"


def leaks(model: FittedModel) -> Measurement:
    """Count what gives the target away: a column that nearly determines it, rarely known in advance; copies of rows.

    Where rows are copies, their columns determine the target for this reason alone.
    """
    if model.copies:
        return Measurement(1.0, model.n_rows, reason=model.copies)
    name, weight = next(iter(model.importance.items()), ("", 0.0))
    is_given_away = weight >= GIVEN_AWAY_SHARE and model.metrics.get("skill", 0.0) >= GIVEN_AWAY_SKILL
    if model.single_feature_leak.get("share", 0.0) >= GIVEN_AWAY_SKILL:
        name, is_given_away = str(model.single_feature_leak["column"]), True
    if not is_given_away:
        return Measurement(0.0, model.n_rows, reason="no column alone predicts the target")
    told = UNNAMED if name in model.denied else name
    reason = f"{told} alone predicts nearly all of the target: is it known in advance?"
    columns = () if name in model.denied else (name,)
    return Measurement(1.0, model.n_rows, reason=reason, culprits=(told,), n_culprits=1, columns=columns)


NO_LEAK: Check[FittedModel] = Check("no_leak", leaks, "<=", fixed(0.0), "leaks")
BEATS_CONSTANT: Check[FittedModel] = Check(
    "beats_constant", gain_over_constant, ">=", fixed(MORE_THAN_NOTHING), "%", blocking=True
)
