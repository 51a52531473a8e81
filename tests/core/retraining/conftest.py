"""A model of flats that is live, and an engine's pipeline that a test drives."""

import shutil
from collections.abc import Callable, Iterator
from functools import cache
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


@pytest.fixture(scope="session")
def flats_that_are_live(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a workspace by its settings whose model is live; training takes seconds, so every world is a copy."""

    @cache
    def made(settings_text: str) -> Path:
        folder = tmp_path_factory.mktemp("flats")
        workspace = Workspace.create(folder / "workspace", settings_text=settings_text)
        file = market.write_csv(folder / "first.csv", market.flats(400, seed=1))
        settings = settings_in_force(workspace.root)
        version = train_on_file(workspace, TrainRequest(MODEL, file, target="rent"), settings, actor=ANA).version
        registry = Registry(workspace, clock=HandClock())
        for _ in range(2):
            registry.apply(registry.plan_promotion(MODEL, version.version), actor=ANA, reason="the first version")
        return workspace.root

    return made


@pytest.fixture
def world(
    flats_that_are_live: Callable[[str], Path], workspace: Workspace, settings_text: str, clock: HandClock
) -> Iterator[World]:
    shutil.rmtree(workspace.root)
    shutil.copytree(flats_that_are_live(settings_text), workspace.root)
    found = World(workspace, clock)
    yield found
    found.pipeline.close()
