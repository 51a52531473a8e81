"""The explanation of a model by rows: that of a training, that of a registered version, and that of any function."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np
import pandas as pd

from core.arrays import AnyArray, IntArray
from core.domains.domain import SlicedDomain
from core.domains.registry import find_domain, session_domain_names
from core.errors import CoreError, NotFoundError, UsageError
from core.escape import shown
from core.explain.columns import is_number
from core.explain.conformal import Conformal
from core.explain.deny_list import DenyList
from core.explain.documents import GlobalExplanation, LocalExplanation
from core.explain.explainer import N_PAIRS, Explainer, ExplainMethod
from core.explain.global_explanation import MOST_SLICE_LEVELS, explain_globally
from core.explain.local_explanation import explain_row
from core.explain.prediction_function import PredictionFunction
from core.models import Model
from core.monitoring import dependence
from core.monitoring.estimation.held_out import HeldOutRows
from core.settings.explanation import ExplanationSettings

MOST_SAMPLED_ROWS: Final = 100  # that are explained by sampled orders
MOST_SAMPLED_AT_REGISTRATION: Final = 25  # since every training waits for it
LEAST_SAMPLED_ROWS: Final = 10
MOST_ANSWERS: Final = 4_000_000  # of a model to explain it as a whole
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
            asked_columns(model, list(map(str, rows))),
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
    n_rows, notes = affordable_rows(explainer, n_rows, most_sampled)
    denied = DenyList.of(settings)
    # A slicing of another name may be made of such a column.
    shown_columns = frame[[name for name in frame if not denied.hides_values(str(name))]]
    return explain_globally(
        explainer,
        frame,
        reference=reference,
        units=units,
        slices=slices_of(model.name, shown_columns),
        n_rows=n_rows,
        denied=denied,
        interactions=interactions,
        notes=notes,
    )


def affordable_rows(explainer: Explainer, n_rows: int, most: int = MOST_SAMPLED_ROWS) -> tuple[int, tuple[str, ...]]:
    """Return how many rows are explained where each takes many answers of the model, and a sentence if it is fewer."""
    if explainer.is_sampled:
        most = min(most, max(LEAST_SAMPLED_ROWS, MOST_ANSWERS // explainer.answers_a_row))
        if n_rows > most:
            return most, (f"Only {most} rows are explained, since each row costs {explainer.cost}.",)
    return n_rows, ()


def explanation_of_function(
    predict: Callable[[Any], object],
    rows: object,
    *,
    row: int | Mapping[str, Any] | None = None,
    background: object = None,
    groups: Sequence[object] | None = None,
    method: ExplainMethod = ExplainMethod.AUTO,
    output: int | None = None,
    turn: str | None = None,
    fixed: Sequence[str] = (),
    n_rows: int | None = None,
    interactions: bool = False,
    denied_columns: Sequence[str] = (),
) -> GlobalExplanation | LocalExplanation:
    """Explain any function of rows: as a whole, or its answer to one row.

    Args:
        predict: Answers data frames, or arrays where `rows` is an array.
        rows: The rows that explain it: a data frame, or an array whose columns are called feature_0, feature_1 and on.
        row: The position of one of them, or its cells by name; None to explain the function as a whole.
        background: The reference rows, in the same layout; by default up to 100 of `rows`.
        groups: The group of each row, where rows come in groups.
        method: How contributions are computed.
        output: Of several numbers a row the position of the one that is explained.
        turn: Also search the smallest change after which the answer is, for instance, `>=0.5`.
        fixed: Columns that this search may not change.
        n_rows: How many rows explain the function as a whole; by default 100.
        interactions: Whether to measure how much pairs of columns do together, too.
        denied_columns: Columns, or patterns of names, that must not appear.
    Raises:
        NotAdditiveError: A function has no explanation by this method.
        NotFoundError: There is no such row.
        UsageError: The rows cannot be used, or the function fails, answers no numbers, or is random.
    """
    if not callable(predict):
        raise UsageError(f"predict is {shown(repr(predict))}; it must be a function of rows.")
    settings = ExplanationSettings(denied_columns=tuple(denied_columns))
    like = None if isinstance(rows, pd.DataFrame) else np.asarray(rows)
    frame = _rows_of_function("rows", rows)
    if background is None:
        against, reference = background_of(frame, "the rows", settings)
    else:
        against = _rows_of_function("background", background, frame)
        reference = f"{len(against):,} reference rows"
    function = PredictionFunction(predict, like=like, output=output)
    function.check(against)
    columns, denied = tuple(map(str, frame.columns)), DenyList.of(settings)
    if row is not None:
        if n_rows is not None or interactions or groups is not None:
            raise UsageError("n_rows, interactions and groups are of a function as a whole: leave row out.")
        explainer = Explainer(function, against, columns=columns, method=method, n_pairs=N_PAIRS)
        chosen = _row_of_function(frame, row)
        return explain_row(
            explainer,
            chosen,
            frame,
            reference=reference,
            turn=turn,
            fixed=fixed,
            own_place=row if isinstance(row, int) else None,
            denied=denied,
        )
    if turn is not None or fixed:
        raise UsageError("turn and fixed go with one row: name it by row.")
    if groups is not None and len(groups) != len(frame):
        raise UsageError(f"groups has {len(groups):,} values for {len(frame):,} rows.")
    explainer = Explainer(function, against, columns=columns, method=method, n_pairs=N_PAIRS_OF_MANY)
    affordable, notes = affordable_rows(explainer, MOST_SAMPLED_ROWS if n_rows is None else n_rows)
    return explain_globally(
        explainer,
        frame,
        reference=reference,
        units=None if groups is None else dependence.group_numbers(pd.Series(list(groups))),
        slices=few_levels(frame),
        n_rows=affordable,
        denied=denied,
        interactions=interactions,
        notes=notes,
    )


def _rows_of_function(name: str, rows: object, like: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the rows as a table with a name for each column.

    Args:
        name: Of the argument.
        rows: A data frame or an array.
        like: A table with the columns that it must have.
    """
    if isinstance(rows, pd.DataFrame):
        frame = rows.reset_index(drop=True)
    else:
        array: AnyArray = np.asarray(rows)
        if array.ndim != 2 or array.dtype.kind not in "biuf":
            raise UsageError(f"{name} must be a data frame, or an array of numbers with a row for each row.")
        frame = pd.DataFrame(array, columns=[f"feature_{k}" for k in range(array.shape[1])])
    if not len(frame) or not len(frame.columns):
        raise UsageError(
            f"{name} has {len(frame):,} rows and {len(frame.columns)} columns; it needs at least one of each."
        )
    if not all(isinstance(each, str) for each in frame) or frame.columns.has_duplicates:
        raise UsageError(f"{name} must have columns with names, and each name only once.")
    if like is None:
        return frame
    if lacking := [each for each in like if each not in frame]:
        raise UsageError(f"{name} lacks columns of the rows: {', '.join(map(shown, lacking))}.")
    return frame[list(like)]


def _row_of_function(frame: pd.DataFrame, row: int | Mapping[str, Any]) -> pd.DataFrame:
    if not isinstance(row, Mapping):
        if not 0 <= row < len(frame):
            raise NotFoundError(f"There is no row {row}: they are numbered 0 to {len(frame) - 1}.")
        return frame.iloc[[row]].reset_index(drop=True)
    unknown, lacking = [each for each in row if each not in frame], [each for each in frame if each not in row]
    if unknown or lacking:
        named = ", ".join(map(shown, map(str, unknown or lacking)))
        raise UsageError(f"row {'has' if unknown else 'lacks'} {named}; it must have the columns of the rows.")
    try:
        return frame.head(1).assign(**{str(name): [row[str(name)]] for name in frame}).astype(frame.dtypes.to_dict())
    except (TypeError, ValueError) as error:
        raise UsageError(f"row has a cell that its column cannot hold: {error}.") from error


def background_of(frame: pd.DataFrame, words: str, settings: ExplanationSettings) -> tuple[pd.DataFrame, str]:
    """Choose the reference rows, and say in words what they are."""
    count = min(settings.background_rows, len(frame))
    chosen = np.sort(np.random.default_rng(0).permutation(len(frame))[:count])
    return frame.iloc[chosen].reset_index(drop=True), f"{count} of {words}"


def asked_columns(model: Model, known: Sequence[str], names: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Name the columns of a request.

    Args:
        model: The model.
        known: The columns of the table.
        names: Those of its signature, if it has one.
    """
    scorer = None
    with suppress(CoreError):  # a derived column without a compiled form
        scorer = model.row_scorer()
    if scorer is not None and scorer.fields:
        return tuple(field.name for field in scorer.fields)
    return names or model.columns_read(known)


def slices_of(model: str, frame: pd.DataFrame) -> Mapping[str, "pd.Series[Any]"]:
    """Return the slices of rows: those of the model's domain, else the categories of few levels."""
    for name in session_domain_names():
        domain = find_domain(name)
        if model in domain.models and isinstance(domain, SlicedDomain):
            try:
                return domain.slices(frame)
            except (KeyError, AttributeError):  # the rows lack a column that only slices need
                break
    return few_levels(frame)


def few_levels(frame: pd.DataFrame) -> Mapping[str, "pd.Series[Any]"]:
    """Return the categories of few levels."""
    few = [name for name in frame if not is_number(frame[name]) and frame[name].nunique() <= MOST_SLICE_LEVELS]
    return {str(name): frame[name].astype(object) for name in few}


def conformal_of(held_out: HeldOutRows | None) -> Conformal | None:
    """Calibrate conformal intervals on the rows that a version keeps; None if it keeps none."""
    if held_out is None:
        return None
    return Conformal.of(held_out.answer, held_out.actual, held_out.units, held_out.classes)
