"""Workspaces as earlier releases wrote them: read whole, worked in, backed up and restored."""

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from console.cli.main import main
from core.domains.bonds.data import PanelSettings, generate
from core.domains.catalogue import load_model
from core.registry import Registry
from core.state import Workspace

ARCHIVES = sorted(Path(__file__).parent.glob("*.tar.xz"))


@pytest.fixture(scope="module", params=ARCHIVES, ids=lambda archive: archive.name.partition(".")[0])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace of an earlier release, unpacked."""
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(request.param) as archive:
        archive.extractall(folder, filter="data")
    (root,) = folder.iterdir()
    root.chmod(0o700)
    return root


@pytest.fixture
def earlier(written: Path, tmp_path: Path) -> Path:
    """Return a copy of it that a test may change."""
    return Path(shutil.copytree(written, tmp_path / "workspace"))


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]):
    """Return a function that runs a command on a workspace, and returns what it printed."""

    def run(root: Path, *words: object, code: int = 0) -> str:
        found = main(["--workspace", str(root), *map(str, words)])
        out, err = capsys.readouterr()
        assert found == code, f"{words}: {out}{err}"
        return out

    return run


def test_there_are_some():
    assert len(ARCHIVES) >= 2


@pytest.mark.parametrize(
    "command",
    [
        ("session", "list"),
        ("session", "show", "s-0001"),
        ("runs", "list"),
        ("runs", "show", "r-0001"),
        ("registry", "list"),
        ("registry", "show", "spread", "1.0.0"),
        ("registry", "verify"),
        ("alerts", "list", "--all"),
        ("audit", "tail"),
        ("audit", "verify"),
        ("audit", "epochs", "s-0001"),
        ("access", "who"),
        ("shift",),
        ("config", "validate"),
        ("telemetry", "traffic"),
    ],
    ids=" ".join,
)
def test_everything_can_be_read(earlier, answer, command):
    assert answer(earlier, *command)


def test_the_status_has_no_problem(earlier, answer):
    status = json.loads(answer(earlier, "status", "--json"))
    assert status["problems"] == []


def test_the_live_version_is_as_good_as_it_was(earlier):
    """What it was measured to be by the release that trained it, on issuers of today's generator."""
    registry = Registry(Workspace.open(earlier))
    live = registry.production("spread")
    assert live is not None
    model = load_model(registry.load_path("spread", live.version))
    found = model.evaluate(generate(PanelSettings(n_rows=6_000, seed=9_001, macro_seed=3)))["attainment"]
    assert found == pytest.approx(live.metrics["attainment"], abs=0.1)


def test_work_goes_on_and_the_former_version_can_come_back(earlier, answer):
    answer(earlier, "run", "--headless", "--epochs", "1")
    (new,) = {"1.0.1", "1.1.0"} & {each.version for each in Registry(Workspace.open(earlier)).versions("spread")}
    for stage in ("Staging", "Production"):
        answer(earlier, "registry", "promote", "spread", new, "--stage", stage, "--yes", "--reason", "the new one")
    answer(earlier, "registry", "rollback", "spread", "--yes", "--reason", "the old one was better")
    versions = Registry(Workspace.open(earlier))
    assert versions.get("spread", "1.0.0").stage == "Production"
    answer(earlier, "audit", "verify")


def test_it_is_backed_up_and_restored(earlier, answer, tmp_path):
    answer(earlier, "backup", "--to", tmp_path / "backups", "--reason", "before the upgrade")
    answer(tmp_path / "again", "restore", "--from", tmp_path / "backups")
    assert json.loads(answer(tmp_path / "again", "status", "--json"))["problems"] == []
    answer(tmp_path / "again", "audit", "verify")
