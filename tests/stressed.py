"""A stored stress test of a small portfolio and of a version, whose figures are made up."""

import msgspec

from core.actor import Actor
from core.state import Workspace
from core.stress.model_figures import ModelCase, ModelUnderStress
from core.stress.stored_tests import StressTests
from core.stress.stress_test import StressRequest, run_stress_test


def stressed(workspace: Workspace, version: str) -> None:
    """Store it.

    Args:
        workspace: The workspace.
        version: Such as "spread@1.2.0".
    """
    request = StressRequest(domain="bonds", n_rows=60, seed=1, scenarios=["rates_up"], severities=["severe"])
    calm = ModelCase(scenario="calm", family="", severity="", figures={"error": 10.0})
    figures = {"error": 30.0, "attainment": 0.8}
    case = ModelCase(scenario="rates_up", family="rate_shock", severity="severe", figures=figures, gates=("coverage",))
    model = ModelUnderStress(model=version, panel="p", n_rows=9, calm=calm, cases=(case,))
    report = msgspec.structs.replace(run_stress_test(request), models=(model,))
    StressTests(workspace).keep(report, Actor.engine())
