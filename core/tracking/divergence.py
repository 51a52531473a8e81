"""Metrics whose last value is NaN or infinite: a loss has diverged, any other metric is undefined."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from core.telemetry import TelemetryReader

DIVERGED = "diverged"
"""The word in place of the last value of a loss that is not finite."""
UNDEFINED = "undefined"
"""The word in place of the last value of any other metric that is not finite."""

_LOSS_WORDS = frozenset({"loss", "nll", "perplexity", "error", "mae", "mse", "rmse", "mape", "objective", "brier"})
_BETWEEN_WORDS = re.compile(r"[^a-z0-9]+")


def is_loss(metric: str) -> bool:
    """Say whether a metric is a loss by its name. Other metrics may be undefined without anything being wrong.

    >>> [is_loss(name) for name in ("val_loss", "train/loss", "spread.mae_bps", "auc", "glossary")]
    [True, True, True, False, False]
    """
    return not _LOSS_WORDS.isdisjoint(_BETWEEN_WORDS.split(metric.lower()))


class LastValues(NamedTuple):
    """The last values of the metrics of a run; a metric whose last value is not finite has none."""

    metrics: dict[str, float]
    diverged: tuple[str, ...] = ()
    undefined: tuple[str, ...] = ()


def last_values(reader: "TelemetryReader", run_id: str, known: Mapping[str, float]) -> LastValues:
    """Return the last value of each metric of a run, and the names of the metrics without one.

    Args:
        reader: Where the history of the metrics is.
        run_id: The run.
        known: Values recorded with the run; the history overrides them.
    """
    without = reader.unmeasured(run_id)
    values = {**known, **reader.latest_metrics(run_id)}
    return LastValues(
        metrics={name: value for name, value in values.items() if name not in without},
        diverged=tuple(filter(is_loss, without)),
        undefined=tuple(name for name in without if not is_loss(name)),
    )


def words_for_values(diverged: Iterable[str], undefined: Iterable[str]) -> dict[str, str]:
    """Return the word in place of the value of each metric whose last value is not finite.

    >>> words_for_values(["loss"], ["accuracy"])
    {'loss': 'diverged', 'accuracy': 'undefined'}
    """
    return {**dict.fromkeys(diverged, DIVERGED), **dict.fromkeys(undefined, UNDEFINED)}
