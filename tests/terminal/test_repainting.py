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


def write_garbage(terminal: Terminal, *rows: int) -> str:
    """Write as another program does, and return the screen with it; a console that is still drawing draws over it.

    What the console has begun to write until then is on the screen whole: it comes first.
    """
    garbage = "".join(f"\x1b[{row};1Hgarbage of another program\x1b[K" for row in rows)

    def is_there(screen: str) -> bool:
        lines = screen.splitlines()
        seen = all(lines[row - 1] == "garbage of another program" for row in rows)
        if not seen:
            terminal.write_over(garbage)
        return seen

    return terminal.wait_until(is_there, "what another program writes")


def is_whole(screen: str) -> bool:
    return "1 Overview" in screen and "Live models" in screen and "quit" in screen


def test_a_console_that_was_suspended_is_drawn_whole_when_it_returns(job):
    for n_before in range(2):
        job.press("C-z")
        # The screen of the shell tells of the first time until the console has stopped again.
        job.wait_until(lambda screen, n=n_before: screen.count("Stopped") > n, "the stop")
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


def test_ctrl_l_repairs_what_another_program_has_written(job):
    for key, text in (("1", "Live models"), ("?", "Keys of Overview")):
        job.press(key)
        job.wait_for(text)
        write_garbage(job, 5, 6)
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
    job.wait_until(lambda screen: screen.count("version.tag") >= 3, "the records")
    moved = write_garbage(job, 1)
    write_garbage(job, 5)
    job.press("C-l")
    # A part of it is on the screen first. All but the clock above is compared.
    job.wait_until(lambda screen: screen.splitlines()[3:] == moved.splitlines()[3:], f"drawn whole, this:\n{moved}\n")
