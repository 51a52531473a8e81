import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from core.tracking.environment import differences, environment, git_state, software


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=ana", "-c", "user.email=ana@example.com"]
    subprocess.run(["git", *identity, "-C", folder, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--initial-branch", "main")
    (tmp_path / "model.py").write_text("depth = 6\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    return tmp_path


def test_the_state_of_a_checkout_is_commit_branch_and_whether_it_was_edited(checkout: Path) -> None:
    clean = git_state(checkout)
    assert len(clean["commit"]) == 40
    assert (clean["branch"], clean["dirty"]) == ("main", False)
    (checkout / "model.py").write_text("depth = 8\n")
    assert git_state(checkout) == {**clean, "dirty": True}


def test_a_detached_head_has_no_branch(checkout: Path) -> None:
    git(checkout, "checkout", "--detach")
    assert git_state(checkout)["branch"] is None


def test_a_checkout_cannot_make_us_run_its_programs(checkout: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    git(checkout, "config", "core.fsmonitor", str(trap))
    assert git_state(checkout)["dirty"] is False
    assert not (tmp_path / "sprung").exists()


def test_a_folder_outside_of_git_has_no_state(tmp_path: Path) -> None:
    assert git_state(tmp_path) is None


def test_without_git_there_is_no_state(checkout: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert git_state(checkout) is None


def test_the_software_is_described_without_naming_the_machine() -> None:
    assert set(software()) == {"python", "implementation", "system", "machine", "packages", "optional_packages"}
    assert {"platform", "host"} <= set(environment())


def test_the_packages_are_those_we_require_with_their_versions() -> None:
    packages = software()["packages"]
    assert {"bondx-console", "lightgbm", "scikit-learn", "tinydb"} <= set(packages)
    assert "pytest" not in packages


def test_packages_of_extras_are_recorded_apart_and_a_machine_without_them_is_no_other(monkeypatch) -> None:
    module = import_module("core.tracking.environment")  # the package has a function of this name
    monkeypatch.setattr(module, "installed_version", {"torch": "2.9.0", "numpy": "2.4.6"}.get)
    software.cache_clear()
    try:
        found = software()
    finally:
        monkeypatch.undo()
        software.cache_clear()
    assert found["optional_packages"] == {"torch": "2.9.0"}
    assert "torch" not in found["packages"]
    assert not any("torch" in clause for clause in differences(found))
