"""Diverged losses: the metrics that a training minimises, and whose last value is NaN or infinite."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.telemetry import TelemetryReader

DIVERGED = "diverged"
"""The word that stands where the final value of such a metric would."""

_LOSS_WORDS = frozenset({"loss", "nll", "perplexity", "error", "mae", "mse", "rmse", "mape", "objective", "brier"})
_BETWEEN_WORDS = re.compile(r"[^a-z0-9]+")


def is_loss(metric: str) -> bool:
    """Say whether a metric is a loss by its name. Other metrics may be undefined without anything being wrong.

    >>> [is_loss(name) for name in ("val_loss", "train/loss", "spread.mae_bps", "auc", "glossary")]
    [True, True, True, False, False]
    """
    return not _LOSS_WORDS.isdisjoint(_BETWEEN_WORDS.split(metric.lower()))


def last_values(
    reader: "TelemetryReader", run_id: str, known: Mapping[str, float]
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return the last value of each metric of a run, and its diverged losses, which have no value.

    Args:
        reader: Where the history of the metrics is.
        run_id: The run.
        known: Values recorded with the run; the history overrides them.
    """
    diverged = tuple(filter(is_loss, reader.unmeasured(run_id)))
    values = {**known, **reader.latest_metrics(run_id)}
    return {name: value for name, value in values.items() if name not in diverged}, diverged
