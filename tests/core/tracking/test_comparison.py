from pathlib import Path

import pytest

from core.actor import Actor, Origin
from core.errors import UsageError
from core.state import Workspace
from core.tracking import RunNotFoundError, Runs

ANA = Actor("ana", "desk", Origin.CONSOLE)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    opened = Runs(Workspace.create(tmp_path / "workspace", settings_text="{}\n"))
    for seed in (1, 2, 2):
        opened.start(
            name="nightly",
            actor=ANA,
            parameters={"random_seed": seed, "advanced": {"max_features": 10}},
            data_hashes={"train": f"hash{seed}"},
        )
    return opened


def test_runs_are_compared_in_the_order_requested(runs: Runs) -> None:
    comparison = runs.compare(["r-0002", "r-0001"])
    rows = {(row.section, row.name): row for row in comparison.rows}
    assert comparison.run_ids == ("r-0002", "r-0001")
    assert rows["parameters", "random_seed"].values == (2, 1)
    assert rows["data", "train"].values == ("hash2", "hash1")
    assert not rows["parameters", "advanced.max_features"].differs


def test_only_what_differs_can_be_shown(runs: Runs) -> None:
    assert {row.name for row in runs.compare(["r-0001", "r-0002"]).differing} == {"random_seed", "train"}
    assert runs.compare(["r-0002", "r-0003"]).differing == ()


def test_a_comparison_needs_two_existing_runs(runs: Runs) -> None:
    with pytest.raises(UsageError, match="at least two runs"):
        runs.compare(["r-0001"])
    with pytest.raises(RunNotFoundError):
        runs.compare(["r-0001", "r-0009"])
