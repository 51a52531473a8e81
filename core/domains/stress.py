"""The interface of stress tests: scenarios with a ladder of severities, and their effect. Light to import.

A domain that can be stressed names one object, its `StressEngine`. `core.stress` runs it, reads users' own scenarios,
and keeps the results; it knows no domain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, runtime_checkable

import msgspec

if TYPE_CHECKING:
    import pandas as pd

    from core.arrays import FloatArray
    from core.domains.domain import DrawRequest
    from core.models.interface import PanelLike
    from core.tables import Table

SEVERITIES = ("mild", "moderate", "severe")
Shock = TypeVar("Shock", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class StressStep:
    """One blow of a scenario.

    Attributes:
        month: When it falls, from the start of the scenario.
        ladder: The shock at each severity, mild first; structs of the domain.
    """

    month: float
    ladder: tuple[Any, Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StressScenario:
    """A scenario of a domain, or of a user's file.

    Attributes:
        name: Its name.
        family: The name that it shares with its variants; a switch of the settings turns a family on.
        title: A few words.
        summary: A sentence.
        steps: The blows, in order.
        horizon_months: Its length; 0: it has no course in time.
        half_life_months: How fast market shocks fade; 0: they stay.
        grade: How well its numbers are founded (`core.domains.calibrated`).
        sources: Where they come from, one each.
    """

    name: str
    family: str
    title: str
    summary: str
    steps: tuple[StressStep, ...]
    horizon_months: float = 0.0
    half_life_months: float = 0.0
    grade: str = "J"
    sources: tuple[str, ...] = ()

    @property
    def months(self) -> tuple[float, ...]:
        """The instants at which it is measured: each blow, and its end if anything fades until then."""
        end = {self.horizon_months} if self.half_life_months and self.horizon_months else set()
        return tuple(sorted({step.month for step in self.steps} | end))


class StressMetric(msgspec.Struct, frozen=True):
    """The description of one figure of every case.

    Attributes:
        name: Its key.
        title: Its words.
        unit: Its unit; "share" is shown in percent.
        rises: Whether more of it is worse; false: less is worse.
    """

    name: str
    title: str
    unit: str
    rises: bool = True


class ImpactPart(msgspec.Struct, frozen=True):
    """One part of the impact: min(1, value / cap) times its weight.

    Attributes:
        name: A metric.
        value: Its value.
        cap: The value from which it counts in full.
        weight: Its weight; the weights add up to 1.
        points: What it adds to the impact.
    """

    name: str
    value: float
    cap: float
    weight: float
    points: float

    @classmethod
    def of(cls, name: str, value: float, cap: float, weight: float) -> Self:
        """Weigh a value; a gain counts as nothing.

        >>> ImpactPart.of("price_fall", 0.1, 0.2, 0.5).points
        0.25
        """
        return cls(name, value + 0.0, cap, weight, weight * min(1.0, max(0.0, value) / cap))


class StressedSlice(msgspec.Struct, frozen=True):
    """The part of a portfolio at one level of a slicing.

    Attributes:
        slicing: Such as a sector.
        level: Its value.
        n: The number of instruments.
        value: Their market value before the shock.
        metrics: A few figures, by name.
    """

    slicing: str
    level: str
    n: int
    value: float
    metrics: dict[str, float]


class StressedInstrument(msgspec.Struct, frozen=True):
    """One instrument under a scenario.

    Attributes:
        name: Its identifier.
        labels: Words about it, by name.
        value: Its market value before the shock.
        pnl: Its profit, negative for a loss.
        factors: The same by factor; they add up to it.
        figures: Numbers about it, by name.
    """

    name: str
    labels: dict[str, str]
    value: float
    pnl: float
    factors: dict[str, float]
    figures: dict[str, float]


class ContagionRound(msgspec.Struct, frozen=True):
    """One round of contagion.

    Attributes:
        round: From 0, the seeds.
        n_new: The number of groups that it hits for the first time.
        n_total: Of all rounds so far.
        by_slice: The new ones by their slice.
    """

    round: int
    n_new: int
    n_total: int
    by_slice: dict[str, int]


class PathPoint(msgspec.Struct, frozen=True):
    """The portfolio at one month of a scenario."""

    month: float
    pnl: float
    metrics: dict[str, float]


class StressCase(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario at one severity.

    Attributes:
        scenario: Its name.
        family: Its family.
        severity: mild, moderate or severe.
        month: When the portfolio stands worst; the figures are of this month.
        pnl: The profit over the portfolio, negative for a loss.
        pnl_share: The same as a share of the market value.
        impact: From 0, nothing, to 1.
        parts: How the impact comes about.
        factors: The profit by factor; they add up to it.
        metrics: The figures of the domain, by name.
        slices: The same by slice.
        worst: The instruments that lose most, the largest loss first.
        rounds: The contagion.
        path: The portfolio over the months.
    """

    scenario: str
    family: str
    severity: str
    month: float
    pnl: float
    pnl_share: float
    impact: float
    parts: tuple[ImpactPart, ...]
    factors: dict[str, float]
    metrics: dict[str, float]
    slices: tuple[StressedSlice, ...]
    worst: tuple[StressedInstrument, ...]
    rounds: tuple[ContagionRound, ...] = ()
    path: tuple[PathPoint, ...] = ()

    @property
    def key(self) -> str:
        """The scenario with its severity."""
        return f"{self.scenario}/{self.severity}"


class StressedPortfolio(Protocol):
    """A domain's instruments, ready to be stressed."""

    @property
    def n_instruments(self) -> int:
        """How many there are."""

    @property
    def market_value(self) -> float:
        """Their value before any shock."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed or left out, a sentence each."""


class StressEngine(Protocol):
    """A domain's way of stressing a portfolio."""

    @property
    def scenarios(self) -> tuple[StressScenario, ...]:
        """The scenarios of the domain."""

    @property
    def shock(self) -> type[msgspec.Struct]:
        """The fields of a shock; every field has a default that does nothing."""

    @property
    def metrics(self) -> tuple[StressMetric, ...]:
        """The figures of a case."""

    @property
    def value_unit(self) -> str:
        """The unit of values and profits."""

    def combined(self, shocks: Sequence[Any]) -> Any:
        """Return several shocks at once."""

    def scaled(self, shock: Any, share: float) -> Any:
        """Return a share of a shock: 0 is none, 1 is all of it."""

    def portfolio(self, table: "Table") -> StressedPortfolio:
        """Read positions from a table.

        Raises:
            TableError: It lacks a column, or a cell is wrong.
        """

    def drawn_portfolio(self, frame: "pd.DataFrame") -> StressedPortfolio:
        """Take a panel of the domain as positions."""

    def run(
        self, portfolio: Any, scenarios: Sequence[StressScenario], severities: Sequence[str]
    ) -> tuple[StressCase, ...]:
        """Stress a portfolio, deterministically."""

    def instruments(self, portfolio: Any, scenario: StressScenario, severity: str) -> "pd.DataFrame":
        """Return every instrument under one scenario."""

    @property
    def n_plausible(self) -> int:
        """The number of independent standard normals that make a macro shock of a year."""

    def plausible(self, point: "FloatArray") -> Any:
        """Return the macro shock at a point of standard normals: how far it is from 0 says how plausible it is."""

    def profit(self, portfolio: Any, shock: Any) -> float:
        """Return the profit under one shock, and nothing else: the search for a shock asks it many times."""


@runtime_checkable
class LabelStressEngine(StressEngine, Protocol):
    """An engine that draws panels of its domain under a shock, so that models can be stressed."""

    def stressed_panel(self, request: "DrawRequest", shock: Any) -> "PanelLike":
        """Draw the panel of a request with covariates moved by a shock, and labels and truth drawn again.

        Without a shock it is the panel that the domain draws, byte for byte.
        """


@runtime_checkable
class StressedDomain(Protocol):
    """A domain with stress tests; `stress` is the place of its engine, as `module:attribute`.

    It may also have `stress_columns`: of words by which its reports call slices, labels and figures, the columns that
    they tell of, and of "name" those that make the name of an instrument. A word without columns is one itself.
    """

    @property
    def stress(self) -> str:
        """Where its `StressEngine` is."""


def ladder_step(severity: str) -> int:
    """Return the place of a severity on a ladder.

    >>> ladder_step("severe")
    2
    """
    return SEVERITIES.index(severity)


def ladder_of(kind: type[Shock], fields: Mapping[str, Any]) -> tuple[Shock, Shock, Shock]:
    """Return the shock at each severity.

    Args:
        kind: The struct of a shock.
        fields: A tuple has the three values of a field, in a block of levels, too; other values hold at each.
    """
    mild, moderate, severe = (kind(**_at_place(fields, place)) for place in range(len(SEVERITIES)))
    return mild, moderate, severe


def _at_place(fields: Mapping[str, Any], place: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            found[name] = _at_place(value, place)
        else:
            found[name] = value[place] if isinstance(value, tuple) else value
    return found


def shock_at(engine: StressEngine, scenario: StressScenario, severity: str, month: float) -> Any:
    """Return the shock of a scenario at a month: each blow so far, faded by its age, all at once."""
    place = ladder_step(severity)
    fallen = [step for step in scenario.steps if step.month <= month]
    return engine.combined([_faded(engine, scenario, step, place, month) for step in fallen])


def _faded(engine: StressEngine, scenario: StressScenario, step: StressStep, place: int, month: float) -> Any:
    """Return one blow at a later month."""
    shock, age = step.ladder[place], month - step.month
    if not scenario.half_life_months or not age:
        return shock
    return engine.scaled(shock, 0.5 ** (age / scenario.half_life_months))


def fields_set(shock: msgspec.Struct) -> Mapping[str, Any]:
    """Return the fields of a shock that differ from their defaults."""
    calm = type(shock)()
    names = shock.__struct_fields__
    return {name: getattr(shock, name) for name in names if getattr(shock, name) != getattr(calm, name)}
