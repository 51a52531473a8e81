"""The check of the system, with stand-ins for what a machine has: the interpreter, the user, the package manager."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LACKS_LIBGOMP = "libgomp.so.1 libgomp1 libgomp spared"
LACKS_ZLIB = "libz.so.1 zlib1g zlib required"


class Machine:
    """A machine whose system lacks some libraries until its package manager has been asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.installed = folder / "installed"

    def lacks(self, *lines: str, is_root: bool = False, manager: str = "apt-get") -> None:
        report = "\n".join(lines)
        self._program(
            "python3.11",
            f'case "$*" in *system_libraries*) [ -e {self.installed} ] || echo "{report}" ;;'
            f' *) exec {sys.executable} "$@" ;; esac',
        )
        self._program("id", f"echo {0 if is_root else 1000}")
        self._program(manager, f'echo "$*" >>{self.folder}/asked; case "$1" in install) touch {self.installed} ;; esac')

    def check(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"}
        command = ["sh", str(ROOT / "tools" / "check_system.sh"), *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    @property
    def asked(self) -> str:
        log = self.folder / "asked"
        return log.read_text() if log.exists() else ""

    def _program(self, name: str, body: str) -> None:
        file = self.folder / name
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_machine_that_lacks_nothing_is_silent(machine):
    machine.lacks()
    done = machine.check("--strict", "make")
    assert (done.returncode, done.stdout, done.stderr, machine.asked) == (0, "", "", "")


def test_root_with_apt_gets_what_is_missing_installed(machine):
    machine.lacks(LACKS_LIBGOMP, LACKS_ZLIB, is_root=True)
    done = machine.check()
    assert done.returncode == 0, done.stderr
    assert "install -y -qq --no-install-recommends zlib1g libgomp1" in machine.asked


def test_anybody_else_is_told_the_command_and_goes_on_without_lightgbm(machine):
    machine.lacks(LACKS_LIBGOMP)
    done = machine.check()
    assert (done.returncode, machine.asked) == (0, "")
    assert "libgomp.so.1" in done.stderr
    assert "sudo apt-get install libgomp1" in done.stderr
    assert "scikit-learn trains in its place" in done.stderr


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        pytest.param(LACKS_ZLIB, (), id="a library that nothing replaces"),
        pytest.param(LACKS_LIBGOMP, ("--strict",), id="strictly, any library"),
        pytest.param("", ("nonsense-command",), id="a command"),
    ],
)
def test_what_is_required_stops_it_before_anything_is_installed(machine, lacking, words):
    machine.lacks(lacking)
    done = machine.check(*words)
    assert done.returncode == 2
    assert "sudo apt-get install" in done.stderr


def test_where_dnf_installs_the_packages_have_its_names(machine):
    machine.lacks(LACKS_LIBGOMP, manager="dnf")
    assert "sudo dnf install libgomp\n" in machine.check().stderr


def test_an_interpreter_that_was_chosen_and_is_too_old_is_named(machine):
    done = machine.check("/nowhere/python3.9")
    assert done.returncode == 2
    assert "/nowhere/python3.9" in done.stderr


def test_make_checks_the_system_before_it_makes_an_environment(tmp_path):
    command = ["make", "-n", "install", f"VENV={tmp_path / 'venv'}"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert -1 < said.index("tools/check_system.sh") < said.index("-m venv") < said.index("pip install")
