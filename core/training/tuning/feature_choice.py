"""The choice of a model's columns in a session, on the rows of the search, and its verdict on fresh rows.

The columns that are kept are used unless fresh rows leave open that this costs more than a hundredth of the loss: fewer
columns are a gain of their own, so they need not be better, but they must not be worse.
"""

import math

import msgspec
import numpy as np
import pandas as pd

from core.errors import CoreError
from core.executors.errors import ExecutorError
from core.models.ensembles.improvement import improvement
from core.models.features.selection import selected
from core.models.interface import PanelLike
from core.models.learners.feature_space import Design, FeatureSpace
from core.models.supervised import SupervisedModel
from core.settings import TrainingSettings
from core.training.tuning.records import FeatureRecord, SelectionRecord
from core.training.tuning.verdict import row_losses

MARGIN = 0.01
"""Share of the loss that fewer columns may cost."""


def chosen(settings: TrainingSettings, model: SupervisedModel, panel: PanelLike, *, seed: int) -> SelectionRecord:
    """Choose the columns of a model.

    Args:
        settings: Those of the session: the method, and the most columns.
        model: Untrained, of the settings' recipe.
        panel: The rows of the search.
        seed: The random seed.
    """
    advanced = settings.advanced
    rows = model.compared_rows(panel.frame)
    space = FeatureSpace.learn(model.design, rows, model=model.name)
    record = SelectionRecord(model=model.name, method=advanced.selection_method, n_columns=len(space.tree_columns))
    try:
        verdicts = selected(
            space.trees(rows),
            model.target(rows),
            np.asarray(pd.factorize(rows[model.keys[0]])[0], dtype=np.int64),
            space.tree_columns,
            space.category_positions,
            method=advanced.selection_method,
            most=advanced.max_features,
            is_class=model.link == "classification",
            n_folds=settings.tuning.folds,
            seed=seed,
        )
    except ExecutorError:
        raise
    except (CoreError, ValueError) as error:
        return msgspec.structs.replace(record, why=f"all columns stay: {error}")
    kept = [each.name for each in verdicts if each.is_kept]
    return msgspec.structs.replace(
        record,
        columns=tuple(
            FeatureRecord(
                name=each.name, score=each.score, shadow=each.shadow, kept_on=each.kept_on, is_kept=each.is_kept
            )
            for each in verdicts
        ),
        features=table_columns(model.design, space.tree_columns, kept),
    )


def judged(
    record: SelectionRecord,
    whole: SupervisedModel,
    narrow: SupervisedModel,
    panel: PanelLike,
    *,
    groups: str,
    seed: int,
) -> SelectionRecord:
    """Compare a model on all columns with one on those kept, on rows that chose nothing.

    Args:
        record: Of the choice.
        whole: Trained on all columns.
        narrow: Trained on those kept.
        panel: The fresh rows.
        groups: The domain's word for its groups.
        seed: Of the interval.
    """
    rows = whole.compared_rows(panel.frame)
    group = np.asarray(pd.factorize(rows[whole.keys[0]])[0])
    found = improvement(row_losses(whole, panel.frame), row_losses(narrow, panel.frame), group, seed=seed)
    is_used = found.low > -MARGIN * found.single_loss
    told = f"{found.value:+.4g} ({found.low:+.4g} to {found.high:+.4g}) over {found.n_groups} {groups}"
    if is_used:
        why = f"the columns kept are used: on fresh rows they cost less than {MARGIN:.0%} of the loss: {told}"
    else:
        why = f"all columns stay: on fresh rows those kept may cost more than {MARGIN:.0%} of the loss: {told}"
    return msgspec.structs.replace(
        record,
        fresh_loss=found.single_loss - found.value,
        fresh_whole_loss=found.single_loss,
        improvement=found.value,
        low=found.low if math.isfinite(found.low) else None,
        high=found.high if math.isfinite(found.high) else None,
        n_rows=found.n_rows,
        n_groups=found.n_groups,
        ships=is_used,
        why=why,
    )


def table_columns(design: Design, columns: tuple[str, ...], kept: list[str]) -> tuple[str, ...]:
    """Name the columns of the table that a model still reads.

    Args:
        design: The model's.
        columns: Those of its trees, which were judged.
        kept: Those of them that are kept.
    Returns:
        All but those that only dropped columns read, in the order of the design.
    """
    sources = design.derived.sources
    needed = {source for name in kept for source in sources(name)}
    dropped = {source for name in columns if name not in kept for source in sources(name)} - needed
    known = dict.fromkeys(source for name in design.columns for source in sources(name))
    return tuple(name for name in known if name not in dropped)
