"""Whether the best parameters of a search are better than the recipe of the settings, on rows that chose neither.

The best of many trials looks better on the folds that chose it than it is. So both recipes learn from all rows of the
search, and a panel that is drawn for this comparison alone decides. It is the outer level of a nested search: its
groups are in none of the folds.

Source:
    Cawley and Talbot, On Over-fitting in Model Selection and Subsequent Selection Bias in Performance Evaluation, JMLR
    11 (2010).
"""

import math

import msgspec
import numpy as np
import pandas as pd

from core import intervals
from core.arrays import FloatArray
from core.models.ensembles.improvement import Improvement, improvement
from core.models.interface import PanelLike
from core.models.supervised import SupervisedModel
from core.training.tuning.records import TuningRecord

GIVEN, TUNED = "given", "tuned"


def compared(
    record: TuningRecord,
    given: SupervisedModel,
    tuned: SupervisedModel,
    panel: PanelLike,
    *,
    groups: str,
    seed: int,
) -> TuningRecord:
    """Compare two recipes by pairs of losses.

    Args:
        record: Of the search.
        given: Trained with the recipe of the settings.
        tuned: Trained with the best parameters found.
        panel: Rows that chose nothing, of groups that none learned from.
        groups: The domain's word for its groups.
        seed: Of the interval.
    """
    rows = given.compared_rows(panel.frame)
    group = np.asarray(pd.factorize(rows[given.keys[0]])[0])
    before, after = (row_losses(model, panel.frame) for model in (given, tuned))
    found = improvement(before, after, group, seed=seed)
    of_tuned = intervals.mean_interval(after, group, reference=found.single_loss)
    return msgspec.structs.replace(
        record,
        fresh_loss=float(after.mean()),
        fresh_low=None if of_tuned is None else of_tuned.low,
        fresh_high=None if of_tuned is None else of_tuned.high,
        fresh_given_loss=found.single_loss,
        improvement=found.value,
        low=_finite(found.low),
        high=_finite(found.high),
        n_rows=found.n_rows,
        n_groups=found.n_groups,
        scores=_scores(panel, {GIVEN: given, TUNED: tuned}),
        ships=found.is_shown,
        why=_why(found, groups),
    )


def uncompared(record: TuningRecord, why: str) -> TuningRecord:
    """Keep the recipe of the settings without a comparison."""
    return msgspec.structs.replace(record, ships=False, why=f"the settings' recipe stays: {why}")


def row_losses(model: SupervisedModel, frame: pd.DataFrame) -> FloatArray:
    """Return the loss of each row that the model is judged on."""
    rows = model.compared_rows(frame)
    return model.row_losses(model.target(rows), model.score(rows))


def _scores(panel: PanelLike, models: dict[str, SupervisedModel]) -> dict[str, float]:
    figures = {name: model.evaluate(panel) for name, model in models.items()}
    return {
        f"{name}.{metric}": float(value)
        for name, own in figures.items()
        for metric, value in own.items()
        if metric != "loss" and math.isfinite(value)
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _why(found: Improvement, groups: str) -> str:
    if found.n_groups < 2:
        return f"the settings' recipe stays: the panel of the comparison has one of {groups}, which shows nothing"
    told = f"{found.value:+.4g} ({found.low:+.4g} to {found.high:+.4g}) over {found.n_groups} {groups}"
    if found.is_shown:
        return f"the tuned parameters are used: their loss on fresh rows is lower, by {told}"
    return f"the settings' recipe stays: on fresh rows the loss of the tuned parameters is not surely lower: {told}"
