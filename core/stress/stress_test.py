"""One stress test: a portfolio, scenarios and severities in, a report out. The same input gives the same bytes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.domains.registry import session_domain
from core.domains.stress import StressedPortfolio, StressEngine, StressScenario
from core.errors import UsageError
from core.explain.deny_list import NONE_DENIED, DenyList
from core.progress import begins
from core.settings.quality import QualityGates
from core.stress.choosing import (
    DRAWN_ROWS,
    all_scenarios,
    chosen_scenarios,
    chosen_severities,
    drawn_portfolio,
    drawn_request,
    label_engine,
    portfolio_of_file,
    stress_engine,
)
from core.stress.report import StressReport
from core.stress.reverse import (
    ReverseStress,
    ReverseTarget,
    along_scenario,
    gate_target,
    impact_target,
    least_favourable,
    loss_target,
)
from core.tables import ReadingRules

if TYPE_CHECKING:
    import pandas as pd

MOST_CASES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StressRequest:
    """What is to be stressed, and by what.

    Attributes:
        domain: The domain.
        portfolio: A file of positions; None: a panel that the domain draws.
        n_rows: Rows of that panel.
        seed: Its seed.
        scenarios: Names of scenarios or families; empty: all of the domain, and of the files.
        severities: Empty: all.
        scenario_files: Users' own scenarios.
        rules: How the file of positions is to be read.
        denied: The columns whose cells no refusal of that file may quote, and that make no slices.
    """

    domain: str
    portfolio: Path | None = None
    n_rows: int = DRAWN_ROWS
    seed: int = 42
    scenarios: Sequence[str] = ()
    severities: Sequence[str] = ()
    scenario_files: Sequence[Path] = ()
    rules: ReadingRules | None = None
    denied: DenyList = NONE_DENIED

    def of_panel(self, n_rows: int, seed: int) -> "StressRequest":
        """Return this request for a drawn panel."""
        return replace(self, portfolio=None, n_rows=n_rows, seed=seed)

    def of_file(self, path: Path) -> "StressRequest":
        """Return this request for a file of positions."""
        return replace(self, portfolio=path)


def run_stress_test(request: StressRequest) -> StressReport:
    """Run a stress test.

    Raises:
        UsageError: The request is wrong.
        TableError: The file of positions cannot be used.
        SettingsError: A file of scenarios has a fault.
    """
    engine = stress_engine(request.domain)
    scenarios, severities = _chosen(request, engine)
    if request.portfolio is None:
        name = f"panel of {request.n_rows:,} rows, seed {request.seed}"
    else:
        name = request.portfolio.name
    report = stressed(request.domain, engine, _held(request, engine), name, scenarios, severities)
    return report.without_denied(request.denied)


def chosen_cases(request: StressRequest) -> list[tuple[StressScenario, str]]:
    """Return each scenario of a request with each severity.

    Raises:
        UsageError: The request is wrong.
        SettingsError: A file of scenarios has a fault.
    """
    scenarios, severities = _chosen(request, stress_engine(request.domain))
    return [(scenario, severity) for scenario in scenarios for severity in severities]


def instrument_table(request: StressRequest) -> "pd.DataFrame":
    """Return every instrument under the one case of a request.

    Raises:
        UsageError: The request has several cases, or is wrong.
        TableError: The file of positions cannot be used.
        SettingsError: A file of scenarios has a fault.
    """
    engine = stress_engine(request.domain)
    scenarios, severities = _chosen(request, engine)
    if len(scenarios) * len(severities) != 1:
        raise UsageError(
            f"Instruments are of one case, and this is {len(scenarios) * len(severities)}: name one --scenario and "
            "one --severity."
        )
    return engine.instruments(_held(request, engine), scenarios[0], severities[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class ReverseAim:
    """What a reverse stress test searches: exactly one of these.

    Attributes:
        loss_share: Of the market value.
        impact: From 0 to 1.
        gates: Quality gates of which one is to fail; empty with `any_gate`: any.
        any_gate: Whether a gate is to fail.
    """

    loss_share: float | None = None
    impact: float | None = None
    gates: Sequence[str] = ()
    any_gate: bool = False

    def __post_init__(self) -> None:
        n = (self.loss_share is not None) + (self.impact is not None) + (self.any_gate or bool(self.gates))
        if n != 1:
            raise UsageError("Name exactly one of a loss, an impact and gates.")


def reverse_stress(
    request: StressRequest, aim: ReverseAim, *, quality: QualityGates | None = None
) -> tuple[ReverseStress, ...]:
    """Search the smallest shock at which a portfolio loses a share, has an impact, or a quality gate fails.

    Args:
        request: The portfolio; and the scenarios to search along, at the severest of its severities.
        aim: What is searched. Gates judge the panel of the request.
        quality: The thresholds of the gates.
    Returns:
        One along each scenario of one blow, and the one in the least favourable direction.
    Raises:
        UsageError: The request is wrong.
        TableError: The file of positions cannot be used.
        SettingsError: A file of scenarios has a fault.
    """
    engine = stress_engine(request.domain)
    scenarios, severities = _chosen(request, engine)
    is_of_gates = aim.any_gate or bool(aim.gates)
    gates = _gate_target(request, engine, aim, quality) if is_of_gates else None
    held = _held(request, engine)
    target = gates or _portfolio_target(engine, held, aim)
    found = []
    for scenario in scenarios:
        if len(scenario.steps) == 1:
            begins(f"searching along {scenario.name}")
            found.append(along_scenario(engine, held, scenario, severities[-1], target))
    begins(f"searching the least favourable shock to {held.n_instruments:,} instruments")
    return (*found, least_favourable(engine, held, target))


def _portfolio_target(engine: StressEngine, held: StressedPortfolio, aim: ReverseAim) -> ReverseTarget:
    if aim.loss_share is not None:
        return loss_target(engine, held, aim.loss_share)
    assert aim.impact is not None
    return impact_target(engine, held, aim.impact)


def _gate_target(
    request: StressRequest, engine: StressEngine, aim: ReverseAim, quality: QualityGates | None
) -> ReverseTarget:
    if request.portfolio is not None:
        raise UsageError("Gates judge a drawn panel: leave the file of positions out.")
    panel = drawn_request(request.domain, n_rows=request.n_rows, seed=request.seed)
    checks = session_domain(request.domain).checks
    return gate_target(label_engine(request.domain, engine), panel, checks, gates=quality, wanted=aim.gates)


def _chosen(request: StressRequest, engine: StressEngine) -> tuple[tuple[StressScenario, ...], tuple[str, ...]]:
    scenarios = chosen_scenarios(all_scenarios(engine, request.scenario_files), request.scenarios)
    severities = chosen_severities(request.severities)
    if len(scenarios) * len(severities) > MOST_CASES:
        raise UsageError(f"{len(scenarios) * len(severities):,} cases; at most {MOST_CASES:,}: choose scenarios.")
    return scenarios, severities


def _held(request: StressRequest, engine: StressEngine) -> StressedPortfolio:
    if request.portfolio is None:
        return drawn_portfolio(request.domain, engine, n_rows=request.n_rows, seed=request.seed)
    with request.denied.withholding():
        return portfolio_of_file(engine, request.portfolio, request.rules)


def stressed(
    domain: str,
    engine: StressEngine,
    portfolio: StressedPortfolio,
    name: str,
    scenarios: Sequence[StressScenario],
    severities: Sequence[str],
) -> StressReport:
    """Stress a portfolio that is ready."""
    begins(f"stressing {portfolio.n_instruments:,} instruments, {len(scenarios) * len(severities):,} cases")
    return StressReport(
        domain=domain,
        portfolio=name,
        n_instruments=portfolio.n_instruments,
        market_value=portfolio.market_value,
        value_unit=engine.value_unit,
        cases=engine.run(portfolio, scenarios, severities),
        notes=portfolio.notes,
    )
