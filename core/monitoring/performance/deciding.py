"""The loss that decides a verdict: the one whose mean on held-out rows the profile knows exactly, also by slice."""

from core.arrays import FloatArray
from core.monitoring.performance.layout import Layout, MeasuredTask
from core.monitoring.performance.metrics import GroupSums
from core.monitoring.performance.sequences import LEVEL, Moments

DECIDING = {MeasuredTask.NUMBER: "rmse", MeasuredTask.EVENT: "brier", MeasuredTask.CLASSES: "shortfall"}
"""The metric, by task."""
DECIDING_SCORE = {MeasuredTask.NUMBER: "e2", MeasuredTask.EVENT: "b", MeasuredTask.CLASSES: "s2"}
"""The loss that is added up for it."""
_SQUARES = {"e2": "e4", "b": "b2", "s2": "s4"}


def deciding_metric(task: MeasuredTask) -> str:
    """Return the name of the metric that is shown first."""
    return DECIDING.get(task, "accuracy" if task is MeasuredTask.CLASS else "reported_loss")


def deciding_moments(layout: Layout, sums: FloatArray) -> Moments | None:
    """Return the mean of the loss that decides; None without a row, or without such a loss."""
    if layout.task not in DECIDING or not layout.scalar(sums, "n"):
        return None
    group, score = GroupSums(layout, sums, LEVEL, {}), DECIDING_SCORE[layout.task]
    is_number = layout.task is MeasuredTask.NUMBER
    most = group["max_e"] ** 2 if is_number else 1.0
    return group.moments(score, _SQUARES[score], most, is_above_seen=is_number)


def as_shown(task: MeasuredTask, mean: float) -> float:
    """Return the metric of a mean loss: of squared errors the root."""
    return max(mean, 0.0) ** 0.5 if task is MeasuredTask.NUMBER else mean
