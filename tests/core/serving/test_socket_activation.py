"""A server on a socket that systemd opened: it takes it over, and callers wait through a restart instead of failing."""

import contextlib
import json
import signal
import socket
import subprocess
import sys

import pytest

from core.errors import ExitCode
from tests.core.serving.test_workers import Hammer, workers_of
from tests.waiting import PATIENCE_SECONDS, until

ACTIVATE = """
socket=$1
export LISTEN_PID=$$ LISTEN_FDS=$2
shift 2
exec "$@" 3<&"$socket" 4<&3
"""


@pytest.fixture(scope="module")
def workspace(make_workspace, put_live, artifacts, tmp_path_factory):
    workspace = make_workspace(tmp_path_factory.mktemp("activated") / "workspace")
    put_live(workspace, "spread", artifacts / "spread")
    return workspace


@pytest.fixture
def listener():
    """The socket that systemd would keep."""
    with socket.create_server(("127.0.0.1", 0), backlog=2_048) as opened:
        yield opened


def activated(workspace, opened, *arguments, n_sockets="1"):
    """Start a server as systemd does: the socket is descriptor 3, and the variables name this very process."""
    command = [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "serve", *arguments]
    return subprocess.Popen(
        ["bash", "-c", ACTIVATE, "bash", str(opened.fileno()), n_sockets, *command],
        pass_fds=(opened.fileno(),),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def serving(workspace, opened, *arguments):
    with activated(workspace, opened, *arguments) as process:
        try:
            assert "serving on" in process.stdout.readline()
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
            assert process.returncode == ExitCode.GOOD, out + err


@pytest.mark.journey
@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["one process", "two workers"])
def test_callers_wait_through_a_restart(workspace, listener, rows_of, workers):
    row = json.dumps({"row": rows_of("spread", 1)[0]}).encode()
    hammers = []
    try:
        with serving(workspace, listener, *workers) as first:
            hammers = [Hammer(listener.getsockname()[1], row, keeps=keeps) for keeps in (True, False)]
            until(lambda: all(hammer.n_answered > 20 for hammer in hammers), "answers of the first server")
            until(lambda: not workers or len(workers_of(first)) == 2, "its workers")
        # Nobody accepts now: the callers wait in the queue of the socket.
        before = [hammer.n_answered for hammer in hammers]
        with serving(workspace, listener, *workers):
            until(
                lambda: all(hammer.n_answered > n + 20 for hammer, n in zip(hammers, before, strict=True)),
                "answers of the second server",
            )
            for hammer in hammers:
                hammer.stop()
    finally:
        for hammer in hammers:
            hammer.stop()
    assert [hammer.problems for hammer in hammers] == [[], []]


def refused(workspace, opened, *arguments, n_sockets="1"):
    process = activated(workspace, opened, *arguments, n_sockets=n_sockets)
    _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == ExitCode.USAGE, err
    return err


def test_an_address_beside_the_socket_is_refused(workspace, listener):
    assert "systemd has opened 127.0.0.1:" in refused(workspace, listener, "--listen", "127.0.0.1:0")


def test_two_sockets_are_refused(workspace, listener):
    assert "systemd passed 2 sockets (LISTEN_FDS)" in refused(workspace, listener, n_sockets="2")


def test_a_socket_that_is_not_tcp_is_refused(workspace, tmp_path):
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s"))
        unix.listen()
        assert f"systemd passed a socket that is not TCP ('{tmp_path}/s')" in refused(workspace, unix)


def test_a_connection_in_the_place_of_a_listener_is_refused(workspace, listener):
    with socket.create_connection(listener.getsockname()) as connection:
        assert "not a listening socket: set Accept=no in the socket unit" in refused(workspace, connection)


def test_what_is_no_socket_is_refused(workspace, tmp_path):
    with (tmp_path / "file").open("w") as file:
        err = refused(workspace, file)
    assert "Descriptor 3, which LISTEN_FDS=1 names, is not a socket" in err
    assert "unset LISTEN_FDS" in err


def test_a_socket_that_other_machines_reach_needs_a_token(workspace):
    with socket.create_server(("0.0.0.0", 0)) as wide:
        assert "there is no valid token" in refused(workspace, wide)


def test_sockets_of_another_process_are_left_alone(workspace, listener, monkeypatch):
    from core.serving.authenticator import Authenticator
    from core.serving.inherited import inherited_listener

    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http", "HOME": "/"}
    assert inherited_listener(environ, Authenticator(workspace)) is None
    assert environ == {"HOME": "/"}
