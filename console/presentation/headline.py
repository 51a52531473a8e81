"""The most telling of many metrics, for lists with room for one; spelled as short as possible."""

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from console.presentation.phrases import NOTHING, number

if TYPE_CHECKING:
    from core.tracking import Run

# By the last part of the name: "spread.mae" says as much as "mae".
_BY_WORTH = (
    *("score", "attainment", "auc", "average_precision", "accuracy", "r2"),
    *("mae_bps", "mae", "rmse_bps", "rmse", "precision", "recall", "loss", "log_loss"),
)
_SHORT = {"average_precision": "AP"}
_BASIS_POINTS = "_bps"


def headline_metric(
    metrics: Mapping[str, float], *, of: str = "", besides: Collection[str] = ()
) -> tuple[str, float] | None:
    """Return the name and value of the most telling metric; None without metrics.

    Args:
        metrics: Values by name.
        of: A model: only its own metrics count ("spread.mae"), and metrics that name no model.
        besides: Names shown elsewhere, without the model.

    >>> headline_metric({"loss": 0.25, "auc": 0.91}), headline_metric({"zeal": 2.0, "depth": 3.0}), headline_metric({})
    (('auc', 0.91), ('depth', 3.0), None)
    >>> headline_metric({"score": 0.9, "spread.mae_bps": 14.2, "alert.auc": 0.8}, of="spread", besides=["score"])
    ('spread.mae_bps', 14.2)
    """
    by_last_part = [
        (name, name.rpartition(".")[2])
        for name in sorted(metrics, key=lambda name: (name.count("."), name))  # a whole before its parts
        if not of or name.startswith(f"{of}.") or "." not in name
    ]
    left = [(name, last) for name, last in by_last_part if last not in besides]
    if not left:
        return None
    known = (name for wanted in _BY_WORTH for name, last in left if last == wanted)
    name = next(known, left[0][0])
    return name, metrics[name]


def headline_of_run(run: "Run") -> str:
    """Spell the most telling metric of a run, which may be undefined: a diverged loss before any value."""
    if run.diverged or run.undefined:
        from core.tracking.divergence import words_for_values  # the first frame has no runs, and is spared the import

        words = words_for_values(run.diverged, run.undefined)
        found = headline_metric({**run.metrics, **dict.fromkeys(run.undefined, math.nan)})
        name = run.diverged[0] if run.diverged else found[0] if found else ""
        if name in words:
            return f"{name} {words[name]}"
    return headline_text(run.metrics)


def headline_text(metrics: Mapping[str, float], *, of: str = "", besides: Collection[str] = ()) -> str:
    """Spell the most telling metric.

    Args:
        metrics: Values by name.
        of: Only metrics of this model; its name is left out.
        besides: Names shown elsewhere.

    >>> headline_text({"loss": 0.25, "auc": 0.91}), headline_text({"spread.mae_bps": 14.2}, of="spread")
    ('auc 0.91', 'mae 14.2 bps')
    """
    found = headline_metric(metrics, of=of, besides=besides)
    if found is None:
        return NOTHING
    name, value = found
    name = name.removeprefix(f"{of}.") if of else name
    if name.endswith(_BASIS_POINTS):
        return f"{name.removesuffix(_BASIS_POINTS)} {number(value, 'bps')}"
    return f"{_SHORT.get(name, name)} {number(value)}"
