"""A workspace with a registry, an operator, and a folder that can become an artifact."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from core.actor import Actor, Origin
from core.quality.gate import judge
from core.registry import ModelVersion, Registry, Stage
from core.settings.promotion import PromotionSettings
from core.state import Workspace
from tests.clocks import HandClock

ANA = Actor("ana", "desk", Origin.CONSOLE)
BEN = Actor("ben", "desk", Origin.COMMAND_LINE)
PASSED = (judge("coverage", 99.0, ">=", 90.0, unit="%"),)


@pytest.fixture
def ana() -> Actor:
    return ANA


@pytest.fixture
def ben() -> Actor:
    return BEN


@pytest.fixture
def registry(workspace: Workspace) -> Registry:
    return Registry(workspace, promotion=PromotionSettings(), clock=HandClock(step=timedelta(seconds=1)))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "trained"
    (folder / "trees").mkdir(parents=True)
    (folder / "model.txt").write_text("tree\n")
    (folder / "trees" / "0.txt").write_text("leaf\n")
    return folder


@pytest.fixture
def register(registry: Registry, source: Path) -> Callable[..., ModelVersion]:
    """Register one more version, with other bytes and a good attainment."""

    def one_more(model: str = "spread", *, attainment: float | None = 0.9, gates=PASSED, **more) -> ModelVersion:
        (source / "model.txt").write_text(f"tree {len(registry.versions(None))} {attainment}\n")
        return registry.register(
            model,
            source,
            metrics={} if attainment is None else {"attainment": attainment},
            lineage={"data": {"train": "ab12"}, "seed": 42},
            gates=gates,
            actor=ANA,
            **more,
        )

    return one_more


@pytest.fixture
def promote(registry: Registry) -> Callable[..., None]:
    """Take versions all the way to Production, one after the other."""

    def to_production(*versions: str, model: str = "spread") -> None:
        for version in versions:
            while registry.get(model, version).stage is not Stage.PRODUCTION:
                registry.apply(registry.plan_promotion(model, version), actor=ANA, reason="better")

    return to_production


@pytest.fixture
def stages(registry: Registry) -> Callable[..., dict[str, str]]:
    return lambda model="spread": {version.version: version.stage.value for version in registry.versions(model)}
