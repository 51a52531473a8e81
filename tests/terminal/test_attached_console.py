"""A second account of the machine at its own terminal: the console of the owner's engine, by its grants."""

import fcntl
import os
import select
import signal
import socket
import struct
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from console.runtime.attachment import AttachRequest, receive_line, send_line
from core.governance import AuditLog
from core.state import Workspace
from tests.core.access.test_two_accounts import OTHER, needs_accounts, place
from tests.terminal.conftest import HARDLY_EXPLAINED
from tests.waiting import PATIENCE_SECONDS, until

__all__ = ["place"]
pytestmark = [pytest.mark.terminal, needs_accounts]

# The other account may not be able to run this interpreter: so it becomes the other account once all is imported.
BECOMES = """
import os, pwd, sys
import console.cli.main, console.cli.output, console.commands.attach, console.runtime.attaching
import console.runtime.preferences, core.state, core.tables.errors, widgets.glyphs
console.runtime.attachment.read_answer(b"{}")
account = pwd.getpwnam(sys.argv[1])
os.setgroups([]); os.setgid(account.pw_gid); os.setuid(account.pw_uid)
sys.exit(console.cli.main.main(sys.argv[2:]))
"""
SETTINGS = HARDLY_EXPLAINED + "console: {socket: ../console.sock}\n"
STANDING = r"ARMED +\d\d:\d\d UTC"
TIOCSIG = 0x40045436  # asm-generic/ioctls.h
AUTHOR = f"{OTHER}@{socket.gethostname()}"


def consoles(root: Path) -> list[psutil.Process]:
    """Return the processes of attached consoles."""
    words = {"console.cli.attached", str(root)}
    return [each for each in psutil.process_iter(["cmdline"]) if words <= set(each.info["cmdline"] or ())]


@pytest.fixture
def root(place: Path, bondx) -> Iterator[Path]:
    """Return the workspace of the owner, without an engine; what attached to it is ended."""
    root = place / "workspace"
    assert bondx("--workspace", root, "init").returncode == 0
    (root / "bondx.yaml").write_text(SETTINGS)
    yield root
    for each in consoles(root):
        each.kill()


@pytest.fixture
def engine(root: Path, place: Path, terminal) -> Callable[[], psutil.Process]:
    """Return a function that starts an engine, and waits until consoles can attach."""

    def start() -> psutil.Process:
        terminal(f"bondx --workspace {root} run --headless --no-session", cwd=place)

        def listens() -> bool:
            with socket.socket(socket.AF_UNIX) as trial:
                return trial.connect_ex(str(place / "console.sock")) == 0

        until(listens, "the socket for consoles")
        words = ["--workspace", str(root), "run"]
        (found,) = [each for each in psutil.process_iter(["cmdline"]) if (each.info["cmdline"] or [])[2:5] == words]
        return found

    return start


@pytest.fixture
def attached(place: Path, terminal):
    """Return a function that attaches a console of the other account at a terminal of its own."""
    script = place / "becomes.py"
    script.write_text(BECOMES)

    def attach(*options: str, **size: int):
        command = [
            f"PYTHONPATH={Path.cwd()}",
            sys.executable,
            script,
            OTHER,
            "attach",
            place / "console.sock",
            *options,
        ]
        return terminal(" ".join(["env", *map(str, command)]), cwd=place, **size)

    return attach


def test_another_account_works_in_the_console_by_its_grants_and_under_its_name(place, root, engine, attached, bondx):
    engine()
    shut_out = attached()
    shut_out.wait_for(r"nobody has no role here")
    shut_out.wait_for(r"exit code 3")

    assert bondx("--workspace", root, "access", "grant", f"user:{OTHER}", "operator").returncode == 0
    screen = attached()
    screen.wait_for(STANDING)
    screen.wait_for("You are nobody here")
    screen.type(":start")
    screen.press("Enter")
    screen.wait_for("Y confirms")
    screen.press("Y")
    screen.wait_for("s-0001")
    started = until(lambda: [each for each in AuditLog(Workspace(root)).tail(50) if each.verb == "session.start"], "it")
    assert [each.actor for each in started] == [AUTHOR]

    for line in (f":export csv {place}/list.csv", f":workspace {place}", f":rehearse {root}/bondx.yaml"):
        screen.type(line)
        screen.press("Enter")
        screen.wait_for(r"reads and writes\s+no\s+files")
        screen.press("g")
    assert not (place / "list.csv").exists()

    screen.resize((120, 40))
    screen.wait_until(lambda seen: any(len(line) > 100 for line in seen.splitlines()), "a wide screen")
    screen.press("C-z")
    screen.wait_for("No shell waits")
    assert bondx("--workspace", root, "access", "revoke", f"user:{OTHER}").returncode == 0
    screen.wait_for("nobody may have no console here")
    screen.wait_for("exit code 3")
    verbs = [(each.verb, each.actor) for each in AuditLog(Workspace(root)).tail(100)]
    assert [each for each in verbs if each[0] in ("access.refuse", "console.attach")] == [
        ("access.refuse", AUTHOR),
        ("console.attach", AUTHOR),
    ]


def test_a_dropped_line_ends_the_console_and_a_killed_engine_does_not(place, root, engine, attached, bondx):
    assert bondx("--workspace", root, "access", "grant", f"user:{OTHER}", "operator").returncode == 0
    process = engine()
    dropped = attached("--read-only")
    dropped.wait_for(r"RO +\d\d:\d\d UTC")
    (near_end,) = [each for each in psutil.process_iter(["cmdline"]) if "attach" in (each.info["cmdline"] or [])]
    near_end.send_signal(signal.SIGKILL)
    until(lambda: not consoles(root), "the end of the console of a dropped line")

    stays = attached()
    stays.wait_for(STANDING)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_SECONDS)
    stays.wait_for("no engine")
    stays.type(":engine")
    stays.press("Enter")
    stays.wait_for("starts no engine")
    engine()
    stays.wait_for("engine headless")
    assert len(consoles(root)) == 1
    stays.press("q")
    stays.wait_for("exit code 0")
    until(lambda: not consoles(root), "the end of the console")


def test_a_console_that_is_killed_leaves_a_terminal_that_works(place, root, engine, attached, bondx):
    assert bondx("--workspace", root, "access", "grant", f"user:{OTHER}", "operator").returncode == 0
    engine()
    screen = attached()
    screen.wait_for(STANDING)
    (console,) = consoles(root)
    console.kill()
    screen.wait_for("the console was killed")
    shown = screen.wait_for("exit code 1")
    assert "Live models" not in shown, "the alternate screen is left"


class FarEnd:
    """What a hostile program of the other account does with the terminal that it is given."""

    def __init__(self, door: Path) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(str(door))
        send_line(self._connection, AttachRequest(term="xterm-256color", speaks_utf8=True), descriptors=[])
        _, (self.terminal,) = receive_line(self._connection, n_descriptors=1)
        self._drawn = b""

    def close(self) -> None:
        self._connection.close()
        os.close(self.terminal)

    def wait_for(self, text: str) -> None:
        def seen() -> bool:
            if select.select([self.terminal], [], [], 0)[0]:
                self._drawn += os.read(self.terminal, 65_536)
            return text.encode() in self._drawn

        until(seen, repr(text))


@pytest.fixture
def far_end(place: Path, root, engine) -> Iterator[FarEnd]:
    """Return the far end of a console of this account, which owns the workspace."""
    engine()
    found = FarEnd(place / "console.sock")
    found.wait_for("Live models")
    yield found
    found.close()


def test_a_terminal_stops_its_console_neither_by_a_signal_nor_by_reading_nothing(far_end, root, bondx):
    """It would outlive its right, and whatever lock it holds would stay locked."""
    (console,) = consoles(root)
    for number in (signal.SIGTSTP, signal.SIGQUIT):
        fcntl.ioctl(far_end.terminal, TIOCSIG, number)
    os.write(far_end.terminal, b":whoami\r")
    far_end.wait_for("Who am I")
    os.write(far_end.terminal, b"\x1b\x0c\x0c\x0c\x0c\x0c\x0c\x0c\x0c")  # draws, and nobody reads
    # From the first grant on accounts have the roles of their grants alone, and this one has none.
    assert bondx("--workspace", root, "access", "grant", f"user:{OTHER}", "admin").returncode == 0
    console.wait(PATIENCE_SECONDS)


def test_a_terminal_of_a_size_beyond_reason_is_not_drawn_whole(far_end, root):
    (console,) = consoles(root)
    before = console.memory_info().rss
    fcntl.ioctl(far_end.terminal, termios.TIOCSWINSZ, struct.pack("4H", 65_535, 65_535, 0, 0))
    os.write(far_end.terminal, b":whoami\r")
    far_end.wait_for("Who am I")
    assert console.memory_info().rss - before < 400e6


def test_the_console_writes_nothing_of_its_user_into_the_home_of_the_owner(
    place, root, engine, attached, bondx, monkeypatch
):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(place / "data"))
    assert bondx("--workspace", root, "access", "grant", f"user:{OTHER}", "operator").returncode == 0
    engine()
    screen = attached()
    screen.wait_for(STANDING)
    screen.press("q")
    screen.wait_for("exit code 0")
    found = {file.name for file in (root / "cache" / "consoles" / f"of-{OTHER}").rglob("*") if file.is_file()}
    assert found <= {"visits.json"}
    assert not (place / "config").exists()
    assert not list((place / "data").rglob("workspaces.json"))


def test_no_account_takes_more_places_than_it_has(place, root, engine, attached, bondx):
    assert bondx("--workspace", root, "access", "grant", f"user:{OTHER}", "operator").returncode == 0
    engine()
    waiting = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    for each in waiting:
        each.connect(str(place / "console.sock"))  # of this account, which says nothing
    fifth = socket.socket(socket.AF_UNIX)
    fifth.connect(str(place / "console.sock"))
    assert fifth.recv(1) == b""
    attached().wait_for(STANDING)  # another account has places of its own
    for each in (*waiting, fifth):
        each.close()


def test_what_is_no_socket_of_an_engine_is_said(place, attached):
    screen = attached()
    screen.wait_for("No engine lets consoles in at")
    screen.wait_for("exit code 2")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "console.sock"))
        os.chmod(place / "console.sock", 0o666)
        listener.listen()
        screen = attached()
        connection, _ = listener.accept()
        connection.sendall(b"HTTP/1.1 400 Bad Request\n")
        screen.wait_for("is not the socket of")
        connection.close()
