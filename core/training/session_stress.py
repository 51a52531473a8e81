"""The stress tests of a session: on the draw of every few epochs, and on the validation panel for the final report."""

import logging

import pandas as pd

from core.domains.registry import find_domain
from core.domains.report_section import ReportSection
from core.domains.stress import (
    SEVERITIES,
    LabelStressEngine,
    StressCase,
    StressedDomain,
    StressedPortfolio,
    StressEngine,
    StressScenario,
)
from core.errors import UsageError
from core.settings import TrainingSettings
from core.stress.choosing import stress_engine
from core.stress.report import StressReport

log = logging.getLogger(__name__)

PREFIX = "stress."
"""Of the metrics of an epoch that a stress test adds; no model of a domain can have this name."""


def stress_announcements(settings: TrainingSettings) -> tuple[str, ...]:
    """Say so if stress tests are on and the session's domain has none, or if rows are to be stressed without them."""
    stressed = settings.stress_testing
    if not stressed.enable_stress_testing:
        if not stressed.stressed_share:
            return ()
        return (
            f"stress_testing.stressed_share is {stressed.stressed_share:g}, but enable_stress_testing is off: "
            "no row is drawn under a scenario.",
        )
    if not isinstance(find_domain(settings.domain), StressedDomain):
        return (
            f"stress_testing.enable_stress_testing is on, but the domain {settings.domain} has no stress tests: "
            "no scenario is run.",
        )
    if stressed.stressed_share and not isinstance(stress_engine(settings.domain), LabelStressEngine):
        return (
            f"stress_testing.stressed_share is {stressed.stressed_share:g}, but the domain {settings.domain} draws no "
            "labels under stress: no row is drawn under a scenario.",
        )
    return ()


class SessionStress:
    """Runs the scenarios that the settings switch on; the same data give the same figures."""

    def __init__(self, settings: TrainingSettings) -> None:
        """Choose the cases.

        Args:
            settings: Of the session; without stress tests, or in a domain that has none, nothing is ever run.
        """
        self._settings = settings.stress_testing
        self._domain = settings.domain
        is_on = self._settings.enable_stress_testing and isinstance(find_domain(settings.domain), StressedDomain)
        self._engine: StressEngine | None = stress_engine(settings.domain) if is_on else None

    def is_due(self, number: int) -> bool:
        """Whether the draw of an epoch is to be stressed."""
        return self._engine is not None and number % self._settings.stress_test_interval_epochs == 0

    def metrics(self, frame: pd.DataFrame) -> dict[str, float]:
        """Stress the rows of a draw: the worst loss and impact, and the mean impact."""
        if not (cases := self._cases(frame)):
            return {}
        impacts = [case.impact for case in cases]
        return {
            f"{PREFIX}worst_loss_share": max(0.0, *(-case.pnl_share for case in cases)),
            f"{PREFIX}worst_impact": max(impacts),
            f"{PREFIX}mean_impact": sum(impacts) / len(impacts),
        }

    def report(self, frame: pd.DataFrame) -> StressReport | None:
        """Stress the rows of the validation panel; None where nothing is stressed."""
        if self._engine is None or (held := self._held(self._engine, frame)) is None:
            return None
        cases = self._stressed(self._engine, held)
        if not cases:
            return None
        return StressReport(
            domain=self._domain,
            portfolio="validation panel",
            n_instruments=held.n_instruments,
            market_value=held.market_value,
            value_unit=self._engine.value_unit,
            cases=cases,
            notes=held.notes,
        )

    def sections(self, frame: pd.DataFrame) -> tuple[ReportSection, ...]:
        """Stress the rows of a panel, for the final report."""
        report = self.report(frame)
        return () if report is None else (case_section(report),)

    def _cases(self, frame: pd.DataFrame) -> tuple[StressCase, ...]:
        if self._engine is None or (held := self._held(self._engine, frame)) is None:
            return ()
        return self._stressed(self._engine, held)

    def _held(self, engine: StressEngine, frame: pd.DataFrame) -> StressedPortfolio | None:
        try:
            return engine.drawn_portfolio(frame)
        except UsageError as error:
            log.warning("the draw cannot be stressed: %s", error)
            return None

    def _stressed(self, engine: StressEngine, held: StressedPortfolio) -> tuple[StressCase, ...]:
        found: list[StressCase] = []
        for severity, scenarios in self.chosen():
            found += engine.run(held, scenarios, (severity,))
        return tuple(found)

    @property
    def engine(self) -> StressEngine | None:
        """The engine of the domain; None: nothing is stressed."""
        return self._engine

    def chosen(self) -> list[tuple[str, list[StressScenario]]]:
        """Return the scenarios of each severity, the severest first, as many in all as the settings say."""
        if self._engine is None:
            return []
        off = self._settings.families_off
        known = [scenario for scenario in self._engine.scenarios if scenario.family not in off]
        left, chosen = self._settings.scenario_count, []
        for severity in reversed(SEVERITIES):
            if part := known[:left]:
                chosen.append((severity, part))
                left -= len(part)
        return chosen


def case_section(report: StressReport) -> ReportSection:
    """Write out what a panel loses under each scenario, for the final report."""
    factors = tuple(report.cases[0].factors)
    return ReportSection(
        title="Stress tests",
        about="What the validation panel would lose under each scenario, as a share of its market value, in "
        "total and by factor, and the impact from 0 to 1.",
        columns=("scenario", "severity", "profit", "impact", *factors),
        rows=tuple(_row(case, factors) for case in report.cases),
    )


def _row(case: StressCase, factors: tuple[str, ...]) -> tuple[str, ...]:
    share = case.pnl_share / case.pnl if case.pnl else 0.0
    shares = (f"{case.factors[name] * share:+.2%}" for name in factors)
    return (case.scenario, case.severity, f"{case.pnl_share:+.2%}", f"{case.impact:.3f}", *shares)
