"""Plans: what of a policy becomes one, and which are refused before the first request."""

import msgspec
import pytest

from core.rollout import Guard, GuardSource, RolloutStep, Strategy, make_plan
from core.settings.policy import CanaryPolicy


@pytest.mark.parametrize(
    ("strategy", "shares", "guards"),
    [
        pytest.param(Strategy.CANARY, (0.05, 0.1, 0.2), {"errors", "slow", "loss"}, id="a canary grows to its ceiling"),
        pytest.param(Strategy.BLUE_GREEN, (1.0,), {"errors", "slow"}, id="a switch has no means to compare"),
        pytest.param(Strategy.AB, (0.5,), {"errors", "slow", "loss"}, id="a split stays"),
        pytest.param(Strategy.SHADOW, (0.0,), {"errors", "slow", "loss"}, id="a shadow answers no caller"),
    ],
)
def test_a_policy_becomes_a_plan_for_each_strategy(strategy, shares, guards) -> None:
    plan = make_plan(strategy, CanaryPolicy(latency_limit_ms=50.0))
    assert tuple(step.share for step in plan.steps) == shares
    assert {guard.name for guard in plan.guards} == guards
    assert (plan.alpha, plan.beta) == (0.01, 0.05)


def test_without_a_limit_latency_is_not_judged() -> None:
    assert [guard.name for guard in make_plan(Strategy.CANARY).guards] == ["errors", "loss"]
    (slow,) = (guard for guard in make_plan(Strategy.CANARY, stable_p99_ms=5.0).guards if guard.name == "slow")
    assert slow.limit == 7.5


@pytest.mark.parametrize(("share", "shares"), [(0.1, (0.1, 0.2)), (0.2, (0.2,)), (0.01, (0.01, 0.05, 0.1, 0.2))])
def test_a_canary_may_begin_at_another_share(share, shares) -> None:
    assert tuple(step.share for step in make_plan(Strategy.CANARY, share=share).steps) == shares


def test_the_guards_share_alpha_so_that_all_together_keep_it(plan_of) -> None:
    guards = tuple(Guard(name=name, source=GuardSource.ERRORS) for name in "abcd")
    assert plan_of(guards=guards).alpha_per_guard == pytest.approx(0.0025)


@pytest.mark.parametrize(
    ("strategy", "wrong", "says"),
    [
        pytest.param(Strategy.CANARY, {"ceiling": 0.1}, "ceiling", id="above its ceiling"),
        pytest.param(Strategy.CANARY, {"steps": ()}, "grow", id="no step"),
        pytest.param(
            Strategy.CANARY, {"steps": (RolloutStep(share=0.2), RolloutStep(share=0.1))}, "grow", id="falling shares"
        ),
        pytest.param(Strategy.CANARY, {"steps": (RolloutStep(share=0.0),)}, "between 0", id="a step without traffic"),
        pytest.param(Strategy.CANARY, {"guards": ()}, "needs guards", id="nothing to be judged by"),
        pytest.param(
            Strategy.CANARY,
            {"guards": (Guard(name="loss", source=GuardSource.LOSS, required=False),)},
            "required",
            id="no guard that could show safety",
        ),
        pytest.param(Strategy.AB, {"primary": "profit"}, "primary", id="an unknown primary"),
        pytest.param(
            Strategy.BLUE_GREEN,
            {"guards": (Guard(name="errors", source=GuardSource.ERRORS),)},
            "tolerated_share",
            id="a switch without an objective",
        ),
    ],
)
def test_a_plan_that_cannot_work_is_refused(plan_of, strategy, wrong, says) -> None:
    with pytest.raises(ValueError, match=says):
        plan_of(strategy, **wrong)


def test_a_guard_that_counts_needs_to_know_what(plan_of) -> None:
    with pytest.raises(ValueError, match="needs a limit"):
        Guard(name="slow", source=GuardSource.SLOW)
    with pytest.raises(ValueError, match="mean"):
        Guard(name="loss", source=GuardSource.LOSS, tolerated_share=0.1)


@pytest.mark.parametrize("strategy", Strategy)
def test_a_plan_survives_its_document(plan_of, strategy) -> None:
    plan = plan_of(strategy)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=type(plan)) == plan
