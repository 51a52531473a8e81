"""Stored stress tests of a small portfolio and of a version, whose figures are made up."""

from pathlib import Path

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.state import Workspace
from core.stress.model_figures import ModelCase, ModelUnderStress
from core.stress.report import StressReport
from core.stress.stored_tests import StressTest, StressTests
from core.stress.stress_test import StressRequest, run_stress_test

ONE_BOND = "bond_id,rating,coupon_pct,maturity_years,ytm_pct,position_musd\nA,BBB,4,20,4,10\n"


def under_stress(version: str, *, error: float = 30.0) -> ModelUnderStress:
    """Return a version whose error in calm is 10.

    Args:
        version: Such as "spread@1.2.0".
        error: Under the severe rise of rates.
    """
    calm = ModelCase(scenario="calm", family="", severity="", figures={"error": 10.0})
    figures = {"error": error, "attainment": 0.8}
    case = ModelCase(scenario="rates_up", family="rate_shock", severity="severe", figures=figures, gates=("coverage",))
    return ModelUnderStress(model=version, panel="p", n_rows=9, calm=calm, cases=(case,))


def kept(
    workspace: Workspace, report: StressReport, *models: ModelUnderStress, clock: Clock = utc_now, **changes: str
) -> StressTest:
    """Store a report, with models under it.

    Args:
        workspace: Where.
        report: The report.
        models: The models.
        clock: The time.
        changes: Other fields of the report.
    """
    report = msgspec.structs.replace(report, models=models, **changes)
    return StressTests(workspace, clock=clock).keep(report, Actor.engine())


def stressed(workspace: Workspace, version: str) -> None:
    """Store a test of a drawn panel and a version.

    Args:
        workspace: The workspace.
        version: Such as "spread@1.2.0".
    """
    request = StressRequest(domain="bonds", n_rows=60, seed=1, scenarios=["rates_up"], severities=["severe"])
    kept(workspace, run_stress_test(request), under_stress(version))


def one_bond(folder: Path, *severities: str) -> StressReport:
    """Stress a bond in USD by a rise of rates.

    Args:
        folder: Where its file is written.
        severities: By default all.
    """
    path = folder / "book.csv"
    path.write_text(ONE_BOND)
    request = StressRequest(domain="bonds", portfolio=path, scenarios=["rates_up"], severities=severities)
    return run_stress_test(request)
