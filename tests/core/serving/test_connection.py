"""Time limits of a connection: idle, in the middle of a head, in the middle of an unread body."""

import contextlib
import http.client
import socket

import pytest

from core.serving import connection as connections
from core.serving.limits import ServingLimits
from core.serving.server import Server
from tests.waiting import PATIENCE_SECONDS, until

WHOLE = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def start(workspace, monkeypatch):
    """Start a server with the limits given, and return what connects to it."""
    monkeypatch.setattr(connections, "_BODY_GRACE_SECONDS", 0.1)
    servers = []

    def started(**limits):
        server = Server(workspace, "127.0.0.1", 0, limits=ServingLimits(**limits))
        server.start()
        servers.append(server)
        port = int(server.url.rpartition(":")[2])
        return lambda: socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)

    yield started
    for server in servers:
        server.stop()


def everything(connection):
    """Read until the server closes the connection."""
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def answers_until_closed(connect, sent):
    """Send a request, and read until the server hangs up; empty if it hung up before the request."""
    with connect() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(sent)
        return everything(connection)
    return b""


@pytest.mark.parametrize("sent", [b"", b"\r\n", WHOLE, WHOLE + b"\r\n"], ids=["new", "empty line", "used", "both"])
def test_an_idle_connection_is_closed(start, sent):
    connect = start(idle_seconds=1)
    until(lambda: answers_until_closed(connect, sent).count(b"200 OK") == sent.count(b"GET"), "every answer")


@pytest.mark.parametrize("before", [b"", WHOLE], ids=["the first", "a later one"])
def test_an_incomplete_head_is_a_408(start, before):
    with start(body_seconds=0.2)() as connection:
        connection.sendall(before)
        if before:
            answer = http.client.HTTPResponse(connection)  # whole: its head and its body may come one after the other
            answer.begin()
            assert (answer.status, answer.read()[:1]) == (200, b"{")
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: loc")
        assert everything(connection).startswith(b"HTTP/1.1 408")


def test_an_unread_body_does_not_hold_a_connection(start):
    with start(body_seconds=0.2)() as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")
        assert everything(connection).startswith(b"HTTP/1.1 200")


def test_a_head_over_the_limit_is_a_431(start):
    head = b"GET /health HTTP/1.1\r\n" + (b"x-more: " + b"x" * 1_000 + b"\r\n") * 100
    with start()() as connection:
        # One byte too many: all is read when it is refused. What came behind it could tear the answer down.
        connection.sendall(head[: connections.MAX_HEAD_BYTES + 1])
        assert everything(connection).startswith(b"HTTP/1.1 431")


def test_connections_without_requests_do_not_block_others_for_long(start):
    connect = start(connections=4, idle_seconds=1)
    idle = [connect() for _ in range(4)]
    for each in idle:
        assert everything(each) == b""
        each.close()
    until(lambda: answers_until_closed(connect, WHOLE).startswith(b"HTTP/1.1 200"), "an answer to somebody who asks")
