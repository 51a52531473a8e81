"""The files of an artifact that hold a model's answers: held-out rows, intervals, profile, explanation.

A version that is made from another without a training learned from the same rows, and answers otherwise: an ensemble
whose weights have moved, or a member that was taken out. It gets these files anew.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from core.explain.conformal import CONFORMAL_NAME
from core.explain.stored import EXPLANATION_NAME, StoredExplanation
from core.models import Model
from core.models.outcomes import outcomes_by
from core.monitoring.data_profile import PROFILE_NAME, DataProfile
from core.monitoring.estimation.held_out import HELD_OUT_NAME, HeldOutRows
from core.monitoring.profiling import with_answers
from core.settings import Settings
from core.training.explaining import conformal_of, explanation_of_training


def files_of_answers(
    trained: Any,
    frame: pd.DataFrame,
    judged: pd.DataFrame,
    profile: DataProfile,
    settings: Settings,
    *,
    columns: Sequence[str],
    group: str | None,
) -> dict[str, bytes]:
    """Return the files that hold a model's answers to rows that it did not learn from.

    Args:
        trained: The model.
        frame: The rows, with their outcomes.
        judged: Those of them that its metrics judge.
        profile: Of what it learned from; the answers in it are replaced.
        settings: How many rows to keep and to explain, and which columns must not appear.
        columns: The columns that requests bring.
        group: The column whose rows depend on each other.
    """
    importance = trained.feature_importance()
    files = {PROFILE_NAME: with_answers(profile, outcomes_by(trained, frame)).to_bytes()}
    held_out = HeldOutRows.of(
        trained,
        outcomes_by(trained, judged),
        sorted(columns, key=lambda name: -importance.get(name, 0.0)),
        group=group,
        most=settings.held_out.rows,
        masked=settings.held_out.masked,
    )
    if held_out is not None:
        files[HELD_OUT_NAME] = held_out.to_bytes()
    if (conformal := conformal_of(held_out)) is not None:
        files[CONFORMAL_NAME] = conformal.to_bytes()
    return files | _explained(trained, judged, group, settings)


def files_without_answers(
    trained: Any, kept: HeldOutRows | None, profile: DataProfile, settings: Settings
) -> dict[str, bytes]:
    """Return these files of a model of which no answers to rows are known that it did not learn from.

    Args:
        trained: The model.
        kept: Rows that explain it; None for no explanation.
        profile: Of what it learned from; the answers in it are left out.
        settings: How many rows to explain, and which columns must not appear.
    """
    alone = msgspec.structs.replace(profile, held_out=0, prediction=None, residual=None, calibration=(), slices={})
    files = {PROFILE_NAME: alone.to_bytes()}
    if kept is None:
        return files
    rows = kept.rows.assign(**dict.fromkeys(kept.masked, np.nan)) if kept.masked else kept.rows
    if kept.group and kept.units is not None:
        rows = rows.assign(**{kept.group: kept.units})  # the numbers of groups stand for their names
    return files | _explained(trained, rows, kept.group or None, settings)


def _explained(trained: Any, rows: pd.DataFrame, group: str | None, settings: Settings) -> dict[str, bytes]:
    model = trained if isinstance(trained, Model) else trained.model
    explained = explanation_of_training(model, rows, settings.explanation, group=group)
    return {} if explained is None else {EXPLANATION_NAME: StoredExplanation(report=explained).to_bytes()}
