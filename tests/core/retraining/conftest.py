"""A model of flats that is live, and an engine's pipeline that a test drives."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.registry import Registry
from core.settings import settings_in_force
from core.state import Workspace
from core.training.own_data import TrainRequest, train_on_file
from tests.clocks import HandClock
from tests.end_to_end import market
from tests.retraining_world import ANA, MODEL, POLICY, World


@pytest.fixture
def settings_text() -> str:
    return POLICY


@pytest.fixture
def world(workspace: Workspace, clock: HandClock, tmp_path: Path) -> Iterator[World]:
    file = market.write_csv(tmp_path / "first.csv", market.flats(400, seed=1))
    settings = settings_in_force(workspace.root)
    version = train_on_file(workspace, TrainRequest(MODEL, file, target="rent"), settings, actor=ANA).version
    registry = Registry(workspace, clock=clock)
    for _ in range(2):
        registry.apply(registry.plan_promotion(MODEL, version.version), actor=ANA, reason="the first version")
    found = World(workspace, clock)
    yield found
    found.pipeline.close()
