"""A real terminal for tests: tmux runs the installed console, keys go in, the screen comes out."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.made_once import made_once
from tests.terminal import documented
from tests.waiting import PATIENCE_SECONDS, until

BONDX = Path(sys.executable).with_name("bondx")
SETTINGS = (
    "max_epochs: 2\ndataset_size: 150\n"
    "promotion: {min_accuracy: 0.0, max_attainment_drop: 1.0}\nquality_gates: {negative_spreads_max: 10}\n"
    "alerts: {cpu_percent_max: 100, memory_percent_max: 100, disk_percent_max: 100}\n"  # whatever else runs here
)
HARDLY_EXPLAINED = SETTINGS + "explanation: {rows: 20, background_rows: 10}\n"
"""The same, without what takes half of a short session."""


def end_tmux(*server: str) -> None:
    """End a tmux server and all that runs in it: a headless engine outlives its terminal.

    Args:
        server: The options that name the server; by default the one of `TMUX_TMPDIR`.
    """
    tmux = ["tmux", *server]
    asked = subprocess.run([*tmux, "display-message", "-p", "#{pid}"], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        return
    inside = psutil.Process(int(asked.stdout)).children(recursive=True)
    subprocess.run([*tmux, "kill-server"], capture_output=True, check=False)
    for process in inside:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(inside, timeout=PATIENCE_SECONDS)[1]:
        process.kill()


class Terminal:
    """One tmux session of its own server, as a person's SSH line would see it."""

    def __init__(self, socket: str, columns: int, rows: int) -> None:
        self._socket = socket
        self._size = (columns, rows)
        self._target = "main"

    def open(self, command: str, *, cwd: Path) -> "Terminal":
        """Start a command; its exit code is shown when it ends, and the screen stays."""
        columns, rows = self._size
        shell = f"{command}; printf '\\nexit code %d\\n' $?; exec sleep 3600"  # as long as a test may last
        self._tmux("new-session", "-d", "-s", self._target, "-x", str(columns), "-y", str(rows), "-c", str(cwd), shell)
        return self

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: `j`, `Enter`, `Escape`, `C-p`."""
        self._tmux("send-keys", "-t", self._target, *keys)

    def type(self, text: str) -> None:
        """Type text letter by letter."""
        self._tmux("send-keys", "-t", self._target, "-l", text)

    def paste(self, text: str) -> None:
        """Paste a text as a person does with the mouse: in brackets, if the program has asked for them."""
        self._tmux("set-buffer", "--", text)
        self._tmux("paste-buffer", "-p", "-r", "-t", self._target)

    def screen(self) -> str:
        """Return what is on the screen now."""
        return self._tmux("capture-pane", "-p", "-t", self._target)

    def wait_for(self, pattern: str) -> str:
        """Return the screen once the pattern is on it."""
        return self.wait_until(lambda screen: re.search(pattern, screen) is not None, pattern)

    def wait_until(self, is_there: Callable[[str], bool], what: str) -> str:
        """Return the screen once it satisfies a condition."""

        def seen() -> list[str]:
            screen = self.screen()
            return [screen] if is_there(screen) else []

        (screen,) = until(seen, repr(what), told=self.screen)
        return screen

    def resize(self, *sizes: tuple[int, int]) -> None:
        """Change the size of the window, as a person drags its corner: several sizes follow at once."""
        steps = [("resize-window", "-t", self._target, "-x", str(columns), "-y", str(rows)) for columns, rows in sizes]
        self._tmux(*(word for step in steps for word in (*step, ";")))

    def write_over(self, text: str) -> None:
        """Write to the terminal from outside, as another program does."""
        Path(self._tmux("display-message", "-p", "-t", self._target, "#{pane_tty}").strip()).write_text(text)

    def set_server(self, option: str, value: str) -> None:
        """Set an option of the terminal itself."""
        self._tmux("set-option", "-s", option, value)

    def leave_console(self) -> None:
        """Leave the console, however often it asks: what depends on it may change between question and answer."""
        self.press("q")

        def left() -> bool:
            if re.search("Y (confirms|shows)", screen := self.screen()):
                self.press("Y")
            return "exit code" in screen

        until(left, "the end of the console", told=self.screen)

    def close(self) -> None:
        """End the server and everything in it."""
        end_tmux("-L", self._socket)

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-L", self._socket, "-f", os.devnull, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Terminal]]:
    """Open terminals: `terminal("bondx status", cwd=folder)`, 80x24 unless told otherwise."""
    monkeypatch.setenv("PATH", f"{BONDX.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.delenv("TMUX", raising=False)
    opened: list[Terminal] = []

    def open_terminal(command: str, *, cwd: Path, columns: int = 80, rows: int = 24) -> Terminal:
        opened.append(Terminal(f"bondx-{uuid.uuid4().hex[:8]}", columns, rows))
        return opened[-1].open(command, cwd=cwd)

    yield open_terminal
    for each in opened:
        each.close()


@pytest.fixture(scope="session")
def bondx() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the installed command: `bondx("--workspace", folder, "status")`."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [str(BONDX), *map(str, arguments)]
        print("$", shlex.join(command))
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, **options)  # type: ignore[call-overload]

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, bondx) -> Path:
    """Return a workspace in which one session has been trained, headless, by the README's own words."""

    def train(folder: Path) -> None:
        workspace = folder / "w"
        assert bondx("--workspace", workspace, "init").returncode == 0
        (workspace / "bondx.yaml").write_text(HARDLY_EXPLAINED)
        (folder / "sample_configs").mkdir()
        (folder / "sample_configs" / "quick.yaml").write_text(HARDLY_EXPLAINED)
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("BONDX_HOME", str(workspace))
            environment.setenv("PATH", f"{BONDX.parent}:{os.environ['PATH']}")
            documented.play("a-first-session", folder)

    return made_once(tmp_path_factory, "trained", train) / "w"
