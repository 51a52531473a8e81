"""What is installed is what was tested: the wheel works by itself, from another folder."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from console.cli.man_pages import page_names
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


def test_the_wheel_installs_manual_pages_and_completion(installed, tmp_path):
    share = installed.parent / "share"

    assert (share / "man/man1/bondx-registry.1").read_text().startswith(".TH BONDX\\-REGISTRY 1")
    assert {page.stem for page in (share / "man/man1").iterdir()} == set(page_names())
    for place, shell in (
        ("bash-completion/completions/bondx", "bash"),
        ("bash-completion/completions/bondx-mlops", "bash"),
        ("zsh/site-functions/_bondx", "zsh"),
        ("fish/vendor_completions.d/bondx.fish", "fish"),
        ("fish/vendor_completions.d/bondx-mlops.fish", "fish"),
    ):
        assert (share / place).read_text() == run(installed, "completion", shell, cwd=tmp_path).stdout


def test_the_pages_are_written_with_no_more_than_the_build_requires():
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    modules = {re.split(r"[<>=]", name)[0].replace("-", "_") for name in required}
    code = (
        "import sys; site, before = sys.argv[1], set(sys.modules)\n"
        "from pathlib import Path; from datetime import date\n"
        "from console.cli.man_pages import Imprint, man_page, page_names\n"
        "[man_page(name, Imprint('1', date(2026, 1, 1))) for name in page_names()]\n"
        "loaded = [module for name, module in list(sys.modules.items()) if name not in before]\n"
        "files = [getattr(module, '__file__', None) or '' for module in loaded]\n"
        "print(*{Path(file).relative_to(site).parts[0].partition('.')[0] for file in files if file.startswith(site)})"
    )
    site = sysconfig.get_path("purelib")
    done = subprocess.run([sys.executable, "-c", code, site], cwd=ROOT, capture_output=True, text=True, check=True)

    assert set(done.stdout.split()) <= modules
