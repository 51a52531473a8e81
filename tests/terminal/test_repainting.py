"""The screen after whatever a terminal forgets: a shell in between, another size, another program's output."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from core.actor import Actor, Origin
from core.registry import Registry
from core.state import Workspace
from tests.terminal.conftest import Terminal

pytestmark = pytest.mark.terminal


@pytest.fixture
def workspace(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of it that a test may change."""
    return shutil.copytree(trained, tmp_path / "w")


@pytest.fixture
def job(terminal: Callable[..., Terminal], workspace: Path) -> Terminal:
    """Open a console that carries no engine as a job of an interactive shell."""
    shell = terminal("env PS1='shell> ' bash --norc -i", cwd=workspace.parent)
    shell.wait_for("shell>")
    shell.type(f"bondx --workspace {workspace} --read-only\n")
    shell.wait_for(r"\[1 Overview(.|\n)*Live models")
    return shell


def write_garbage(terminal: Terminal) -> bool:
    """Write as another program does. A console that was still drawing draws over it, so whoever looks writes again."""
    terminal.write_over("\x1b[5;1Hgarbage of another program\x1b[K\x1b[6;1Hgarbage\x1b[K")
    return False


def is_whole(screen: str) -> bool:
    return "1 Overview" in screen and "Live models" in screen and "quit" in screen


def test_a_console_that_was_suspended_is_drawn_whole_when_it_returns(job):
    for _ in range(2):
        job.press("C-z")
        job.wait_for("Stopped")
        job.type("fg\n")
        job.wait_until(is_whole, "the whole console")
    job.press("3")
    job.wait_for(r"\[3 Registry")


def test_a_console_that_was_stopped_from_outside_is_drawn_whole_and_reads_each_key_once(job, workspace):
    [console] = [each for each in psutil.process_iter(["cmdline"]) if str(workspace) in (each.info["cmdline"] or [])]
    os.kill(console.pid, signal.SIGSTOP)
    job.wait_for("Stopped")
    job.type("fg\n")  # the picture of before is still there, below what the shell has written
    job.wait_until(lambda screen: is_whole(screen) and "Stopped" not in screen, "the whole console, drawn anew")
    job.press("3")
    job.wait_for(r"\[3 Registry")
    job.press(":", "h", "e")
    job.wait_for(r": ?he\b")


def test_a_console_that_carries_the_engine_is_not_suspended(terminal, workspace):
    console = terminal(f"bondx --workspace {workspace}", cwd=workspace.parent)
    console.wait_for("engine in this console")
    console.press("C-z")
    console.wait_for("The engine runs in this console")
    console.leave_console()


def test_a_terminal_that_shrinks_and_grows_in_one_moment_shows_everything(job):
    job.resize((40, 12), (80, 24))
    job.wait_until(is_whole, "the whole console")


def test_ctrl_l_repairs_what_another_program_has_written(job, tmp_path):
    for key, text in (("1", "Live models"), ("?", "Keys of Overview")):
        job.press(key)
        job.wait_for(text)
        job.wait_until(lambda screen: "garbage" in screen or write_garbage(job), "what another program writes")
        job.press("C-l")
        job.wait_until(lambda screen: "garbage" not in screen, "a screen without it")


def test_records_that_a_terminal_has_moved_are_those_of_a_screen_drawn_whole(job, workspace):
    registry, operator = Registry(Workspace.open(workspace)), Actor("ana", "desk", Origin.COMMAND_LINE)
    [version, *_] = registry.versions()
    job.press("9")
    job.wait_for("newest [1-9]")
    for n_newer in range(1, 4):
        registry.set_tags(version.model, version.version, {"round": str(n_newer)}, actor=operator)
        job.wait_for(f" {n_newer} newer: g")
    moved = job.wait_until(lambda screen: screen.count("version.tag") >= 3, "the records")
    job.write_over("\x1b[5;1Hgarbage of another program\x1b[K")
    job.press("C-l")
    whole = job.wait_until(lambda screen: "garbage" not in screen, "a screen without it")
    assert moved.splitlines()[3:] == whole.splitlines()[3:], "all but the clock above"
