import json
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from core.maintenance.environment import EnvironmentItem, examine_environment

ROOT = Path(__file__).parents[3]


def examine_elsewhere() -> dict[str, EnvironmentItem]:
    """Examine in a process of its own, where what is hidden from children is missing."""
    code = (
        "import msgspec, sys; from core.maintenance.environment import examine_environment;"
        "sys.stdout.buffer.write(msgspec.json.encode(examine_environment()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return {item["name"]: EnvironmentItem(**item) for item in json.loads(done.stdout)}


def test_a_complete_machine_has_no_problems():
    items = {item.name: item for item in examine_environment()}

    assert not [item for item in items.values() if item.is_a_problem]
    assert items["Python"].found == sys.version.split()[0]
    assert items["lightgbm"].found
    assert all(item.cure == "" for item in items.values() if item.is_present)
    assert all(item.cure for item in items.values() if not item.is_present)


@pytest.mark.parametrize(
    ("version", "is_sound"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 0), True),
    ],
)
def test_a_version_of_sqlite_that_can_corrupt_a_store_is_named(monkeypatch, version, is_sound):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    (sqlite,) = (item for item in examine_environment() if item.name == "SQLite")

    assert sqlite.is_present
    assert ("can corrupt a store" not in sqlite.purpose) == is_sound


@pytest.mark.usefixtures("without_libgomp")
def test_a_learner_that_fails_to_load_is_a_problem_with_a_cure():
    lightgbm = examine_elsewhere()["lightgbm"]

    assert lightgbm.is_a_problem
    assert "libgomp.so.1" in lightgbm.found
    assert lightgbm.cure.startswith("apt-get install libgomp1")


def test_the_cure_for_a_missing_learner_is_pip(at_start_of_children):
    at_start_of_children(
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'lightgbm':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}')\n"
        "sys.meta_path.insert(0, Missing())\n"
    )
    assert examine_elsewhere()["lightgbm"].cure == "pip install lightgbm"


def test_missing_tools_and_extras_are_not_problems(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    items = examine_elsewhere()

    assert not items["tmux"].is_present
    assert not items["tmux"].is_a_problem
    assert items["tmux"].cure == "install the package tmux"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = extras.keys() - {"dev", "docs"}
    assert {name for name in items if name.startswith("extra ")} == {f"extra {name}" for name in names}
    readme = (ROOT / "README.md").read_text()
    assert [name for name in names if f"`{name}`" not in readme] == []
