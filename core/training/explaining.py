"""The explanation of a model by rows: that of a training, and that of a registered version."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import numpy as np
import pandas as pd

from core.arrays import IntArray
from core.domains.domain import SlicedDomain
from core.domains.registry import find_domain, session_domain_names
from core.errors import CoreError
from core.explain.columns import is_number
from core.explain.conformal import Conformal
from core.explain.deny_list import DenyList
from core.explain.documents import GlobalExplanation
from core.explain.explainer import Explainer, ExplainMethod
from core.explain.global_explanation import MOST_SLICE_LEVELS, explain_globally
from core.models import Model
from core.monitoring import dependence
from core.monitoring.estimation.held_out import HeldOutRows
from core.settings.explanation import ExplanationSettings

MOST_SAMPLED_ROWS: Final = 100  # that are explained by sampled orders
MOST_SAMPLED_AT_REGISTRATION: Final = 25  # since every training waits for it
N_PAIRS_OF_MANY: Final = 4  # of sampled orders a row, where many rows are explained

log = logging.getLogger(__name__)


def explanation_of_training(
    model: Model, frame: pd.DataFrame, settings: ExplanationSettings, *, group: str | None
) -> GlobalExplanation | None:
    """Explain a model that was just trained, by rows that it was tested on.

    Args:
        model: The model.
        frame: The rows.
        settings: How many rows, and which columns must not appear.
        group: The column whose rows depend on each other.
    Returns:
        None if the settings want none, or the model cannot be explained; the log says why.
    """
    if not settings.rows or not len(frame):
        return None
    rows = frame.reset_index(drop=True)
    units = dependence.group_numbers(rows[group]) if group is not None and group in rows else None
    try:
        background, reference = background_of(rows, "the rows that it was tested on", settings)
        return report_of(
            model,
            rows,
            background,
            asked_columns(model),
            settings,
            reference=reference,
            units=units,
            n_rows=settings.rows,
            most_sampled=MOST_SAMPLED_AT_REGISTRATION,
        )
    except Exception:  # a plug-in may do anything: its version then has no explanation
        log.warning("no explanation of %s", model.name, exc_info=True)
        return None


def report_of(
    model: Model,
    frame: pd.DataFrame,
    background: pd.DataFrame,
    columns: tuple[str, ...],
    settings: ExplanationSettings,
    *,
    reference: str,
    units: IntArray | None,
    n_rows: int,
    method: ExplainMethod = ExplainMethod.AUTO,
    output: str | None = None,
    interactions: bool = False,
    most_sampled: int = MOST_SAMPLED_ROWS,
) -> GlobalExplanation:
    """Explain a model by rows.

    Raises:
        NotAdditiveError: The model has no explanation by this method.
        UsageError: The class is unknown.
    """
    explainer = Explainer(
        model,
        background,
        columns=tuple(name for name in columns or map(str, frame.columns) if name in frame and name != model.label),
        method=method,
        output=output,
        n_pairs=N_PAIRS_OF_MANY,
    )
    notes = []
    if explainer.is_sampled and n_rows > most_sampled:
        n_rows = most_sampled
        notes.append(f"Only {n_rows} rows are explained, since each row costs {explainer.cost}.")
    return explain_globally(
        explainer,
        frame,
        reference=reference,
        units=units,
        slices=slices_of(model.name, frame),
        n_rows=n_rows,
        denied=DenyList(settings.denied_columns),
        interactions=interactions,
        notes=tuple(notes),
    )


def background_of(frame: pd.DataFrame, words: str, settings: ExplanationSettings) -> tuple[pd.DataFrame, str]:
    """Choose the reference rows, and say in words what they are."""
    count = min(settings.background_rows, len(frame))
    chosen = np.sort(np.random.default_rng(0).permutation(len(frame))[:count])
    return frame.iloc[chosen].reset_index(drop=True), f"{count} of {words}"


def asked_columns(model: Model, names: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Name the columns of a request.

    Args:
        model: The model.
        names: Those of its signature, if it has one.
    """
    scorer = None
    with suppress(CoreError):  # a derived column without a compiled form
        scorer = model.row_scorer()
    if scorer is not None and scorer.fields:
        return tuple(field.name for field in scorer.fields)
    return names or tuple(model.feature_importance())


def slices_of(model: str, frame: pd.DataFrame) -> Mapping[str, "pd.Series[Any]"]:
    """Return the slices of rows: those of the model's domain, else the categories of few levels."""
    for name in session_domain_names():
        domain = find_domain(name)
        if model in domain.models and isinstance(domain, SlicedDomain):
            try:
                return domain.slices(frame)
            except (KeyError, AttributeError):  # the rows lack a column that only slices need
                break
    few = [name for name in frame if not is_number(frame[name]) and frame[name].nunique() <= MOST_SLICE_LEVELS]
    return {str(name): frame[name].astype(object) for name in few}


def conformal_of(held_out: HeldOutRows | None) -> Conformal | None:
    """Calibrate conformal intervals on the rows that a version keeps; None if it keeps none."""
    if held_out is None:
        return None
    return Conformal.of(held_out.answer, held_out.actual, held_out.units, held_out.classes)
