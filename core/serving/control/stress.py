"""Stress tests over HTTP."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from core.explain.deny_list import DenyList
from core.serving.authenticator import Caller
from core.serving.control.admission import LOOK, OPERATE, Given
from core.serving.errors import BadRequestError
from core.settings import settings_in_force
from core.state import Workspace
from core.stress.comparison import CaseChange, compare_tests
from core.stress.report import StressReport
from core.stress.reverse import ReverseStress
from core.stress.stored_tests import StressTest, StressTests
from core.training.own_data.given_rows import MOST_ROWS

SEARCHED_ROWS = 300
"""Of a panel by default where each shock that is tried costs a whole stress test: hundreds are tried."""
_Names = Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(max_length=200)]


class NewStressTest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a new stress test."""

    domain: str | None = None  # by default that of the settings
    positions: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=MOST_ROWS)] | None = None  # else a panel
    n_rows: Annotated[int, Meta(ge=1, le=MOST_ROWS)] | None = None  # of the panel; by default 3000
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None  # of the panel; by default 42
    scenarios: _Names = []  # names or families; by default all
    severities: _Names = []  # by default all
    models: _Names = []  # registered versions, such as spread@1.2.0, on the drawn panel
    reason: str = ""


class NewReverseStress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a reverse stress test: exactly one of loss, impact and gates."""

    loss: Annotated[float, Meta(gt=0, le=1)] | None = None  # share of the market value
    impact: Annotated[float, Meta(gt=0, le=1)] | None = None
    gates: _Names | None = None  # of the drawn panel, one of which is to fail; empty: any
    domain: str | None = None  # by default that of the settings
    positions: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=MOST_ROWS)] | None = None  # else a panel
    n_rows: Annotated[int, Meta(ge=1, le=MOST_ROWS)] | None = (
        None  # of the panel; by default 3000, or 300 without a loss
    )
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None  # of the panel; by default 42
    scenarios: _Names = []  # names or families to search along; by default all
    severities: _Names = []  # the severest counts; by default severe


class ListedStep(msgspec.Struct, frozen=True, kw_only=True):
    """One blow of a scenario: the fields that move, by severity."""

    month: float
    shocks: dict[str, dict[str, Any]]


class ListedScenario(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario to choose."""

    name: str
    family: str
    title: str
    summary: str
    horizon_months: float
    half_life_months: float
    grade: str
    sources: list[str]
    steps: list[ListedStep]


class StressRoutes(Controller):
    """Stress tests."""

    path = "/stress"
    tags = ["stress"]

    @get("/", opt=LOOK, sync_to_thread=True)
    def list_tests(self, workspace: Given[Workspace]) -> list[StressTest]:
        """List the stress tests that were kept, the newest first."""
        return StressTests(workspace).all()

    @post("/", opt=OPERATE, sync_to_thread=True)
    def run_test(self, workspace: Given[Workspace], caller: Given[Caller], data: JSONBody[NewStressTest]) -> StressTest:
        """Stress positions, or a panel that the domain draws, and keep the result; the answer names its report."""
        from core.stress.choosing import DRAWN_ROWS
        from core.stress.stress_test import StressRequest, run_stress_test
        from core.training.own_data.given_rows import rows_as_file
        from core.training.version_stress import stress_versions

        domain = data.domain or settings_in_force(workspace.root).training.domain
        request = StressRequest(
            domain=domain,
            denied=DenyList.of_cells_in_force(workspace.root),
            scenarios=data.scenarios,
            severities=data.severities,
        )
        if data.positions is None:
            seed = 42 if data.seed is None else data.seed
            drawn = request.of_panel(data.n_rows or DRAWN_ROWS, seed)
            if data.models:
                training = settings_in_force(workspace.root).training
                report = stress_versions(workspace, drawn, data.models, training)
            else:
                report = run_stress_test(drawn)
        else:
            if data.n_rows is not None or data.seed is not None:
                raise BadRequestError("goes with a drawn panel; leave it or the positions out", field="n_rows")
            if data.models:
                raise BadRequestError("are stressed on a drawn panel; leave them or the positions out", field="models")
            with rows_as_file(data.positions) as file:
                report = msgspec.structs.replace(run_stress_test(request.of_file(file)), portfolio="positions")
        return StressTests(workspace).keep(report, caller.actor, reason=data.reason)

    @post("/reverse", opt=OPERATE, sync_to_thread=True, status_code=200)
    def reverse(self, workspace: Given[Workspace], data: JSONBody[NewReverseStress]) -> list[ReverseStress]:
        """Search the smallest shock that loses too much, has an impact, or fails a gate; nothing is kept."""
        from core.stress.choosing import DRAWN_ROWS
        from core.stress.stress_test import ReverseAim, StressRequest, reverse_stress
        from core.training.own_data.given_rows import rows_as_file

        training = settings_in_force(workspace.root).training
        request = StressRequest(
            domain=data.domain or training.domain,
            denied=DenyList.of_cells_in_force(workspace.root),
            scenarios=data.scenarios,
            severities=data.severities,
        )
        aim = ReverseAim(
            loss_share=data.loss, impact=data.impact, gates=data.gates or (), any_gate=data.gates is not None
        )
        if data.positions is None:
            usual = DRAWN_ROWS if data.loss is not None else SEARCHED_ROWS
            drawn = request.of_panel(data.n_rows or usual, 42 if data.seed is None else data.seed)
            return list(reverse_stress(drawn, aim, quality=training.quality_gates))
        if data.n_rows is not None or data.seed is not None:
            raise BadRequestError("goes with a drawn panel; leave it or the positions out", field="n_rows")
        with rows_as_file(data.positions) as file:
            return list(reverse_stress(request.of_file(file), aim))

    @get("/scenarios", opt=LOOK, sync_to_thread=True)
    def list_scenarios(self, workspace: Given[Workspace], domain: FromQuery[str | None] = None) -> list[ListedScenario]:
        """List the scenarios of a domain, with the fields that each severity moves."""
        from core.domains.stress import SEVERITIES, fields_set
        from core.stress.choosing import stress_engine

        engine = stress_engine(domain or settings_in_force(workspace.root).training.domain)
        return [
            ListedScenario(
                **{name: getattr(scenario, name) for name in ("name", "family", "title", "summary", "grade")},
                horizon_months=scenario.horizon_months,
                half_life_months=scenario.half_life_months,
                sources=list(scenario.sources),
                steps=[
                    ListedStep(
                        month=step.month,
                        shocks={
                            severity: dict(fields_set(shock))
                            for severity, shock in zip(SEVERITIES, step.ladder, strict=True)
                        },
                    )
                    for step in scenario.steps
                ],
            )
            for scenario in engine.scenarios
        ]

    @get("/compare", opt=LOOK, sync_to_thread=True)
    def compare(self, workspace: Given[Workspace], before: FromQuery[str], after: FromQuery[str]) -> list[CaseChange]:
        """Compare what two stress tests lose, case by case."""
        tests = StressTests(workspace)
        return list(compare_tests(tests.get(before), tests.get(after)))

    @get("/{test_id:str}", opt=LOOK, sync_to_thread=True)
    def show_test(self, workspace: Given[Workspace], test_id: FromPath[str]) -> StressReport:
        """Return the whole report of a stress test."""
        return StressTests(workspace).report(test_id)
