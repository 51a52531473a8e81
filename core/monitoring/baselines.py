"""What the live version of a model achieved before it went live: its baselines, under the names of monitored metrics.

Nothing heavy is imported here, since the catalogue of metrics starts from these names.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from core.monitoring.documents import VersionMonitoring

BASELINE_METRICS: Final = (
    "accuracy", "precision", "recall", "f1", "auc", "r2", "rmse", "mae", "bias", "brier", "log_loss", "shortfall",
)  # fmt: skip
"""The metrics that monitoring measures. A version may be registered with others, too: nothing is compared with them."""

_SPELLINGS: Final[Mapping[str, str]] = {
    "accuracy_score": "accuracy",
    "precision_score": "precision",
    "recall_score": "recall",
    "f1_score": "f1",
    "roc_auc": "auc",
    "roc_auc_score": "auc",
    "r2_score": "r2",
    "root_mean_squared_error": "rmse",
    "mean_absolute_error": "mae",
    "brier_score_loss": "brier",
}
"""scikit-learn's names, which versions are registered with."""


def baselines(registered: Mapping[str, float], watched: "VersionMonitoring | None") -> dict[str, float]:
    """Return the baselines of a live version by metric.

    Args:
        registered: The metrics with which it was registered.
        watched: What monitoring found of it. Its references on held-out rows are measured as the metric itself is, and
            go before what was registered.

    >>> baselines({"accuracy_score": 0.94, "loss": 0.06}, None)
    {'accuracy': 0.94}
    """
    found: dict[str, float] = {}
    for name, value in registered.items():
        metric = _SPELLINGS.get(name, name)
        if metric in BASELINE_METRICS and math.isfinite(value) and (metric == name or metric not in registered):
            found[metric] = value
    for part in (watched.estimate, watched.performance) if watched is not None else ():
        for measured in part.metrics if part is not None else ():
            if measured.reference is not None and not measured.slice and measured.metric in BASELINE_METRICS:
                found[measured.metric] = measured.reference
    return found
