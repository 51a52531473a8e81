"""The launcher of the examples opens a console in tmux and comes back to it, and ssh reads the hosts of its file."""

import os
import re
import shutil
import subprocess

import pytest

from tests.terminal import documented
from tests.terminal.conftest import end_tmux
from tests.waiting import PATIENCE_SECONDS

FOLDER = documented.ROOT / "examples" / "tmux_and_ssh"
LAUNCHER = FOLDER / "bondx-session"


def test_a_dropped_line_comes_back_to_the_same_console(terminal, bondx, tmp_path, tmp_path_factory, monkeypatch):
    sockets = tmp_path_factory.mktemp("tmux")
    assert bondx("init", "--workspace", tmp_path / "home").returncode == 0
    line = f"unset TMUX; export TMUX_TMPDIR={sockets} BONDX_HOME={tmp_path / 'home'}; {LAUNCHER} night --read-only"
    monkeypatch.setenv("TMUX_TMPDIR", str(sockets))
    panes = ["tmux", "-L", "bondx", "list-panes", "-a", "-F", "#{session_name} #{pane_pid}"]
    try:
        first = terminal(line, cwd=tmp_path)
        first.wait_for("1 Overview")
        opened = subprocess.run(panes, capture_output=True, text=True, check=True).stdout
        assert re.fullmatch(r"night \d+\n", opened)
        first.close()  # as a lost line ends it

        second = terminal(line, cwd=tmp_path)
        second.wait_for("1 Overview")
        assert subprocess.run(panes, capture_output=True, text=True, check=True).stdout == opened
        second.press("C-b", "d")
        second.wait_for("exit code 0")
        assert subprocess.run(panes, capture_output=True, text=True, check=True).stdout == opened
    finally:
        end_tmux("-L", "bondx")


def test_without_a_terminal_it_says_how_to_connect(terminal):
    done = subprocess.run(
        [LAUNCHER], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert (done.returncode, done.stderr) == (2, "bondx-session: no terminal: connect with ssh -t\n")


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs OpenSSH")
def test_ssh_reads_every_host_of_the_page():
    page = (documented.ROOT / "docs" / "examples.md").read_text()
    hosts = re.findall(r"^Host (\S+)$", (FOLDER / "ssh_config").read_text(), re.MULTILINE)
    assert hosts == re.findall(r"^\| `(desk-\w+)` \|", page, re.MULTILINE)
    for host in hosts:
        command = ["ssh", "-G", "-F", FOLDER / "ssh_config", host]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
        assert done.returncode == 0, done.stderr
        assert "hostname desk.example.com" in done.stdout.splitlines()
