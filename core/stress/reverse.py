"""Reverse stress tests: the smallest shock at which a portfolio loses too much, along a scenario or in any way."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np

from core.arrays import FloatArray
from core.domains.stress import StressedPortfolio, StressEngine, StressScenario, fields_set, ladder_step
from core.errors import UsageError

MOST_SHARE: Final = 3.0
"""A scenario is searched up to three times its shock, and plausible directions up to `MOST_SD`."""
MOST_SD: Final = 8.0
_GRID: Final = 48
_HALVINGS: Final = 40
_STEP: Final = 0.05  # standard deviations, of a difference quotient: cuts of ratings jump
_ITERATIONS: Final = 12


class ReverseStress(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest shock that loses as much as was asked.

    Attributes:
        direction: A scenario, or "least favourable".
        size: The share of the scenario's shock, or standard deviations; None: no shock searched loses as much.
        unit: Of the size.
        pnl_share: The profit there, as a share of market value; where no shock loses as much, at the largest.
        shock: The fields of the shock there.
    """

    direction: str
    size: float | None
    unit: str
    pnl_share: float
    shock: dict[str, Any]


def along_scenario(
    engine: StressEngine, portfolio: StressedPortfolio, scenario: StressScenario, severity: str, *, loss_share: float
) -> ReverseStress:
    """Find the smallest share of a scenario's first blow at which a portfolio loses a share of its value.

    The profit need not fall steadily: the first of 48 shares that loses as much is found, and the place before it is
    narrowed down.

    Args:
        engine: Of the domain.
        portfolio: The portfolio.
        scenario: The direction.
        severity: Whose shock is share 1.
        loss_share: Of the market value, above 0.
    Raises:
        UsageError: The loss is not above 0 and at most 1.
    """
    _require_loss(loss_share)
    shock = scenario.steps[0].ladder[ladder_step(severity)]

    def loses(share: float) -> float:
        return _loss(engine, portfolio, engine.scaled(shock, share))

    size = first_crossing(loses, loss_share, MOST_SHARE)
    at = engine.scaled(shock, MOST_SHARE if size is None else size)
    return ReverseStress(
        direction=f"{scenario.name}/{severity}",
        size=size,
        unit="share of the shock",
        pnl_share=-_loss(engine, portfolio, at),
        shock=dict(fields_set(at)),
    )


def least_favourable(engine: StressEngine, portfolio: StressedPortfolio, *, loss_share: float) -> ReverseStress:
    """Find the most plausible macro shock at which a portfolio loses a share of its value: the nearest to no shock.

    The nearest point of the surface of that loss, in standard deviations of the macro model, by the iteration of
    Hasofer and Lind with Rackwitz and Fiessler; then the crossing along its direction exactly.

    Args:
        engine: Of the domain; its `plausible` maps standard normals to shocks.
        portfolio: The portfolio.
        loss_share: Of the market value, above 0.
    Raises:
        UsageError: The loss is not above 0 and at most 1.
    Source:
        Hasofer and Lind, J. Engineering Mechanics 100, 1974; Rackwitz and Fiessler, Computers and Structures 9, 1978.
    """
    _require_loss(loss_share)

    def loss(point: FloatArray) -> float:
        return _loss(engine, portfolio, engine.plausible(point))

    point, direction = np.zeros(engine.n_plausible), np.zeros(engine.n_plausible)
    best: tuple[float, FloatArray] | None = None
    for _ in range(_ITERATIONS):
        slope = _gradient(loss, point)
        if not slope.any():
            break
        direction = slope / np.linalg.norm(slope)
        size = first_crossing(partial(_at_distance, loss, direction), loss_share, MOST_SD)
        if size is not None and (best is None or size < best[0]):
            best = (size, direction)
        moved = direction * (size if size is not None else MOST_SD)
        if np.linalg.norm(moved - point) < _STEP:
            break
        point = moved
    size, direction = best if best is not None else (None, direction)
    shock = engine.plausible(direction * (MOST_SD if size is None else size))
    return ReverseStress(
        direction="least favourable",
        size=size,
        unit="standard deviations of a year",
        pnl_share=-_loss(engine, portfolio, shock),
        shock=dict(fields_set(shock)),
    )


def first_crossing(loss: Callable[[float], float], target: float, most: float) -> float | None:
    """Return the smallest size, to a trillionth of a grid step, at which a loss reaches a target; None: none does.

    >>> round(first_crossing(lambda size: size**2, 0.25, 3.0), 9)
    0.5
    """
    before = 0.0
    for place in range(1, _GRID + 1):
        size = most * place / _GRID
        if loss(size) >= target:
            low, high = before, size
            for _ in range(_HALVINGS):
                middle = (low + high) / 2
                low, high = (low, middle) if loss(middle) >= target else (middle, high)
            return high
        before = size
    return None


def _at_distance(loss: Callable[[FloatArray], float], direction: FloatArray, size: float) -> float:
    return loss(size * direction)


def _gradient(loss: Callable[[FloatArray], float], point: FloatArray) -> FloatArray:
    steps = np.eye(len(point)) * _STEP
    return np.array([(loss(point + step) - loss(point - step)) / (2 * _STEP) for step in steps])


def _loss(engine: StressEngine, portfolio: StressedPortfolio, shock: Any) -> float:
    return -engine.profit(portfolio, shock) / portfolio.market_value


def _require_loss(loss_share: float) -> None:
    if not 0 < loss_share <= 1:
        raise UsageError(f"The loss is {loss_share:g}: it must be a share above 0 and at most 1, such as 0.1.")
