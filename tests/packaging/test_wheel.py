"""What is installed is what was tested: the wheel works by itself, from another folder."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the `bin` of an environment that holds the wheel, and the dependencies by reference.

    A path in a .pth file is searched, but the .pth files in it are not read: so this checkout's own editable
    installation stays out of sight, and only the wheel can provide our packages.
    """
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(home), "platbase": str(home)}))
    install = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*install, "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True, text=True)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin"


def run(installed: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(installed / "bondx"), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS)


def test_the_wheel_holds_every_package_and_file_that_is_not_python(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    packages = ("bondx/", "console/", "core/", "widgets/", "themes/", "sample_configs/")

    assert {name for name in tracked if name.startswith(packages)} <= names


def test_our_packages_come_from_the_wheel(installed, tmp_path):
    names = "bondx, console, core, sample_configs, themes, widgets"
    code = f"import {names}; print(*(package.__file__ for package in ({names})))"
    found = subprocess.run([installed / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert all(file.startswith(str(installed.parent)) for file in found.stdout.split())


def test_init_generate_and_status_work_from_another_folder(installed, tmp_path):
    workspace = str(tmp_path / "w")

    assert run(installed, "--workspace", workspace, "init", cwd=tmp_path).returncode == 0
    assert (tmp_path / "w" / "bondx.yaml").is_file()
    generated = run(installed, "data", "generate", "bonds", "--rows", "200", "--out", "bonds", "--json", cwd=tmp_path)
    assert generated.returncode == 0, generated.stderr
    assert json.loads(generated.stdout)
    status = run(installed, "--workspace", workspace, "status", "--json", cwd=tmp_path)
    assert status.returncode == 0, status.stderr
    assert json.loads(status.stdout)["engine"] is None


def test_tools_and_tests_stay_out_of_the_wheel_and_types_come_with_it(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    assert not [name for name in names if name.startswith(("tools/", "tests/", "benchmarks/"))]
    assert {f"{package}/py.typed" for package in ("bondx", "core", "console", "widgets", "themes")} <= set(names)


@pytest.mark.parametrize("module", ["bondx", "bondx.mlops.cli"])
def test_the_commands_run_as_modules(installed, tmp_path, module):
    shown = subprocess.run(
        [installed / "python", "-m", module, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert shown.stdout.split()[0] == {"bondx": "bondx", "bondx.mlops.cli": "bondx-mlops"}[module]
