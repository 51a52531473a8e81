"""`explain`: why a registered version answers as it does; `explain_over`: what it relied on while it served."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from core.api.arguments import checked
from core.api.config import MLOpsConfig
from core.errors import UsageError
from core.escape import shown

if TYPE_CHECKING:
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
    from core.explain.explainer import ExplainMethod
    from core.training.own_data.explanation import ExplainRequest, explain_one, explain_version

    if method not in list(ExplainMethod):
        raise UsageError(f"method is {shown(method)}; it must be one of {', '.join(ExplainMethod)}.")
    if row is not None and not (isinstance(row, Mapping) or (isinstance(row, int) and not isinstance(row, bool))):
        raise UsageError(f"row is {shown(repr(row))}; it must be the position of a row, or its cells by name.")
    request = ExplainRequest(
        model=model_name,
        version=version,
        data=None if data is None else Path(data),
        row=row,
        method=ExplainMethod(method),
        output=output,
        reference_row=reference_row,
        turn=turn,
        fixed=fixed,
        interval=interval,
        n_rows=n_rows,
        interactions=interactions,
    )
    workspace = (config or MLOpsConfig.from_yaml()).workspace
    return explain_version(workspace, request) if row is None else explain_one(workspace, request)


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
