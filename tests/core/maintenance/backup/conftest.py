"""A workspace with versions, telemetry and a log, and a folder for its backups."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from core.actor import Actor, Origin
from core.maintenance.backup import BackupRepository, BackupResult, create_backup
from core.quality.gate import judge
from core.registry import Registry
from core.settings.promotion import PromotionSettings
from core.settings.telemetry import TelemetrySettings
from core.state import Workspace
from core.telemetry import TelemetryWriter
from tests.clocks import HandClock

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
KEY = b"0123456789abcdef0123456789abcdef"


def add_version(workspace: Workspace, model: str, content: str, *, clock=None) -> str:
    """Register a version with some content, and promote it to Staging."""
    registry = Registry(workspace, promotion=PromotionSettings(), **({} if clock is None else {"clock": clock}))
    source = workspace.root.parent / f"trained-{model}"
    source.mkdir(exist_ok=True)
    (source / "model.txt").write_text(content)
    version = registry.register(
        model,
        source,
        metrics={"attainment": 0.9},
        lineage={"data": {"train": "ab12"}, "seed": 42},
        gates=(judge("coverage", 99.0, ">=", 90.0, unit="%"),),
        actor=ANA,
    )
    registry.apply(registry.plan_promotion(model, version.version), actor=ANA, reason="better")
    return version.version


@pytest.fixture
def full(workspace: Workspace) -> Workspace:
    """A workspace in which each kind of store has something."""
    clock = HandClock(step=timedelta(seconds=1))
    for content in ("one", "two"):
        add_version(workspace, "spread", content, clock=clock)
    add_version(workspace, "downgrade", "three", clock=clock)
    with TelemetryWriter(workspace.telemetry_file, retention=TelemetrySettings(), clock=clock) as telemetry:
        for _ in range(100):
            telemetry.add("cpu.percent", clock(), 12.5)
    (workspace.datasets_dir / "rows.csv").write_text("a,b\n1,2\n" * 1000)
    (workspace.reports_dir / "s-0001").mkdir()
    (workspace.reports_dir / "s-0001" / "final_report.md").write_text("# Report\n")
    return workspace


@pytest.fixture
def safe(tmp_path: Path) -> Path:
    return tmp_path / "safe"


@pytest.fixture
def back_up(full: Workspace, safe: Path) -> Callable[..., BackupResult]:
    """Take one more backup."""

    def one_more(*, key: bytes | None = None, **more) -> BackupResult:
        return create_backup(full, safe, key, actor=ANA, **more)

    return one_more


@pytest.fixture
def repository(safe: Path) -> Callable[..., BackupRepository]:
    return lambda key=None: BackupRepository.open(safe, key)
