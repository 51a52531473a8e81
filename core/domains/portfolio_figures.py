"""Figures of a portfolio under stress that every domain has: means, concentration, and the tail of its losses."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from core.arrays import AnyArray, FloatArray


class TailRisk(NamedTuple):
    """Losses over a horizon: at the 95 and the 99 % level, and the mean beyond the 97.5 % level."""

    var95: float
    var99: float
    es975: float


def tail_risk(losses: FloatArray, levels: Mapping[str, float]) -> TailRisk:
    """Return the tail risk of equally likely losses, shape (n,); `levels` has the level of each figure."""
    var95, var99, threshold = np.quantile(losses, [levels[name] for name in TailRisk._fields])
    return TailRisk(float(var95), float(var99), float(losses[losses >= threshold].mean()))


def weighted_mean(weight: FloatArray, values: FloatArray) -> float:
    """Return the mean of values by weight; 0 where nothing has weight."""
    total = float(weight.sum())
    return float(weight @ values / total) if total else 0.0


def herfindahl(amounts: AnyArray) -> float:
    """Return the Herfindahl index of amounts: 1 if there is one alone; 0 if all are 0.

    >>> herfindahl(np.array([1.0, 1.0, 2.0]))
    0.375
    """
    total = float(amounts.sum())
    return float(((amounts / total) ** 2).sum()) if total > 0 else 0.0
