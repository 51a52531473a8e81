"""Reverse stress tests: the smallest shock at which too much is lost, an impact is reached or a gate fails."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from core.arrays import FloatArray
from core.domains.stress import (
    SEVERITIES,
    LabelStressEngine,
    StressedPortfolio,
    StressEngine,
    StressScenario,
    StressStep,
    fields_set,
    ladder_step,
)
from core.errors import UsageError
from core.escape import shown
from core.quality.gate import GateResult
from core.quality.report import assess
from core.settings.quality import QualityGates

if TYPE_CHECKING:
    from core.domains.domain import DrawRequest
    from core.quality import CheckSet

MOST_SHARE: Final = 3.0
"""A scenario is searched up to three times its shock, and plausible directions up to `MOST_SD`."""
MOST_SD: Final = 8.0
GRID: Final = 48
HALVINGS: Final = 40
COARSE_GRID: Final = 24
COARSE_HALVINGS: Final = 12
DIRECTIONS: Final = 256
COARSE_DIRECTIONS: Final = 64
"""Of the coarse ones: where each look draws a panel, or the tail of a portfolio. Directions are a power of two."""
_NEAR: Final = 0.05  # standard deviations, at which a descent ends
_GATE_STEP: Final = 0.5  # of the slope of a gate: shares of few rows and medians of them jump a little
_ITERATIONS: Final = 12
_LOOKS: Final = 8  # along each axis
_GAIN: Final = 1e-4  # of the distance, less than which a round of turns has brought nothing
_TURNS: Final = (0.5, 0.01)  # of a direction, the first and the least


class ReverseStress(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest shock at which what was asked happens.

    Attributes:
        direction: A scenario, or "least favourable".
        size: The share of the scenario's shock, or standard deviations; None: no shock searched is large enough.
        unit: Of the size.
        target: What was asked: "loss", "impact" or "gate".
        value: What the target is measured by, there: the share of market value that is lost, the impact, or the number
            of gates that fail; where no shock is large enough, at the largest.
        pnl_share: The profit there, as a share of market value.
        shock: The fields of the shock there.
        gates: The gates that fail there, if gates were asked for.
    """

    direction: str
    size: float | None
    unit: str
    target: str = "loss"
    value: float = 0.0
    pnl_share: float
    shock: dict[str, Any]
    gates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReverseTarget:
    """What a shock is to reach.

    Attributes:
        name: "loss", "impact" or "gate".
        limit: The value that it is to reach.
        value: What a shock makes of it.
        gates: The names of the gates that fail under a shock.
        heights: Where the value jumps, what rises steadily to 1 as a part of the target comes nearer: each is followed.
        step: Of the difference quotients, in standard deviations.
        grid: How many shares are looked at.
        halvings: How often the place of the crossing is halved.
        directions: How many, spread over the sphere, are looked at.
    """

    name: str
    limit: float
    value: Callable[[Any], float]
    gates: Callable[[Any], tuple[str, ...]] = lambda shock: ()
    heights: tuple[Callable[[Any], float], ...] = ()
    step: float = 0.05  # cuts of ratings jump
    grid: int = GRID
    halvings: int = HALVINGS
    directions: int = DIRECTIONS


def loss_target(engine: StressEngine, portfolio: StressedPortfolio, loss_share: float) -> ReverseTarget:
    """Return the target of a loss, as a share of market value.

    Raises:
        UsageError: The loss is not above 0 and at most 1.
    """
    if not 0 < loss_share <= 1:
        raise UsageError(f"The loss is {loss_share:g}: it must be a share above 0 and at most 1, such as 0.1.")
    return ReverseTarget("loss", loss_share, partial(_loss, engine, portfolio))


def impact_target(engine: StressEngine, portfolio: StressedPortfolio, impact: float) -> ReverseTarget:
    """Return the target of an impact.

    Raises:
        UsageError: The impact is not above 0 and at most 1.
    """
    if not 0 < impact <= 1:
        raise UsageError(f"The impact is {impact:g}: it must be above 0 and at most 1, such as 0.3.")

    def value(shock: Any) -> float:
        scenario = StressScenario(
            name="reverse", family="reverse", title="", summary="", steps=(StressStep(0.0, (shock, shock, shock)),)
        )
        return engine.run(portfolio, (scenario,), SEVERITIES[-1:])[0].impact

    return ReverseTarget(
        "impact", impact, value, grid=COARSE_GRID, halvings=COARSE_HALVINGS, directions=COARSE_DIRECTIONS
    )


def gate_target(
    engine: LabelStressEngine,
    request: "DrawRequest",
    checks: "CheckSet",
    *,
    gates: QualityGates | None = None,
    wanted: Sequence[str] = (),
) -> ReverseTarget:
    """Return the target that a quality gate fails which the rows pass without a shock.

    Args:
        engine: Of the domain.
        request: For the panel.
        checks: The quality checks of the domain.
        gates: Their thresholds.
        wanted: The gates to look at; empty: all.
    Raises:
        UsageError: There is no such gate, or it fails without a shock.
    """
    known = [check.name for check in checks.checks]
    for name in wanted:
        if name not in known:
            raise UsageError(f"There is no gate {shown(name)}; choose from {', '.join(known)}.")

    seen: dict[str, dict[str, GateResult]] = {}  # by shock, since the slopes of all gates look at the same ones

    def judged(shock: Any) -> dict[str, GateResult]:
        if (found := seen.get(repr(shock))) is None:
            report = assess(engine.stressed_panel(request, shock).frame, checks, gates, source="the stressed panel")
            found = {gate.name: gate for gate in report.gates if not wanted or gate.name in wanted}
            seen[repr(shock)] = found
        return found

    calm = judged(engine.shock())
    for name in wanted:
        if calm[name].blocks:
            raise UsageError(f"The gate {name} fails already without a shock: leave it out, or change its limit.")

    def new(shock: Any) -> tuple[str, ...]:
        return tuple(name for name, gate in judged(shock).items() if gate.blocks and not calm[name].blocks)

    def height(name: str, shock: Any) -> float:
        return 1.0 - _room(judged(shock)[name]) / _room(calm[name])

    return ReverseTarget(
        "gate",
        1.0,
        lambda shock: float(len(new(shock))),
        new,
        heights=tuple(partial(height, name) for name, gate in calm.items() if gate.blocking and _room(gate) > 0),
        step=_GATE_STEP,
        grid=COARSE_GRID,
        halvings=COARSE_HALVINGS,
        directions=COARSE_DIRECTIONS,
    )


def _room(gate: GateResult) -> float:
    """Return how far the value of a gate is from its threshold, on the side that passes; 0 if it was not measured."""
    if gate.value is None:
        return 0.0
    room = gate.value - gate.threshold
    return room if gate.comparison == ">=" else -room


def along_scenario(
    engine: StressEngine,
    portfolio: StressedPortfolio,
    scenario: StressScenario,
    severity: str,
    target: ReverseTarget,
) -> ReverseStress:
    """Find the smallest share of a scenario's first blow at which a target is reached.

    What is measured need not rise steadily: the first of the shares of the grid that reaches it is found, and the place
    before it is narrowed down.

    Args:
        engine: Of the domain.
        portfolio: The portfolio.
        scenario: The direction.
        severity: Whose shock is share 1.
        target: What is to be reached.
    """
    shock = scenario.steps[0].ladder[ladder_step(severity)]
    size = first_crossing(
        lambda share: target.value(engine.scaled(shock, share)),
        target.limit,
        MOST_SHARE,
        grid=target.grid,
        halvings=target.halvings,
    )
    at = engine.scaled(shock, MOST_SHARE if size is None else size)
    return _found(engine, portfolio, f"{scenario.name}/{severity}", "share of the shock", size, at, target)


def least_favourable(engine: StressEngine, portfolio: StressedPortfolio, target: ReverseTarget) -> ReverseStress:
    """Find the most plausible macro shock at which a target is reached: the nearest to no shock.

    The nearest point of the surface of that target, in standard deviations of the macro model, by the iteration of
    Hasofer and Lind with Rackwitz and Fiessler; then the crossing along its direction exactly. That iteration follows
    one slope: of a target that is reached on several sides, as by options that were sold, it finds one. So every axis,
    both ways, and the way back from the slope are looked along, too, and the iteration starts again at what is nearer.
    Then further directions, spread evenly over the sphere, are looked at as far out as the nearest crossing so far, and
    what is nearer is turned towards each axis by less and less while that brings it nearer.
    A target that jumps, as gates do, has no slope; of each gate that depends on the shock, the way to its threshold is
    followed instead. A gate without any room in calm, such as one that counts faults, is found along the axes alone.

    Args:
        engine: Of the domain; its `plausible` maps standard normals to shocks.
        portfolio: The portfolio.
        target: What is to be reached.
    Source:
        Hasofer and Lind, J. Engineering Mechanics 100, 1974; Rackwitz and Fiessler, Computers and Structures 9, 1978.
        Der Kiureghian and Dakessian, Structural Safety 20, 1998, for several nearest points.
    """

    def value(point: FloatArray) -> float:
        return target.value(engine.plausible(point))

    n_axes = engine.n_plausible
    best, last = None, np.zeros(n_axes)
    for height in _promising(engine, target):
        found, last = _descent(value, height, target, np.zeros(n_axes))
        if found is not None and (best is None or found[0] < best[0]):
            best = found
    for direction in (-last, *np.eye(n_axes), *-np.eye(n_axes)):
        if (crossing := _crossing(value, target, direction, best)) is None:
            continue
        best = crossing
        if not target.heights:
            found, _ = _descent(value, value, target, crossing[0] * direction)
            best = crossing if found is None or crossing[0] < found[0] else found
    for direction in _spread(n_axes, target.directions):
        best = _nearer(value, target, direction, best) or best
    if best is not None:
        best = _turned(value, target, best)
    if best is None and not last.any():  # the target has no slope: the axis on which it comes nearest, and most is lost
        last = max((*np.eye(n_axes), *-np.eye(n_axes)), key=partial(_far_out, engine, portfolio, target))
    size, direction = best if best is not None else (None, last)
    shock = engine.plausible(direction * (MOST_SD if size is None else size))
    return _found(engine, portfolio, "least favourable", "standard deviations of a year", size, shock, target)


Crossing = tuple[float, FloatArray]
"""How far out a target is reached, and along which direction, of length 1."""


def _spread(n_axes: int, n: int) -> FloatArray:
    """Return directions that are spread evenly over the sphere, shape (n, n_axes)."""
    from scipy.special import ndtri
    from scipy.stats import qmc

    evenly = qmc.Sobol(n_axes, scramble=True, rng=0).random(n)
    points = ndtri(evenly)
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


def _crossing(
    value: Callable[[FloatArray], float], target: ReverseTarget, direction: FloatArray, best: Crossing | None
) -> Crossing | None:
    """Return the crossing along a direction that is nearer than the best one so far; None: there is none."""
    within = MOST_SD if best is None else best[0]
    along = partial(_at_distance, value, direction)
    size = first_crossing(along, target.limit, within, grid=_LOOKS, halvings=target.halvings)
    return None if size is None or (best is not None and size >= best[0]) else (size, direction)


def _nearer(
    value: Callable[[FloatArray], float], target: ReverseTarget, direction: FloatArray, best: Crossing | None
) -> Crossing | None:
    """Return the same, looking closer only where the target is reached as far out as the best one so far."""
    within = MOST_SD if best is None else best[0]
    return None if value(within * direction) < target.limit else _crossing(value, target, direction, best)


def _turned(value: Callable[[FloatArray], float], target: ReverseTarget, best: Crossing) -> Crossing:
    """Turn the direction of a crossing towards each axis, both ways, by less and less while that brings it nearer."""
    turn, least = _TURNS
    axes = np.eye(len(best[1]))
    while turn >= least:
        before = best[0]
        for axis in (*axes, *-axes):
            turned = best[1] + turn * axis
            best = _nearer(value, target, turned / np.linalg.norm(turned), best) or best
        if best[0] > before * (1 - _GAIN):
            turn /= 2
    return best


def _far_out(
    engine: StressEngine, portfolio: StressedPortfolio, target: ReverseTarget, direction: FloatArray
) -> tuple[float, float]:
    """Return the target, and the loss, at the largest shock along a direction."""
    shock = engine.plausible(MOST_SD * direction)
    return target.value(shock), _loss(engine, portfolio, shock)


def _promising(engine: StressEngine, target: ReverseTarget) -> list[Callable[[FloatArray], float]]:
    """Return what is followed, by points: the value itself, or heights whose first slope could reach the target."""
    if not target.heights:
        return [lambda point: target.value(engine.plausible(point))]
    origin = np.zeros(engine.n_plausible)
    found = []
    for height in target.heights:

        def at(point: FloatArray, of: Callable[[Any], float] = height) -> float:
            return of(engine.plausible(point))

        steepness = float(np.linalg.norm(_gradient(at, origin, target.step)))
        if 2 * MOST_SD * steepness >= 1.0:
            found.append((steepness, at))
    return [at for _, at in sorted(found, key=lambda each: -each[0])]


def _descent(
    value: Callable[[FloatArray], float],
    height: Callable[[FloatArray], float],
    target: ReverseTarget,
    point: FloatArray,
) -> tuple[Crossing | None, FloatArray]:
    """Follow the slope of a height from a point; return the nearest crossing on the way, and the last direction."""
    best: Crossing | None = None
    direction = np.zeros(len(point))
    for _ in range(_ITERATIONS):
        slope = _gradient(height, point, target.step)
        if not slope.any():
            break
        direction = slope / np.linalg.norm(slope)
        size = first_crossing(
            partial(_at_distance, value, direction), target.limit, MOST_SD, grid=target.grid, halvings=target.halvings
        )
        if size is not None and (best is None or size < best[0]):
            best = (size, direction)
        moved = direction * (size if size is not None else MOST_SD)
        if np.linalg.norm(moved - point) < _NEAR:
            break
        point = moved
    return best, direction


def _found(
    engine: StressEngine,
    portfolio: StressedPortfolio,
    direction: str,
    unit: str,
    size: float | None,
    shock: Any,
    target: ReverseTarget,
) -> ReverseStress:
    return ReverseStress(
        direction=direction,
        size=size,
        unit=unit,
        target=target.name,
        value=target.value(shock),
        pnl_share=-_loss(engine, portfolio, shock),
        shock=dict(fields_set(shock)),
        gates=target.gates(shock),
    )


def first_crossing(
    loss: Callable[[float], float], target: float, most: float, *, grid: int = GRID, halvings: int = HALVINGS
) -> float | None:
    """Return the smallest size at which a loss reaches a target; None: none does.

    Args:
        loss: By size.
        target: What it is to reach.
        most: The largest size.
        grid: How many sizes are looked at.
        halvings: How often the step before the first that reaches it is halved: by default to a trillionth.

    >>> round(first_crossing(lambda size: size**2, 0.25, 3.0), 9)
    0.5
    """
    before = 0.0
    for place in range(1, grid + 1):
        size = most * place / grid
        if loss(size) >= target:
            low, high = before, size
            for _ in range(halvings):
                middle = (low + high) / 2
                low, high = (low, middle) if loss(middle) >= target else (middle, high)
            return high
        before = size
    return None


def _at_distance(loss: Callable[[FloatArray], float], direction: FloatArray, size: float) -> float:
    return loss(size * direction)


def _gradient(loss: Callable[[FloatArray], float], point: FloatArray, size: float) -> FloatArray:
    steps = np.eye(len(point)) * size
    return np.array([(loss(point + step) - loss(point - step)) / (2 * size) for step in steps])


def _loss(engine: StressEngine, portfolio: StressedPortfolio, shock: Any) -> float:
    return -engine.profit(portfolio, shock) / portfolio.market_value
