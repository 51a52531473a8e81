"""The door for consoles of other accounts: how many wait at it, and what it reads there."""

import socket
import threading

import pytest

from console.runtime import doorway
from console.runtime.attachment import AttachAnswer, AttachRequest, read_answer, receive_line, send_line
from console.runtime.doorway import Doorway, environment_of
from core.governance import AuditLog
from tests.waiting import until


@pytest.fixture
def named(monkeypatch):
    """Let each caller be of an account of its own, as callers come."""
    accounts = iter(range(10_000))
    monkeypatch.setattr(doorway, "account_at", lambda _connection: f"stranger{next(accounts)}")


@pytest.fixture
def door(workspace, tmp_path):
    found = Doorway(workspace, tmp_path / "console.sock")
    found.open()
    yield tmp_path / "console.sock"
    found.close()


def called(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    connection.connect(str(path))
    return connection


def asked(path, content: bytes) -> AttachAnswer | None:
    with called(path) as connection:
        connection.sendall(content)
        return read_answer(receive_line(connection)[0])


def waiting() -> int:
    return sum(thread.name == "doorway-console" for thread in threading.enumerate())


def test_many_strangers_take_a_bounded_number_of_threads(door, named, monkeypatch):
    monkeypatch.setattr(doorway, "_GREETING_SECONDS", 600.0)
    callers = [called(door) for _ in range(200)]
    turned_away = [each for each in callers[:-64] if each.recv(1) == b""]
    assert len(turned_away) == 200 - 64
    until(lambda: waiting() == 64, "the end of the threads of those who gave way")
    for each in callers:
        each.close()
    until(lambda: waiting() == 0, "the end of the threads")


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\n",
        b"{}" * 10 + b"\n",
        b"[" * 10_000 + b"\n",
        b'{"term": "x\\u001b[2J"}\n',
        b'{"columns": 65535}\n',
        b'{"theme": "\\u0000"}\n',
        b'{"unknown": 1}\n',
        b"\xff\xfe\n",
    ],
)
def test_what_is_no_request_is_refused_and_not_recorded(door, workspace, content):
    n_before = len(AuditLog(workspace).tail(100))
    answer = asked(door, content)
    assert answer is not None
    assert "does not understand" in answer.refusal
    assert len(AuditLog(workspace).tail(100)) == n_before


def test_a_line_without_an_end_is_read_up_to_a_limit(door):
    with called(door) as connection, pytest.raises(ConnectionError):
        connection.sendall(b"x" * 10_000_000)


def test_an_account_that_asks_again_and_again_waits(door, workspace, monkeypatch):
    monkeypatch.setattr(doorway, "account_at", lambda _connection: "nobody")
    with called(door) as connection:
        send_line(connection, AttachRequest(), descriptors=[])
        receive_line(connection)
    told = {asked(door, b"{}\n").refusal.partition(":")[0] for _ in range(doorway.MOST_A_MINUTE + 5)}
    assert "nobody has asked for 20 consoles within a minute" in told


def test_strangers_who_say_nothing_keep_nobody_out(door, named, monkeypatch):
    monkeypatch.setattr(doorway, "_GREETING_SECONDS", 600.0)
    silent = [called(door) for _ in range(64)]
    for each in silent:
        each.sendall(b"{")
    answer = asked(door, b"{}\n")
    assert answer is not None
    assert "may have no console here" in answer.refusal or "A console shows the whole" in answer.refusal
    for each in silent:
        each.close()


def test_a_line_has_its_time_as_a_whole_however_it_drips():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        dripping = threading.Event()

        def drip() -> None:
            while not dripping.wait(0.02):
                theirs.send(b" ")

        thread = threading.Thread(target=drip)
        thread.start()
        with pytest.raises(TimeoutError):
            receive_line(ours, within_seconds=0.3)
        dripping.set()
        thread.join()


def test_refusals_are_recorded_up_to_a_number(door, named, workspace, monkeypatch):
    monkeypatch.setattr(doorway, "MOST_REFUSALS_A_MINUTE", 3)
    n_before = len(AuditLog(workspace).tail(100))
    told = [asked(door, b"{}\n") for _ in range(5)]
    assert all(answer is not None and "stranger" in answer.refusal for answer in told)
    assert len(AuditLog(workspace).tail(100)) == n_before + 3


def test_the_environment_has_the_terminal_of_the_other_and_nothing_of_ours(tmp_path):
    own = {"TMUX": "/tmp/ours", "SSH_AUTH_SOCK": "/tmp/agent", "LC_ALL": "de_DE", "TERM": "linux", "PATH": "/bin"}
    found = environment_of(AttachRequest(term="xterm", speaks_utf8=True, has_true_colours=True), own, tmp_path)
    homes = {f"XDG_{kind}_HOME": str(tmp_path) for kind in ("CONFIG", "DATA", "STATE", "CACHE")}
    assert found == {"PATH": "/bin", "TERM": "xterm", "LC_ALL": "C.UTF-8", "COLORTERM": "truecolor"} | homes
