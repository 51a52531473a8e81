"""A path that was given is never created by accident; a console says at once that it has no terminal."""

import functools
import os
import sys
from pathlib import Path

import pexpect
import pytest

from console.cli.main import main
from console.mlops.cli import main as mlops_main
from tests.waiting import PATIENCE_SECONDS

BONDX = (sys.executable, "-m", "console.cli.main")


@pytest.fixture
def answer(called, monkeypatch):
    monkeypatch.delenv("BONDX_HOME", raising=False)
    return functools.partial(called, main)


@pytest.fixture
def mistyped(tmp_path: Path) -> Path:
    return tmp_path / "desk-rsik"


def terminal(*arguments: object) -> pexpect.spawn:
    """Run bondx in a terminal of its own."""
    environ = os.environ | {"TERM": "xterm-256color", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}
    words = [*BONDX[1:], *map(str, arguments)]
    return pexpect.spawn(BONDX[0], words, dimensions=(24, 80), env=environ, timeout=PATIENCE_SECONDS, encoding="utf-8")


@pytest.mark.parametrize("line", ["run", "run --headless --no-session", "status"])
def test_a_mistyped_workspace_is_refused_where_nobody_can_answer(line, mistyped, answer):
    code, out, err = answer("--workspace", mistyped, *line.split())

    assert (code, out) == (2, "")
    assert "bondx init" in err
    assert not mistyped.exists()


def test_a_mistyped_environment_variable_is_refused_too(mistyped, answer, monkeypatch):
    monkeypatch.setenv("BONDX_HOME", str(mistyped))

    assert answer("run", "--headless", "--no-session")[0] == 2
    assert not mistyped.exists()


@pytest.mark.parametrize("line", ["train --model m --data d.csv", "register --model m --path d.csv"])
def test_training_on_ones_own_data_refuses_a_mistyped_workspace(line, mistyped, called):
    code, _, err = called(mlops_main, "--workspace", mistyped, *line.split())

    assert code == 2
    assert "bondx init" in err
    assert not mistyped.exists()


def test_create_makes_a_given_workspace(mistyped, called, tmp_path):
    (tmp_path / "m.txt").write_text("a model")
    line = ("register", "--create", "--model", "m", "--path", tmp_path / "m.txt")

    assert called(mlops_main, "--workspace", mistyped, *line)[0] == 0
    assert (mistyped / "bondx.yaml").is_file()


@pytest.mark.parametrize("line", ["status", "runs list", "registry list"])
def test_create_before_any_command_makes_a_given_workspace(line, mistyped, answer):
    code, _, err = answer("--workspace", mistyped, "--create", *line.split())

    assert (code, err) == (0, "")
    assert (mistyped / "bondx.yaml").is_file()


@pytest.mark.parametrize("line", ["status", "registry rollback m --reason x", "session pause s-0001"])
def test_read_only_before_a_command_that_opens_no_console_is_refused(line, workspace, answer):
    code, _, err = answer("--workspace", workspace.root, "--read-only", *line.split())

    assert code == 2
    assert "--read-only is for the console" in err


def test_the_default_workspace_is_created_on_first_use(called, tmp_path, monkeypatch):
    monkeypatch.delenv("BONDX_HOME", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "m.txt").write_text("a model")

    assert called(mlops_main, "register", "--model", "m", "--path", tmp_path / "m.txt")[0] == 0
    assert (tmp_path / "state" / "bondx" / "bondx.yaml").is_file()


def test_a_terminal_is_asked_and_enter_means_no(mistyped):
    child = terminal("--workspace", mistyped)
    child.expect_exact("Create a workspace there? [y/N]")
    child.sendline("")
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == 2
    assert not mistyped.exists()


def test_a_terminal_is_asked_and_yes_creates_it(mistyped):
    child = terminal("--workspace", mistyped, "--read-only")
    child.expect_exact("Create a workspace there? [y/N]")
    child.sendline("y")
    child.expect_exact("Live models")
    child.send("q")
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == 0
    assert (mistyped / "bondx.yaml").is_file()


def test_a_console_without_a_terminal_says_so_in_one_sentence(tmp_path, answer, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    code, out, err = answer()

    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "bondx status --plain" in err
    assert "bondx run --headless" in err
    assert list(tmp_path.iterdir()) == [], "nothing was created for a console that cannot open"
