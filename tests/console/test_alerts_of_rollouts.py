"""R, K and X on an alert act on what the alert names, and on nothing else."""

import pytest

from console.presentation.alerts import advice, worst_key
from core.alerts import Alerts, fingerprint_of
from core.registry import Registry, Stage
from core.rollout import RolloutPhase, Rollouts, Strategy
from tests.console.conftest import NOW
from tools.demo import OPERATOR


@pytest.fixture
def rolled_back(workspace):
    """Return a rollout that rolled its candidate back, with its alert open."""
    rollout = next(each for each in Rollouts(workspace).all() if each.observed.phase is RolloutPhase.ROLLED_BACK)
    labels = {"model": rollout.model, "rollout": rollout.rollout_id}
    Alerts(workspace).fire("rollout_rolled_back", labels=labels, summary="It was rolled back.", now=NOW)
    return rollout


async def on_alert(console, rollout) -> None:
    await console.press("5")
    await console.until(lambda: console.screen.NAME == "alerts" and console.screen.main_table().rows)
    labels = {"model": rollout.model, "rollout": rollout.rollout_id}
    assert console.screen.main_table().move_to(fingerprint_of("rollout_rolled_back", labels))
    await console.settled()


async def test_r_on_the_alert_of_a_rollback_leaves_a_candidate_alone_that_went_live_since(
    open_console, workspace, rolled_back
):
    registry = Registry(workspace)
    while registry.get(rolled_back.model, rolled_back.candidate).stage is not Stage.PRODUCTION:
        registry.apply(registry.plan_promotion(rolled_back.model, rolled_back.candidate), actor=OPERATOR)
    async with open_console() as console:
        await on_alert(console, rolled_back)
        await console.press("R")
        assert console.app.screen is console.screen
        told = f"{rolled_back.candidate} has gone live another way since {rolled_back.rollout_id} ended"
        assert told in console.sentence
        steps = advice(console.screen.selected_alert(), console.app.snapshot)
        assert not any("fix the candidate" in step for step in steps)
        assert not any("rolls the model back" in step for step in steps)


async def test_r_on_the_alert_of_a_rollback_aborts_no_later_rollout(open_console, workspace, rolled_back):
    rollouts = Rollouts(workspace)
    plan = rollouts.plan(rolled_back.model, rolled_back.candidate, Strategy.CANARY)
    later = rollouts.start(plan, actor=OPERATOR)
    async with open_console() as console:
        await on_alert(console, rolled_back)
        await console.press("R")
        assert console.app.screen is console.screen
        told = f"is the candidate of {later.rollout_id} now, and this is about {rolled_back.rollout_id}"
        assert told in console.sentence


@pytest.mark.parametrize("key", ["K", "X"])
async def test_a_decision_on_the_overview_needs_the_cursor_on_an_alert(open_console, key):
    async with open_console() as console:
        console.screen.query_one("#live").focus()
        await console.settled()
        await console.press(key)
        assert console.app.screen is console.screen
        assert console.sentence == "No alert is under the cursor."
        wrong = console.screen.query_one("#wrong")
        wrong.focus()
        assert wrong.move_to(worst_key(console.app.snapshot))
        await console.settled()
        dialog = await console.dialog(key)
        assert dialog is not console.screen
