"""A `core.py` of the user's own, in the working directory or on the path, is no part of a command."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from bondx import own_packages
from bondx.own_packages import NAMES
from core.errors import ExitCode
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
HOSTILE = "raise SystemExit('the wrong module was imported')\n"
COMMANDS = {
    "bondx": [str(Path(sys.executable).with_name("bondx"))],
    "bondx-mlops": [str(Path(sys.executable).with_name("bondx-mlops"))],
    "python -m bondx": [sys.executable, "-m", "bondx"],
    "python -m bondx.mlops.cli": [sys.executable, "-m", "bondx.mlops.cli"],
}


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(HOSTILE)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("path", ["", ".", os.pathsep], ids=["no path", "the folder", "an empty entry"])
def test_a_command_imports_the_packages_of_its_own(folder, command, path):
    environment = os.environ | ({"PYTHONPATH": path} if path else {})
    done = subprocess.run(
        [*command, "--help"], cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == 0, done.stderr
    assert "usage: bondx" in done.stdout


@pytest.mark.parametrize(
    "line", ["from bondx import MLOpsConfig", "from bondx.mlops import ModelStage", "from bondx.ml import explain"]
)
@pytest.mark.parametrize("name", ["core.py", "core/__init__.py"])
def test_a_program_beside_a_core_of_its_own_is_told_what_hides_ours(line, name, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine = 1\n")
    done = subprocess.run(
        [sys.executable, "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    place = tmp_path / name.partition("/")[0]
    said = f"{place} hides the package core of BondX: rename it, or run your program from another folder."
    assert done.stderr.splitlines()[-1:] == [f"ImportError: {said}"]
    assert "ModuleNotFoundError" not in done.stderr


def test_the_training_child_does_too(folder):
    code = (
        "import os, threading\n"
        "from bondx.own_packages import prefer_own_packages\n"
        "prefer_own_packages()\n"
        "from core.training.child_process import ChildProcess\n"
        "from core.training.wire import Finish\n"
        "wake = threading.Event()\n"
        "child = ChildProcess(wake)\n"
        "child.ask(Finish())\n"
        "wake.wait()\n"
        "print(child.hear().reason)\n"
        "child.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.stdout.strip() == "no session is prepared", done.stderr


def test_an_interrupt_during_the_imports_prints_no_traceback(monkeypatch, capsys):
    def interrupt(_module):
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", interrupt)
    assert own_packages.bondx() == own_packages.bondx_mlops() == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == ""


def test_the_installed_commands_begin_there():
    scripts = {point.name: point.value for point in entry_points(group="console_scripts")}
    assert scripts["bondx"] == "bondx.own_packages:bondx"
    assert scripts["bondx-mlops"] == "bondx.own_packages:bondx_mlops"


INTERRUPTED_AT = """
import os, signal, sys
sys.modules.pop("importlib", None)
left, is_done = int(sys.argv[1]), False
def interrupt(event, arguments):
    global left
    if event == "import" and not arguments[0].startswith("bondx") and not is_done:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(interrupt)
from {module} import {name} as command
sys.argv = ["bondx", "--help"]
code = command()
is_done = True
sys.exit(code)
"""


@pytest.mark.parametrize("n", [1, 2, 3, 8, 15, 40])
@pytest.mark.parametrize(("module", "name"), [("bondx.own_packages", "bondx"), ("bondx.mlops.cli", "bondx_mlops")])
def test_an_interrupt_while_a_command_is_imported_prints_no_traceback(n, module, name):
    code = INTERRUPTED_AT.format(module=module, name=name)
    done = subprocess.run(
        [sys.executable, "-c", code, str(n)], capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.INTERRUPTED, "", "")
