"""Re-weighing instead of training: the members stay, the weights follow outcomes, and the rest of the steps apply."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.domains.catalogue import load_model
from core.domains.table.models import TableModel, choice
from core.models.ensembles.improvement import Improvement
from core.monitoring.estimation.held_out import HeldOutRows
from core.registry import Registry
from core.retraining.document import RetrainingPhase, StepName
from core.retraining.planning import plan_of
from core.settings import settings_in_force
from core.state import Workspace
from core.training.own_data import TrainRequest, train_on_file
from tests.end_to_end import market
from tests.retraining_world import ANA, MODEL, POLICY, World

BLENDED = """
models:
  rents: {algorithm: blending, parameters: {members: "linear, lightgbm"}}
"""


@pytest.fixture
def settings_text() -> str:
    return POLICY.replace("  retraining:\n", "  retraining:\n    method: reweigh\n") + BLENDED


@pytest.fixture(autouse=True)
def ensembles_ship(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ensemble ship, whatever its first rows show."""

    def shown(single, ensemble, group, **_):
        return Improvement(0.1, 0.05, 0.2, float(single.mean()), len(single), len(np.unique(group)))

    monkeypatch.setattr(choice, "improvement", shown)


def large_flats(n: int, *, seed: int) -> list[market.Flat]:
    """Flats larger than any before: a line goes on there, and trees answer as for the largest that they know."""
    return [
        market.Flat({**flat.row, "area": round(flat.row["area"] + 100, 1)}, round(flat.rent + 1_150, 1))
        for flat in market.flats(n, seed=seed)
    ]


def weights_of(workspace: Workspace, version: str) -> dict[str, float]:
    registry = Registry(workspace)
    with registry.opened(MODEL, version) as artifact:
        told = load_model(artifact).report()["ensemble"]["members"]
    return {member["member"]: member["weight"] for member in told}


def test_a_member_that_fails_on_new_rows_loses_weight_and_the_version_takes_the_usual_way(world: World) -> None:
    before = weights_of(world.workspace, world.live)
    world.offer(*large_flats(600, seed=2))

    asked = world.retrainings.now(MODEL, actor=ANA, reason="larger flats")
    found = world.run(asked.retraining_id, to=RetrainingPhase.AWAITING_APPROVAL)

    step = found.observed.step(StepName.TRAIN)
    assert "the weights followed 450 outcomes: linear" in step.reason
    made = world.registry.get(MODEL, found.observed.challenger)
    after = weights_of(world.workspace, made.version)
    assert after["lightgbm"] < before["lightgbm"] / 2
    assert math.fsum(after.values()) == pytest.approx(1.0)
    assert made.lineage["parents"] == [f"{MODEL}/{world.live}"]
    assert made.lineage["reweighed"]["members_of"] == f"{MODEL}/{world.live}"
    assert step.evidence["weights"] == made.lineage["reweighed"]["weights"]
    assert step.evidence["moved"] > 0.05
    with world.registry.opened(MODEL, made.version) as artifact:
        model, held = load_model(artifact), HeldOutRows.read(artifact, made.key)
        np.testing.assert_allclose(held.answer, model.predict(held.rows))
        assert model.row_scorer() is not None


def test_the_same_rows_give_the_same_weights_whatever_moved_them_before(world: World) -> None:
    registry = Registry(world.workspace)
    with registry.opened(MODEL, world.live) as artifact:
        once, twice = load_model(artifact), load_model(artifact)
    assert isinstance(once, TableModel)
    twice.reweigh(frame_of(large_flats(300, seed=3)))
    for model in (once, twice):
        model.reweigh(frame_of(market.flats(300, seed=4)))

    assert once.report()["ensemble"] == twice.report()["ensemble"]


def frame_of(flats: list[market.Flat]) -> pd.DataFrame:
    return pd.DataFrame([{**flat.row, "rent": flat.rent} for flat in flats])


def test_the_plan_says_that_the_weights_follow_outcomes(world: World) -> None:
    told = plan_of(world.workspace, MODEL, now=world.clock.now).would

    assert f"Check them, and let the weights of {world.live} follow their outcomes, without the newest 25%." in told


@pytest.mark.journey
def test_weights_that_hardly_move_leave_the_live_version(world: World, workspace: Workspace) -> None:
    text = workspace.settings_file.read_text().replace("method: reweigh", "method: reweigh\n    least_weight_move: 0.9")
    workspace.settings_file.write_text(text)
    world.offer(*market.flats(400, seed=5))

    asked = world.retrainings.now(MODEL, actor=ANA)
    found = world.run(asked.retraining_id, to=RetrainingPhase.REJECTED)

    assert "less than 90.0% (policy, retraining.least_weight_move)" in found.observed.reason


@pytest.mark.journey
def test_a_model_without_weights_is_told_what_to_train(world: World, workspace: Workspace, tmp_path: Path) -> None:
    workspace.settings_file.write_text(workspace.settings_file.read_text().replace(BLENDED, ""))
    file = market.write_csv(tmp_path / "again.csv", market.flats(400, seed=1))
    settings = settings_in_force(workspace.root)
    version = train_on_file(workspace, TrainRequest(MODEL, file, target="rent"), settings, actor=ANA).version
    registry = world.registry
    for _ in range(2):
        registry.apply(registry.plan_promotion(MODEL, version.version), actor=ANA, reason="a single method")
    world.offer(*market.flats(400, seed=6))

    found = world.run(world.retrainings.now(MODEL, actor=ANA).retraining_id, to=RetrainingPhase.REJECTED)

    assert "has no weights that could follow outcomes" in found.observed.reason
    assert "retraining.method" in found.observed.reason
