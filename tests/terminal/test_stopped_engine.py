"""A console beside an engine that is stopped, and beside somebody who holds the lock of a file, on a real terminal."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.terminal.test_journey import show_only
from tests.waiting import until

pytestmark = pytest.mark.terminal

HOLD = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def workspace(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of it that a test may change."""
    return shutil.copytree(trained, tmp_path / "w")


def test_an_engine_that_is_stopped_is_named_with_the_cure_and_recovers(terminal, bondx, workspace):
    terminal(f"bondx --workspace {workspace} run --headless --no-session", cwd=workspace.parent)
    # A console that comes first would be the engine itself.
    until(lambda: json.loads(bondx("--workspace", workspace, "status", "--json").stdout)["engine"], "the engine")
    console = terminal(f"bondx --workspace {workspace}", cwd=workspace.parent)
    pid = int(re.search(r"engine headless pid (\d+)", console.wait_for(r"engine headless pid \d+"))[1])
    os.kill(pid, signal.SIGSTOP)
    try:
        console.wait_for(rf"kill -CONT {pid} wakes it")
    finally:
        os.kill(pid, signal.SIGCONT)
    console.wait_until(lambda screen: "kill -CONT" not in screen and "Overview" in screen, "the engine is back")
    console.leave_console()


def test_the_holder_of_a_lock_is_named_and_the_change_was_not_made(terminal, bondx, workspace):
    console = terminal(f"bondx --workspace {workspace}", cwd=workspace.parent)
    console.wait_for("1 Overview")
    console.press("3")
    show_only(console, "spread 1.0.0")
    lock = workspace / "state" / "registry.json.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout.readline()
        console.press("P")
        console.wait_for("→ Staging")
        console.wait_for("Y confirms: ")
        console.press("Y")
        console.wait_for(str(holder.pid))  # named while the change waits
        screen = console.wait_for("Nothing was changed: the files are locked")
        holder.stdin.close()
    assert re.search(r"lock|held", screen)
    stages = json.loads(bondx("--workspace", workspace, "registry", "list", "spread", "--json").stdout)
    assert {version["version"]: version["stage"] for version in stages}["1.0.0"] == "Development"
