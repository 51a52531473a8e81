"""What every stress engine makes of a stressed portfolio: the month at which it stands worst, and the case of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from core.arrays import FloatArray
from core.domains.portfolio_figures import TailRisk
from core.domains.stress import (
    ContagionRound,
    ImpactPart,
    PathPoint,
    StressCase,
    StressedInstrument,
    StressedSlice,
    StressEngine,
    StressMetric,
    StressScenario,
    shock_at,
)


class Stressed(Protocol):
    """Instruments after a shock."""

    @property
    def profit(self) -> FloatArray:
        """The profit of each, shape (n,)."""

    @property
    def factors(self) -> FloatArray:
        """The same by factor, shape (factors, n)."""


S = TypeVar("S", bound=Stressed)


@dataclass(frozen=True, slots=True)
class WorstMonth(Generic[S]):
    """A portfolio under one scenario at one severity, when it stands worst.

    Attributes:
        scenario: The scenario.
        severity: Its severity.
        month: The month of the largest loss, the first of equals.
        stressed: The instruments then.
        path: The portfolio at every month.
    """

    scenario: StressScenario
    severity: str
    month: float
    stressed: S
    path: tuple[PathPoint, ...]

    @classmethod
    def of(
        cls,
        engine: StressEngine,
        scenario: StressScenario,
        severity: str,
        stress: Callable[[Any], S],
        describe: Callable[[float, S], PathPoint],
    ) -> "WorstMonth[S]":
        """Stress a portfolio at every month of a scenario.

        Args:
            engine: Of the domain.
            scenario: The scenario.
            severity: Its severity.
            stress: Applies a shock.
            describe: Describes the portfolio at a month.
        """
        course = [(month, stress(shock_at(engine, scenario, severity, month))) for month in scenario.months]
        month, stressed = min(course, key=lambda at: float(at[1].profit.sum()))
        return cls(scenario, severity, month, stressed, tuple(describe(*at) for at in course))

    def case(
        self,
        *,
        market_value: float,
        factors: Sequence[str],
        metrics: Mapping[str, float],
        known: Sequence[StressMetric],
        parts: tuple[ImpactPart, ...],
        slices: tuple[StressedSlice, ...],
        worst: tuple[StressedInstrument, ...],
        rounds: tuple[ContagionRound, ...] = (),
    ) -> StressCase:
        """Report it.

        Args:
            market_value: Of the portfolio before the shock.
            factors: The names of the factors.
            metrics: The figures of the domain, by name.
            known: Which of them are reported, in their order.
            parts: Of the impact.
            slices: The portfolio by slice.
            worst: The instruments that lose most.
            rounds: The contagion.
        """
        pnl = float(self.stressed.profit.sum())
        return StressCase(
            scenario=self.scenario.name,
            family=self.scenario.family,
            severity=self.severity,
            month=self.month,
            pnl=pnl,
            pnl_share=pnl / market_value,
            impact=sum(part.points for part in parts),
            parts=parts,
            factors=dict(zip(factors, self.stressed.factors.sum(axis=1).tolist(), strict=True)),
            metrics={metric.name: float(metrics[metric.name]) for metric in known},
            slices=slices,
            worst=worst,
            rounds=rounds,
            path=self.path,
        )


def tail_figures(before: TailRisk, after: TailRisk) -> dict[str, float]:
    """Return the tail risk after a shock by the names of its figures, and that before it with `_before`."""
    return after._asdict() | {f"{name}_before": value for name, value in before._asdict().items()}
