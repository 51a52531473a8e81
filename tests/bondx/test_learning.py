"""The names by which programs let models be trained anew."""

import asyncio
import threading
from pathlib import Path

import pytest

from bondx.ml import ContinuousLearningPipeline, RetrainingConfig
from core.api import MLOpsConfig
from core.errors import NotFoundError, UsageError
from core.registry import Registry
from core.retraining.document import RetrainingPhase
from core.retraining.retrainings import Retrainings
from core.settings import settings_in_force
from core.state import read_lease
from core.training.own_data import TrainRequest, train_on_file
from tests.end_to_end import market
from tests.retraining_world import ANA, MODEL, POLICY


@pytest.fixture
def config(tmp_path: Path) -> MLOpsConfig:
    """A workspace with a live model of flats, whose new rows lie in a folder."""
    root = tmp_path / "workspace"
    found = MLOpsConfig.from_yaml(workspace=root)
    (root / "bondx.yaml").write_text(POLICY)
    file = market.write_csv(tmp_path / "first.csv", market.flats(300, seed=1))
    settings = settings_in_force(root)
    version = train_on_file(found.workspace, TrainRequest(MODEL, file, target="rent"), settings, actor=ANA).version
    registry = Registry(found.workspace)
    for _ in range(2):
        registry.apply(registry.plan_promotion(MODEL, version.version), actor=ANA, reason="the first version")
    (root / "new").mkdir()
    market.write_csv(root / "new" / "rows.csv", market.flats(400, seed=2, dearer=1.4))
    return found


@pytest.mark.journey
def test_a_loop_trains_a_registered_model_anew_up_to_a_proposal(config):
    pipeline = ContinuousLearningPipeline(config)
    overrides = "    min_new_samples: 100\n"
    (config.workspace.root / "bondx.yaml").write_text(POLICY + overrides)
    pipeline.register_model_for_retraining(RetrainingConfig(model_name=MODEL, min_samples_threshold=200))
    before = pipeline.get_pipeline_status()
    assert before["is_running"] is False
    assert before["models"][MODEL]["live_version"] == "1.0.0"
    assert before["models"][MODEL]["is_due"] is True

    async def work() -> str:
        loop = asyncio.create_task(pipeline.run_continuous_learning_loop(look_seconds=0.2))
        while True:
            found = pipeline.get_pipeline_status()["models"][MODEL]
            if found["phase"] not in (None, "queued", "running") or loop.done():
                break
            await asyncio.sleep(0.1)
        pipeline.stop()
        await loop
        return str(found["phase"])

    assert asyncio.run(work()) == "awaiting_approval"
    assert read_lease(config.workspace) is None, "the engine that it started has ended with it"
    (retraining,) = Retrainings(config.workspace).all()
    assert retraining.observed.phase is RetrainingPhase.AWAITING_APPROVAL
    assert retraining.policy.min_samples == 200
    assert retraining.policy.window.days == 30


def test_a_loop_that_is_cancelled_while_its_engine_starts_stops_the_engine(config, monkeypatch):
    has_begun, may_go_on, said = threading.Event(), threading.Event(), []

    class SlowEngine:
        def __init__(self, *_, **_given):
            pass

        def start(self):
            has_begun.set()
            assert may_go_on.wait(30)
            said.append("started")

        def stop(self):
            said.append("stopped")

    monkeypatch.setattr("core.engine.Engine", SlowEngine)
    pipeline = ContinuousLearningPipeline(config)

    async def work() -> None:
        loop = asyncio.create_task(pipeline.run_continuous_learning_loop())
        await asyncio.to_thread(has_begun.wait, 30)
        loop.cancel()
        await asyncio.sleep(0)
        may_go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await loop

    asyncio.run(work())
    assert said == ["started", "stopped"]
    assert pipeline.get_pipeline_status()["is_running"] is False


@pytest.mark.parametrize(
    ("given", "said"),
    [({"retrain_schedule": "weekly"}, "five fields"), ({"min_samples_threshold": 3}, "min_samples")],
)
def test_a_value_that_is_not_valid_is_named(config, given, said):
    with pytest.raises(UsageError, match=said):
        ContinuousLearningPipeline(config).register_model_for_retraining(RetrainingConfig(model_name=MODEL, **given))


def test_an_unknown_model_is_refused(config):
    with pytest.raises(NotFoundError):
        ContinuousLearningPipeline(config).register_model_for_retraining(RetrainingConfig(model_name="nothing"))
