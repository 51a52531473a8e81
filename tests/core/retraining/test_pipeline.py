"""A retraining from new rows to a watched live version, with real child processes."""

import pytest

from core.explain.documents import DENIED
from core.governance import AuditLog
from core.retraining.document import RetrainingPhase, StepName, StepState
from tests.end_to_end import market
from tests.retraining_world import ANA, BEN, MODEL, World


def test_a_dearer_market_is_learned_approved_rolled_out_and_watched(world: World) -> None:
    world.offer(*market.flats(500, seed=2, dearer=1.4))
    asked = world.retrainings.now(MODEL, actor=ANA, reason="rents have risen")
    proposed = world.run(asked.retraining_id, to=RetrainingPhase.AWAITING_APPROVAL)
    assert world.live == "1.0.0"
    challenger = proposed.observed.challenger
    assert world.registry.get(MODEL, challenger).lineage["parents"] == ["rents/1.0.0"]
    newest = proposed.observed.step(StepName.VALIDATE).evidence["newest rows"]["whole"]
    assert newest["high"] < 0, "shown to be better, not only better in the mean"
    assert [alert.rule for alert in world.alerts.open()] == ["retraining_waiting"]

    world.retrainings.approve(MODEL, actor=BEN, reason="plausible")
    rolling = world.run(asked.retraining_id, to=RetrainingPhase.RUNNING)
    assert rolling.observed.rollout_id
    assert world.alerts.open() == []
    world.promote_rollout(rolling)
    world.run(asked.retraining_id, to=StepName.WATCH)
    assert world.live == challenger
    world.pass_by(minutes=31)
    done = world.run(asked.retraining_id, to=RetrainingPhase.DONE)
    assert {step.state for step in done.observed.steps} == {StepState.DONE}
    assert all(step.reason and step.started_at and step.ended_at for step in done.observed.steps)
    verbs = [each.verb for each in AuditLog(world.workspace).tail(200) if each.object == asked.retraining_id]
    assert (verbs[0], verbs[-1]) == ("retraining.start", "retraining.done")
    assert set(verbs) >= {"retraining.propose", "retraining.approve", "retraining.rollout", "retraining.watch.done"}


@pytest.mark.journey
def test_a_comparison_names_no_slice_of_a_denied_column(world: World) -> None:
    with world.workspace.settings_file.open("a") as settings:
        settings.write("explanation:\n  denied_columns: [dist*]\n")
    world.offer(*market.flats(500, seed=2, dearer=1.4))
    asked = world.retrainings.now(MODEL, actor=ANA, reason="rents have risen")
    proposed = world.run(asked.retraining_id, to=RetrainingPhase.AWAITING_APPROVAL)
    compared = proposed.observed.step(StepName.VALIDATE).evidence["newest rows"]
    assert [each["name"] for each in compared["slices"]] == [DENIED] * compared["n_slices"]
    assert compared["n_slices"] == 3
