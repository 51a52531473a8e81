"""Conditions as teams write them, such as `accuracy < baseline_accuracy - 0.05`, as expressions over our series.

A condition compares a metric, by its everyday name, with a number or with what the live version achieved before it went
live (`baseline_…`). The expressions are those of the ready-made rules.
"""

import re
from typing import Final

from core.errors import UsageError
from core.escape import shown

PERFORMANCE: Final = (
    "accuracy",
    "precision",
    "recall",
    "f1",
    "auc",
    "r2",
    "rmse",
    "mae",
    "bias",
    "brier",
    "log_loss",
    "shortfall",
)
"""The metrics of live versions that have a baseline."""

_PSI: Final = "psi_score"
_BASELINE: Final = "baseline_"
_CERTAIN: Final = ' and on (model, version, type, feature) bondx_drift_verdict{verdict="alarm"} == 1'
_CONDITION: Final = re.compile(r"(?P<metric>[a-z]\w*)\s*(?P<compare><=|>=|==|!=|<|>)\s*(?P<limit>[\w\s.+*/()-]+)")
_NAME: Final = re.compile(r"\b[A-Za-z_]\w*")


def expression_of(condition: str) -> str:
    """Write a condition as an expression over the series of the workspace.

    Args:
        condition: Metric, comparison and limit.
    Raises:
        UsageError: It has another form, or names something that is not measured.

    >>> expression_of("accuracy < 0.9")
    'bondx_model_performance{metric="accuracy", source="outcomes"} < 0.9'
    >>> expression_of("mae > 1.2 * baseline_mae")
    'bondx_model_performance{metric="mae", source="outcomes"} > on (model) group_left () 1.2 * max by (model) (bondx_baseline_mae)'
    """  # noqa: E501
    if (found := _CONDITION.fullmatch(condition.strip())) is None:
        raise UsageError(
            f"the condition {shown(condition)} must be a metric, a comparison and a limit: {_PSI} > 0.25, or "
            f"accuracy < baseline_accuracy - 0.05"
        )
    metric, limit = found["metric"], found["limit"].strip()
    _require_metric(metric)
    names = _NAME.findall(limit)
    for name in names:
        if name.removeprefix(_BASELINE) not in PERFORMANCE or not name.startswith(_BASELINE):
            choices = ", ".join(f"{_BASELINE}{each}" for each in PERFORMANCE)
            raise UsageError(f"the limit names {shown(name)}, which is not measured; baselines are {choices}")
    if metric == _PSI:
        if names:
            raise UsageError(f"{_PSI} has no baseline: compare it with a number")
        return f'bondx_drift_psi{{type="feature"}} {found["compare"]} {limit}{_CERTAIN}'
    matching = " on (model) group_left ()" if names else ""
    baselines = _NAME.sub(lambda name: f"max by (model) (bondx_{name[0]})", limit)
    return f'bondx_model_performance{{metric="{metric}", source="outcomes"}} {found["compare"]}{matching} {baselines}'


def _require_metric(metric: str) -> None:
    if metric != _PSI and metric not in PERFORMANCE:
        raise UsageError(
            f"the condition names {shown(metric)}, which is not measured; metrics are {', '.join((_PSI, *PERFORMANCE))}"
        )
