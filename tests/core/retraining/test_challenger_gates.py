"""A new version that is not explained, or that fails under stress, is rejected before it is registered."""

import msgspec
import pytest

from core.quality.gate import GateVerdict
from core.registry import Registry
from core.retraining.challenger_gates import judge_stress
from core.retraining.document import RetrainingPhase, StepName
from core.settings import PolicySource
from core.settings.retraining import RetrainingPolicy, RetrainingSource, RetrainingValidation, StressGate
from core.state import Workspace
from core.stress.model_figures import ModelCase, ModelUnderStress
from core.training import panels as panels_module
from tests.clocks import HandClock
from tests.end_to_end import market
from tests.retraining_world import ANA, MODEL, World
from tests.session_trained import put_live, recipe

SCENARIO = "global_liquidity_freeze"
WHOLE = RetrainingValidation(
    margin=0.5,
    slice_margin=5,
    require_explanation=True,
    stress=StressGate(scenarios=(SCENARIO,), rows=500, max_error_ratio=1.5),
)
RULES = RetrainingPolicy(source=RetrainingSource(kind="generator"), min_samples=300, validation=WHOLE)


@pytest.fixture
def bonds(workspace: Workspace, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(panels_module, "VALIDATION_ROWS", 400)
    monkeypatch.setattr(panels_module, "TEST_ROWS", 600)
    put_live(workspace, Registry(workspace, clock=clock), recipe("bonds", "liquidity_shock", "linear"))
    return World(workspace, clock)


def under_stress(name: str, *errors: float, figure: str = "error") -> ModelUnderStress:
    cases = tuple(
        ModelCase(scenario=f"crisis {number}", family="", severity="severe", figures={figure: error})
        for number, error in enumerate(errors)
    )
    return ModelUnderStress(model=name, panel="", n_rows=500, calm=cases[0], cases=cases)


@pytest.mark.parametrize(
    ("live", "new", "verdict", "said"),
    [
        pytest.param(
            (2.0, 4.0), (2.1, 4.0), GateVerdict.PASS, "crisis 0/severe: error 2.1 against 2", id="a bit worse"
        ),
        pytest.param((2.0, 4.0), (2.0, 5.0), GateVerdict.FAIL, "crisis 1/severe: error 5 against 4", id="one crisis"),
        pytest.param((0.0, 4.0), (1.0, 4.0), GateVerdict.FAIL, "crisis 0", id="against a live version without error"),
    ],
)
def test_the_worst_scenario_decides(live, new, verdict, said) -> None:
    found = judge_stress(under_stress("live", *live), under_stress("new", *new), StressGate(max_error_ratio=1.1))
    assert found.verdict is verdict
    assert said in found.reason
    assert len(found.offending) == (verdict is GateVerdict.FAIL)


def test_where_no_truth_is_known_the_loss_on_the_labels_counts_and_else_nothing_is_judged() -> None:
    rules = StressGate(max_error_ratio=1.1)
    by_loss = judge_stress(under_stress("a", 1.0, figure="loss"), under_stress("b", 3.0, figure="loss"), rules)
    assert by_loss.value == 3.0
    unknown = judge_stress(under_stress("a", 1.0, figure="auc"), under_stress("b", 3.0, figure="auc"), rules)
    assert (unknown.value, unknown.blocks) == (None, True)


def test_both_gates_are_judged_in_words_and_an_explained_robust_version_is_registered(bonds: World) -> None:
    asked = bonds.retrainings.now("liquidity_shock", actor=ANA, policy=RULES)
    proposed = bonds.run(asked.retraining_id, to=RetrainingPhase.AWAITING_APPROVAL)
    step = proposed.observed.step(StepName.VALIDATE)
    assert "; explainability: " in step.reason
    assert "; stress: " in step.reason
    assert f"worst under {SCENARIO}/severe: error" in step.reason
    assert [gate["name"] for gate in step.evidence["gates"]] == ["explainability", "stress"]
    bonds.pipeline.close()


@pytest.mark.journey
def test_a_version_that_errs_more_under_stress_is_rejected_and_not_registered(bonds: World) -> None:
    harsh = msgspec.structs.replace(WHOLE.stress, max_error_ratio=0.01)
    policy = msgspec.structs.replace(RULES, validation=msgspec.structs.replace(WHOLE, stress=harsh))
    asked = bonds.retrainings.now("liquidity_shock", actor=ANA, policy=policy)
    rejected = bonds.run(asked.retraining_id, to=RetrainingPhase.REJECTED)
    assert "stress: " in rejected.observed.reason
    assert "times the live version's error > 0.01" in rejected.observed.reason
    assert bonds.registry.numbers("liquidity_shock") == ["1.0.0"]
    bonds.pipeline.close()


@pytest.mark.journey
def test_a_version_without_an_explanation_is_rejected_where_the_policy_of_promotions_wants_one(world: World) -> None:
    file = world.workspace.settings_file
    text = file.read_text().replace("promotion: {", "promotion: {require_explainability: true, ")
    file.write_text(f"explanation: {{rows: 0}}\n{text}")
    world.offer(*market.flats(300, seed=2, dearer=1.4))
    asked = world.retrainings.now(MODEL, actor=ANA)
    rejected = world.run(asked.retraining_id, to=RetrainingPhase.REJECTED)
    assert "explainability: could not be measured" in rejected.observed.reason
    assert world.registry.numbers(MODEL) == ["1.0.0"]


@pytest.mark.journey
def test_a_model_that_no_domain_can_stress_is_rejected_in_words(world: World) -> None:
    world.offer(*market.flats(300, seed=2, dearer=1.4))
    policy = PolicySource(world.workspace.root).policy().for_model(MODEL).retraining
    wanted = msgspec.structs.replace(policy.validation, stress=StressGate())
    asked = world.retrainings.now(MODEL, actor=ANA, policy=msgspec.structs.replace(policy, validation=wanted))
    rejected = world.run(asked.retraining_id, to=RetrainingPhase.REJECTED)
    assert "no domain with stress tests has a model rents" in rejected.observed.reason
