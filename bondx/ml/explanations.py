"""`explain`: why a registered version answers as it does; `explain_over`: what it relied on while it served.

`explain_function` explains any function of rows, such as a network of PyTorch or TensorFlow.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.api.arguments import checked, whole_number
from core.api.config import MLOpsConfig
from core.errors import UsageError
from core.escape import shown

if TYPE_CHECKING:
    from core.explain.documents import GlobalExplanation, LocalExplanation
    from core.explain.explainer import ExplainMethod
    from core.training.own_data.explanation import RowExplanation, VersionExplanation
    from core.training.own_data.served_trend import ServedExplanation


@checked
def explain(
    model_name: str,
    *,
    row: object = None,
    data: Path | str | None = None,
    version: str | None = None,
    method: str = "auto",
    output: str | None = None,
    reference_row: int | None = None,
    turn: str | None = None,
    fixed: Sequence[str] = (),
    interval: float | None = None,
    n_rows: int | None = None,
    interactions: bool = False,
    config: MLOpsConfig | None = None,
) -> "VersionExplanation | RowExplanation":
    """Explain a row, or what a version relies on, as `bondx explain` does.

    Args:
        model_name: A model of the workspace.
        row: One row: its position from 0, or its cells by name; None explains the version as a whole.
        data: A file with rows; by default rows that the version kept, or that its domain draws.
        version: Its version; by default the live version, else the newest.
        method: `auto`, `path-dependent`, `background`, `permutation`, `exact` or `lime`.
        output: Of several classes the one to explain.
        reference_row: The position of the row to compare with instead of the mean.
        turn: Also search the smallest change after which the answer is, for instance, `>=0.5`; empty: after which the
            model decides otherwise.
        fixed: Columns that this search may not change.
        interval: The level of a conformal interval of the answer to the row, such as 0.9.
        n_rows: How many rows explain a version.
        interactions: Also measure how much pairs of columns do together; of a version as a whole.
        config: The workspace; by default the one that `MLOpsConfig.from_yaml()` finds.
    Returns:
        `report` has the contributions or the importances, the scale on which they sum, and the method's name and cost.
    Raises:
        NotFoundError: There is no such model, version or row.
        UsageError: The request contradicts itself, or the model cannot be explained by this method.
    """
    from core.serving.explained_cells import taken_as_served
    from core.training.own_data.explanation import ExplainRequest, explain_one, explain_version

    row = _row(row)
    request = ExplainRequest(
        model=model_name,
        version=version,
        data=None if data is None else Path(data),
        row=row,
        method=_method(method),
        output=output,
        reference_row=reference_row,
        turn=turn,
        fixed=fixed,
        interval=interval,
        n_rows=n_rows,
        interactions=interactions,
    )
    workspace = (config or MLOpsConfig.from_yaml()).workspace
    if row is None:
        return explain_version(workspace, request)
    return explain_one(workspace, taken_as_served(workspace, request))


@checked
def explain_over(
    model_name: str,
    over: timedelta = timedelta(days=7),
    *,
    version: str | None = None,
    config: MLOpsConfig | None = None,
) -> "ServedExplanation":
    """Say what a model relied on while it served, by time and by version, as `bondx explain --over` does.

    Args:
        model_name: A model of the workspace.
        over: How far back.
        version: One version; by default all versions that served.
        config: The workspace; by default the one that `MLOpsConfig.from_yaml()` finds.
    Returns:
        `trends` has the importances of each version by bucket of time, with their sampling errors; `move` of a column
        says whether they changed. `steps` has the same from version to version.
    Raises:
        NotFoundError: There is no such model or version.
        UsageError: The time is too short or too long, or no answer was explained in it.
    """
    from core.training.own_data.served_trend import explain_over

    return explain_over((config or MLOpsConfig.from_yaml()).workspace, model_name, over, version=version)


@checked
def explain_function(
    predict: Callable[..., Any],
    rows: object,
    *,
    row: object = None,
    background: object = None,
    groups: object = None,
    method: str = "auto",
    output: int | None = None,
    turn: str | None = None,
    fixed: Sequence[str] = (),
    n_rows: int | None = None,
    interactions: bool = False,
    denied_columns: Sequence[str] = (),
) -> "GlobalExplanation | LocalExplanation":
    """Explain any function of rows, such as a network of PyTorch or TensorFlow: as a whole, or its answer to one row.

    Args:
        predict: Returns a number for each row, or several. It gets a data frame, or an array where `rows` is an array.
        rows: The rows that explain it: a data frame, or an array whose columns are called feature_0, feature_1 and on.
        row: One row: its position from 0, or its cells by name; None explains the function as a whole.
        background: The reference rows; by default up to 100 of `rows`.
        groups: The group of each row, such as its issuer, where rows of a group are alike.
        method: `auto`, `permutation`, `exact` or `lime`.
        output: Of several numbers a row the position of the one that is explained.
        turn: Also search the smallest change after which the answer is, for instance, `>=0.5`.
        fixed: Columns that this search may not change.
        n_rows: How many rows explain the function as a whole; by default 100.
        interactions: Also measure how much pairs of columns do together; of a function as a whole.
        denied_columns: Columns, or patterns such as `customer_*`, that must not appear.
    Returns:
        The contributions or the importances, the scale on which they sum, and the method's name and cost.
    Raises:
        NotFoundError: There is no such row.
        UsageError: The rows cannot be used, or the function fails, answers no numbers, or is random.

    >>> import numpy as np
    >>> rows = np.random.default_rng(1).normal(size=(200, 3))
    >>> found = explain_function(lambda rows: 5 * rows[:, 0] - rows[:, 2], rows, row=7)
    >>> [part.feature for part in found.contributions]
    ['feature_0', 'feature_2', 'feature_1']
    """
    from core.training.explaining import explanation_of_function

    return explanation_of_function(
        predict,
        rows,
        row=_row(row),
        background=background,
        groups=None if groups is None else _groups(groups),
        method=_method(method),
        output=output,
        turn=turn,
        fixed=fixed,
        n_rows=n_rows,
        interactions=interactions,
        denied_columns=denied_columns,
    )


def _method(method: str) -> "ExplainMethod":
    from core.explain.explainer import ExplainMethod

    if method not in list(ExplainMethod):
        raise UsageError(f"method is {shown(method)}; it must be one of {', '.join(ExplainMethod)}.")
    return ExplainMethod(method)


def _row(row: object) -> int | Mapping[str, Any] | None:
    if row is None or isinstance(row, Mapping):
        return row
    try:
        return whole_number("row", row)
    except UsageError:
        raise UsageError(
            f"row is {shown(repr(row))}; it must be the position of a row, or its cells by name."
        ) from None


def _groups(groups: object) -> list[object]:
    if isinstance(groups, str | bytes) or not isinstance(groups, Iterable):
        raise UsageError(f"groups is {shown(repr(groups))}; it must have a value for each row.")
    return list(groups)
