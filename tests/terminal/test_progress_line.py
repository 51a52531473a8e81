"""Commands that take long: a line of progress on a terminal, silence in a pipe, and nothing half-done after Ctrl-C."""

import os
import pty
import re
import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager, suppress

import pytest

from core.errors import ExitCode
from core.registry import Registry
from core.tracking import Runs, RunStatus
from tests.waiting import PATIENCE_SECONDS

HURRIED = textwrap.dedent("""
    import fcntl, sys, termios
    from console.cli import progress_line
    if sys.stdin.isatty():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    progress_line.FIRST_SECONDS = progress_line.NEXT_SECONDS = 0.02
    from {module} import main
    sys.exit(main(sys.argv[1:]))
""")
HELD = textwrap.dedent("""
    import time
    from console.cli.progress_line import CommandProgress

    show = CommandProgress.show

    def held(line, part):
        show(line, part)
        while part == "choosing a method":  # until Ctrl-C comes
            time.sleep(0.01)

    CommandProgress.show = held
""")
CLEAR = "\r\x1b[K"


class Terminal:
    """A command on a terminal of its own, and what it has drawn so far."""

    def __init__(self, process, master):
        self.process, self._master, self.text = process, master, ""

    def read_until(self, wanted: str) -> None:
        while wanted not in self.text:
            try:
                chunk = os.read(self._master, 4096)
            except OSError:  # the command has ended
                chunk = b""
            assert chunk, f"{wanted!r} never came: {self.text!r}"
            self.text += chunk.decode()

    def enter(self, text: str) -> None:
        os.write(self._master, f"{text}\n".encode())

    def rest(self) -> str:
        with suppress(OSError):
            while chunk := os.read(self._master, 4096):
                self.text += chunk.decode()
        self.process.wait(PATIENCE_SECONDS)
        return self.text


@contextmanager
def on_terminal(*words, module="console.cli.main", script=HURRIED):
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", script.format(module=module), *map(str, words)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        env=os.environ | {"TERM": "xterm"},
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def interrupted(terminal: Terminal, part: str) -> None:
    """Press Ctrl-C when a part of the work is on the screen."""
    terminal.read_until(part)
    os.killpg(terminal.process.pid, signal.SIGINT)
    text = terminal.rest()
    assert terminal.process.returncode == ExitCode.INTERRUPTED, text
    assert text.endswith(CLEAR)
    assert "Traceback" not in text


def test_a_long_command_shows_its_progress_and_clears_it_before_its_answer(tmp_path):
    with on_terminal(
        "data", "generate", "bonds", "--rows", 3000, "--out", tmp_path / "bonds", "--format", "csv"
    ) as terminal:
        terminal.read_until("bondx data generate bonds: drawing 3,000 bonds, ")
        before, *drawn, last = terminal.rest().split(CLEAR)
    assert (terminal.process.returncode, before) == (0, "")
    assert any(re.match(r"bondx data generate bonds: drawing 3,000 bonds, \d+ s$", each) for each in drawn)
    # On a slow machine it is drawn between two lines of the answer, too.
    answer = [each for each in [*drawn, last] if not re.match(r"(bondx data generate bonds.* s)?$", each)]
    assert answer[0].startswith("3000 synthetic bonds, seed ")
    assert last in ("", answer[-1])


def test_a_pipe_stays_silent(tmp_path):
    words = ("data", "generate", "bonds", "--rows", "200", "--out", str(tmp_path / "bonds"), "--format", "csv")
    done = subprocess.run(
        [sys.executable, "-c", HURRIED.format(module="console.cli.main"), *words], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert CLEAR not in done.stdout


def test_interrupted_data_leave_no_folder(tmp_path):
    with on_terminal("data", "generate", "bonds", "--rows", 400_000, "--out", tmp_path / "bonds") as terminal:
        interrupted(terminal, "drawing 400,000 bonds")
    assert [*tmp_path.iterdir()] == []


def test_an_interrupted_registration_leaves_no_copy(workspace, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    with (folder / "weights.npz").open("wb") as file:
        file.truncate(8 << 30)  # sparse; it is copied until Ctrl-C comes
    words = ("--workspace", workspace.root, "registry", "register", "m", "--path", folder)
    with on_terminal(*words) as terminal:
        interrupted(terminal, "copying weights.npz")
    assert Registry(workspace).versions() == []
    assert not [path for path in workspace.artifacts_dir.rglob("*") if path.is_file() and path.stat().st_size]


def test_an_interrupted_training_ends_its_run_and_registers_nothing(workspace, tmp_path):
    rows = "".join(f"{n % 97},{n % 89},{n % 83},{(n * 7) % 101}\n" for n in range(400))
    (tmp_path / "rows.csv").write_text(f"a,b,c,y\n{rows}")
    words = ("--workspace", workspace.root, "train", "--model", "m", "--data", tmp_path / "rows.csv", "--target", "y")
    with on_terminal(*words, module="console.mlops.cli", script=HELD + HURRIED) as terminal:
        interrupted(terminal, "choosing a method")
    (run,) = Runs(workspace).all()
    assert run.status in (RunStatus.FAILED, RunStatus.STOPPED)
    assert Registry(workspace).versions() == []


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_dumb_terminal_is_spared(monkeypatch, term):
    from console.cli import progress_line

    monkeypatch.setattr("os.isatty", lambda _descriptor: True)
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    monkeypatch.setenv("TERM", term)
    assert not progress_line._is_drawable()


def test_the_title_names_the_command():
    from console.cli.main import build_parser
    from console.cli.progress_line import title_of

    assert title_of(build_parser(), ["--workspace", "w", "registry", "verify"]) == "bondx registry verify"
    assert title_of(build_parser(), []) == "bondx"
