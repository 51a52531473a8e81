"""The reliability curve: probabilities against the share of events, by tenths of the answers, and its test."""

import math
from collections.abc import Sequence

from core.arrays import FloatArray
from core.monitoring.data_profile import CalibrationBin
from core.monitoring.performance.held_out import Z_REFERENCE
from core.monitoring.performance.layout import N_TENTHS, Layout
from core.monitoring.performance.sequences import LEVEL, share_sequence
from core.monitoring.performance.shown import Calibration, CalibrationPoint

TOLERANCE = 0.05
"""A tenth whose share of events differs from the predicted one by no more than this, beyond held out, is calibrated."""


def calibration_of(
    layout: Layout,
    sums: FloatArray,
    held_out: Sequence[CalibrationBin] = (),
    *,
    level: float = LEVEL,
    effect: float = 1.0,
    tolerance: float = TOLERANCE,
) -> Calibration | None:
    """Compare probabilities with events by tenths; None without probabilities.

    The tenths share the level, so the intervals hold together, at every look. The share of events in a tenth, with
    probabilities that differ a little, varies less than with their mean, so its sequence is not too narrow (Hoeffding,
    Annals of Mathematical Statistics 27(3), 1956).

    Args:
        layout: Of the sums.
        sums: Of the rows.
        held_out: The same tenths of the answers to held-out rows.
        level: How often the curve may miss, ever.
        effect: How many rows are worth one independent row.
        tolerance: The harmless distance.
    """
    if "by_tenth" not in layout.places:
        return None
    points: list[CalibrationPoint] = []
    worst, is_settled = (0.0, 0.0), True
    for tenth, (n, total, events) in enumerate(layout.block(sums, "by_tenth", N_TENTHS, 3).tolist()):
        found = share_sequence(events, n, level / N_TENTHS, effect)
        if found is None:
            continue
        then = held_out[tenth] if len(held_out) == N_TENTHS else None
        gap, error = _gap(then)
        predicted = total / n
        points.append(
            CalibrationPoint(
                n=int(n),
                predicted=predicted,
                observed=events / n,
                low=found.low,
                high=found.high,
                held_out_gap=None if then is None else gap,
            )
        )
        low, high = found.low - predicted - gap - error, found.high - predicted - gap + error
        worst = max(worst, (max(low, -high), predicted))
        is_settled = is_settled and max(high, -low) <= tolerance
    if not points:
        return None
    rows = sum(point.n for point in points)
    error = sum(point.n * abs(point.observed - point.predicted) for point in points) / rows
    beyond = " beyond their distance on held-out rows" if len(held_out) == N_TENTHS else ""
    if worst[0] > tolerance:
        reason = (
            f"where it predicts about {worst[1]:.0%}, the share of events is off by at least {worst[0]:.1%}{beyond}"
        )
        return Calibration(verdict="off", reason=reason, error=error, points=tuple(points))
    if is_settled:
        reason = f"in every tenth the share of events is within {tolerance:.0%} of the predicted one{beyond}"
        return Calibration(verdict="holds", reason=reason, error=error, points=tuple(points))
    reason = f"{rows:,} outcomes do not show yet whether every tenth is within {tolerance:.0%}{beyond}"
    return Calibration(verdict="cannot say yet", reason=reason, error=error, points=tuple(points))


def _gap(then: CalibrationBin | None) -> tuple[float, float]:
    """Return the distance on held-out rows, and its error."""
    if then is None or not then.rows:
        return 0.0, 0.0
    share = (then.observed * then.rows + 0.5) / (then.rows + 1.0)
    return then.observed - then.predicted, Z_REFERENCE * math.sqrt(share * (1.0 - share) / then.rows)
