"""A live version learns on from files: which rows are new to it, which of both ships, and what is recorded."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

from core.domains.catalogue import judged_by_its_domain, load_model
from core.registry import Registry
from core.registry.contents import REPORT_NAME, read_object
from core.retraining.collecting import collect, learned_until
from core.retraining.document import Retraining, RetrainingPhase, StepName
from core.retraining.planning import plan_of
from core.retraining.results import LEARN, MODEL_FOLDER, folder_of
from core.settings import PolicySource, SettingsError, settings_in_force
from core.settings.attainment import AttainmentSettings
from core.settings.retraining import RetrainingPolicy
from core.state import Workspace
from core.tables import ReadingRules, TableSignature
from core.training.own_data import TrainRequest, train_artifact, train_on_file
from core.training.own_data.continuing import WarmStart
from tests.clocks import HandClock
from tests.end_to_end import market
from tests.retraining_world import ANA, MODEL, World


def rules_of(world: World, **more: object) -> RetrainingPolicy:
    policy = PolicySource(world.workspace.root).policy().for_model(MODEL).retraining
    return msgspec.structs.replace(policy, start="warm", **more)


def trained(world: World, **more: object) -> Retraining:
    """Drive a retraining until its version is trained."""
    found = world.retrainings.now(MODEL, actor=ANA, policy=rules_of(world, **more))
    return world.run(found.retraining_id, to=StepName.VALIDATE)


def report_of(world: World, found: Retraining) -> dict[str, Any]:
    return read_object(folder_of(world.workspace, found.retraining_id) / MODEL_FOLDER / REPORT_NAME)


def test_a_live_version_learns_on_from_new_files_and_the_better_of_both_ships(world: World) -> None:
    world.offer(*market.flats(300, seed=2, dearer=1.1))
    found = trained(world)
    step, start = found.observed.step(StepName.TRAIN), report_of(world, found)["start"]
    assert found.observed.step(StepName.COLLECT).evidence["n_new"] == 225
    assert start["version"] == f"{MODEL}/1.0.0"
    assert "rows held out" in start["why"]
    assert start["why"] in step.reason
    assert step.evidence["start"] == start["why"]
    made = world.run(found.retraining_id, to=StepName.ROLLOUT)
    version = world.registry.get(MODEL, made.observed.challenger)
    assert version.lineage.get("continues") == (start["version"] if start["continues"] else None)
    assert (f"{MODEL}/1.0.0 continued with 225 rows" in version.description) is start["continues"]
    with Registry(world.workspace).opened(MODEL, version.version) as artifact:
        assert load_model(artifact).predict(pd.DataFrame([flat.row for flat in market.flats(3, seed=9)])) is not None


@pytest.mark.parametrize("n_known", [4_000, 60], ids=["it knows much", "it knows little"])
def test_what_is_remembered_counts_as_far_as_it_helps(workspace: Workspace, tmp_path: Path, n_known: int) -> None:
    """Few new rows: a version that learned from many goes on; where it learned from few, a new model may be better."""
    workspace.settings_file.write_text(f"models: {{{MODEL}: {{algorithm: lightgbm}}}}\n")
    settings = settings_in_force(workspace.root)
    before = market.write_csv(
        tmp_path / "before.csv", market.flats(n_known, seed=1, dearer=1.0 if n_known > 60 else 9.0)
    )
    live = train_on_file(workspace, TrainRequest(MODEL, before, target="rent"), settings, actor=ANA).version
    rows = market.write_csv(tmp_path / "rows.csv", market.flats(120, seed=2, dearer=1.1))
    settings = msgspec.structs.replace(settings, attainment=AttainmentSettings(tables=2))
    with Registry(workspace).opened(MODEL, live.version) as artifact:
        signature = TableSignature.read(artifact)

        def load():
            return judged_by_its_domain(load_model(artifact), signature, rows, ReadingRules())

        folder = tmp_path / "made"
        folder.mkdir()
        request = TrainRequest(MODEL, rows, target="rent")
        made = train_artifact(workspace, request, settings, folder, actor=ANA, warm=WarmStart(live.key, load, 120))
    start = made.report["start"]
    assert start["continues"] is (n_known > 60), start["why"]
    assert made.report["split"]["n_shipped"] == 120
    assert ("learned from before" in made.report["attainment"].get("why_not", "")) is (n_known > 60)
    assert load_model(folder).n_rows == (n_known + 120 if n_known > 60 else 120)


def test_rows_that_it_has_learned_from_are_not_new_to_it(world: World, tmp_path: Path) -> None:
    live = world.registry.get(MODEL, "1.0.0")
    old = world.offer(*market.flats(150, seed=2), name="a.csv")
    past = (live.created_at - timedelta(days=1)).timestamp()
    os.utime(old, (past, past))
    world.offer(*market.flats(100, seed=3), name="b.csv")
    policy = rules_of(world)
    found = collect(world.workspace, live, policy, as_of=world.clock.now, seed=1, folder=tmp_path)
    assert (found["n_learn"], found["n_newest"], found["n_new"]) == (188, 62, 38)
    learn = pd.read_parquet(tmp_path / LEARN)
    assert learn.tail(38)["area"].tolist() == [flat.row["area"] for flat in market.flats(100, seed=3)][:38]
    known = msgspec.structs.replace(live, lineage={"retraining": {"learned_until": "2026-01-02T03:04:05+00:00"}})
    assert learned_until(known).isoformat() == "2026-01-02T03:04:05+00:00"
    assert learned_until(live) == live.created_at


def test_where_too_few_rows_are_new_a_new_model_begins_and_the_step_says_so(world: World) -> None:
    file = world.offer(*market.flats(300, seed=2))
    os.utime(file, (0, 0))
    found = trained(world)
    assert (
        "0 rows are new to it, and 50 are needed), so a new model began" in found.observed.step(StepName.TRAIN).reason
    )
    assert report_of(world, found)["start"]["continues"] is False


def test_a_method_that_cannot_continue_is_named(workspace: Workspace, clock: HandClock, tmp_path: Path) -> None:
    workspace.settings_file.write_text(
        f"models: {{{MODEL}: {{algorithm: hist_gradient_boosting}}}}\n"
        "policy: {promotion: {min_accuracy: 0.2}, retraining: {start: warm, source: {kind: files, path: new}, "
        "min_samples: 200}}\n"
    )
    world = World(workspace, clock)
    file = market.write_csv(tmp_path / "first.csv", market.flats(300, seed=1))
    settings = settings_in_force(workspace.root)
    version = train_on_file(workspace, TrainRequest(MODEL, file, target="rent"), settings, actor=ANA).version
    for _ in range(2):
        world.registry.apply(world.registry.plan_promotion(MODEL, version.version), actor=ANA, reason="the first")
    world.offer(*market.flats(300, seed=2))
    found = world.retrainings.now(MODEL, actor=ANA)
    found = world.run(found.retraining_id, to=StepName.VALIDATE)
    world.pipeline.close()
    said = found.observed.step(StepName.TRAIN).reason
    assert "rents/1.0.0 cannot continue to learn (hist_gradient_boosting learns once, from all rows at a time" in said
    assert said.endswith("so a new model began")


def test_the_plan_says_that_it_learns_on_and_the_policy_refuses_what_has_no_start(world: World) -> None:
    settings = world.workspace.settings_file
    settings.write_text(settings.read_text() + "    start: warm\n")
    assert "Let 1.0.0 itself learn on from the rows that are new to it, too; the better of both goes on." in (
        plan_of(world.workspace, MODEL, now=world.clock.now).would
    )
    settings.write_text(settings.read_text() + "    method: reweigh\n")
    with pytest.raises(SettingsError, match="start belongs to method train"):
        settings_in_force(world.workspace.root)


def test_a_warm_start_goes_the_whole_way(world: World) -> None:
    world.offer(*market.flats(300, seed=2, dearer=1.4))
    found = world.retrainings.now(MODEL, actor=ANA, policy=rules_of(world, auto_deploy=True))
    world.run(found.retraining_id, to=StepName.ROLLOUT)
    world.go_live(found.retraining_id)
    world.pass_by(minutes=31)
    assert world.run(found.retraining_id, to=RetrainingPhase.DONE).observed.challenger == world.live
