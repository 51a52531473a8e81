"""Time limits of a connection: idle, in the middle of a head, in the middle of an unread body."""

import contextlib
import http.client
import json
import socket

import pytest

from core.serving import connection as connections
from core.serving.crowd import RESERVE, Admission, Crowd
from core.serving.limits import ServingLimits
from core.serving.server import Server
from tests.waiting import PATIENCE_SECONDS, until

WHOLE = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
OTHER = b"GET /v2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
UNFINISHED = b"POST /api/v1/predict/spread HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"


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
        return lambda peer="127.0.0.1": socket.create_connection(
            ("127.0.0.1", port), timeout=PATIENCE_SECONDS, source_address=(peer, 0)
        )

    yield started
    for server in servers:
        server.stop()


def everything(connection):
    """Read until the server closes the connection."""
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def send_forever(connection):
    while True:
        connection.sendall(b" " * 65_536)


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
    with start(body_seconds=1.0)() as connection:
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


def test_idle_connections_make_room_for_callers_and_probes(start):
    connect = start(connections=12, connections_by_peer=8)
    with contextlib.ExitStack() as idle:
        for number in range(60):  # new, used, and in the middle of a head
            connection = idle.enter_context(connect())
            with contextlib.suppress(ConnectionError):
                connection.sendall((b"", WHOLE, WHOLE[:20])[number % 3])
        for _ in range(3):
            with connect() as connection:
                connection.sendall(WHOLE)
                assert connection.recv(99).startswith(b"HTTP/1.1 200")


def test_the_connections_of_one_peer_leave_room_for_others(start):
    connect = start(connections=12, connections_by_peer=8, body_seconds=PATIENCE_SECONDS)
    with contextlib.ExitStack() as busy:
        for _ in range(8):
            busy.enter_context(connect()).sendall(UNFINISHED)
        until(lambda: answers_until_closed(connect, OTHER).startswith(b"HTTP/1.1 503"), "a full share")
        with connect("127.0.0.2") as other:
            other.sendall(WHOLE)
            assert other.recv(99).startswith(b"HTTP/1.1 200")


def test_beyond_the_limit_probes_are_answered_and_nothing_else(start):
    connect = start(connections=4, body_seconds=PATIENCE_SECONDS)
    with contextlib.ExitStack() as busy:
        for _ in range(4):
            busy.enter_context(connect()).sendall(UNFINISHED)
        until(lambda: answers_until_closed(connect, OTHER).startswith(b"HTTP/1.1 503"), "a full server")
        for path in (b"/health", b"/ready", b"/v2/health/live", b"/v2/health/ready"):
            with connect() as probe:
                probe.sendall(WHOLE.replace(b"/health", path))
                assert b'"live":true' in (answer := everything(probe)) or b'"ready":' in answer


def test_a_connection_that_never_asks_is_closed_early(start):
    connect = start(idle_seconds=600, first_request_seconds=0.2)
    with connect() as connection:
        assert everything(connection) == b""


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (
            b"POST /api/v1/predict/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n" + b" " * 9_000_000,
            413,
        ),
        (b"GET /health HTTP/1.1\r\n" + b"x-more: 1\r\n" * 200_000, 431),
        (b"GET /health HTTP/9.9\r\n" + b"x-more: 1\r\n" * 200_000, 400),
    ],
    ids=["body", "head", "not HTTP"],
)
def test_a_caller_that_sends_all_before_it_reads_gets_the_refusal(start, monkeypatch, sent, status):
    monkeypatch.setattr(connections, "_LINGER_SECONDS", PATIENCE_SECONDS)
    connect = start()
    for _ in range(4):
        with connect() as connection:
            connection.sendall(sent)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert (answer.status, answer.getheader("connection")) == (status, "close")
            assert json.loads(answer.read())["status"] == status
            assert answer.getheader("x-request-id")


def test_a_refused_connection_reads_the_refusal_too_and_only_some_of_them_stay_for_it(start, monkeypatch):
    connect = start(connections=20, connections_by_peer=2, body_seconds=PATIENCE_SECONDS)
    large = UNFINISHED.replace(b"9", b"9000000") + b" " * 1_000_000
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(connect()).sendall(UNFINISHED)
        until(lambda: answers_until_closed(connect, OTHER).startswith(b"HTTP/1.1 503"), "a full share")
        monkeypatch.setattr(Crowd, "enter", lambda *_: Admission.REFUSED)
        for _ in range(4):
            with connect() as refused:
                refused.sendall(large)
                assert everything(refused).startswith(b"HTTP/1.1 503")
        monkeypatch.setattr(connections, "_LINGER_SECONDS", PATIENCE_SECONDS)
        held = [stack.enter_context(connect()) for _ in range(RESERVE + 1)]
        assert all(everything(each).startswith(b"HTTP/1.1 503") for each in held)
        with pytest.raises(ConnectionError):  # the last is not waited for
            send_forever(held[-1])
        held[0].sendall(large)


def test_a_caller_that_never_stops_sending_is_cut_off(start, monkeypatch):
    monkeypatch.setattr(connections, "_LINGER_BYTES", 1 << 20)
    with start(body_bytes=1_000)() as connection:
        connection.sendall(UNFINISHED.replace(b"9", b"9000000000"))
        with pytest.raises(ConnectionError):
            send_forever(connection)


@pytest.mark.parametrize("probe", ["/health", "/ready", "/v2/health/live", "/v2/health/ready"])
def test_probes_of_a_peer_that_holds_all_its_connections_are_answered(start, probe):
    connect = start(connections=100, connections_by_peer=3, body_seconds=PATIENCE_SECONDS)
    asked = f"GET {probe} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with contextlib.ExitStack() as held:
        for _ in range(3 + 2 * RESERVE):  # those beyond the limit are refused as soon as their heads are read
            held.enter_context(connect()).sendall(UNFINISHED)
        until(lambda: answers_until_closed(connect, asked)[:12] in (b"HTTP/1.1 200", b"HTTP/1.1 503"), "an answer")
        assert answers_until_closed(connect, UNFINISHED).startswith(b"HTTP/1.1 503")


@pytest.mark.parametrize("sent", [b"", b"GET /hea", WHOLE.replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n{")])
def test_nobody_keeps_the_places_of_probes(start, sent):
    connect = start(connections_by_peer=1, body_seconds=PATIENCE_SECONDS)
    with contextlib.ExitStack() as held:
        held.enter_context(connect()).sendall(UNFINISHED)
        until(lambda: answers_until_closed(connect, OTHER).startswith(b"HTTP/1.1 503"), "the place being taken")
        for _ in range(2 * RESERVE):
            held.enter_context(connect()).sendall(sent)
        assert answers_until_closed(connect, WHOLE).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("in_pieces", [False, True], ids=["whole", "in pieces"])
def test_a_url_over_the_limit_is_a_414(start, monkeypatch, in_pieces):
    monkeypatch.setattr(connections, "_LINGER_SECONDS", PATIENCE_SECONDS)
    connect = start()
    sent = b"GET /v1/models/" + b"m" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start_of_piece in range(0, len(sent), 9_000 if in_pieces else len(sent)):
            connection.sendall(sent[start_of_piece:][: 9_000 if in_pieces else None])
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (answer.status, answer.getheader("connection")) == (414, "close")
        assert "65,536 bytes" in json.loads(answer.read())["error"]


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"gzip,chunked", b"deflate, chunked"])
@pytest.mark.parametrize("path", [b"/v1/models/spread:predict", b"/api/v1/sessions", b"/nothing"])
def test_an_unknown_transfer_coding_is_a_501(start, path, coding):
    with start()() as connection:
        fields = b"Host: localhost\r\nTransfer-Encoding: " + coding
        connection.sendall(b"POST " + path + b" HTTP/1.1\r\n" + fields + b"\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (answer.status, answer.getheader("connection")) == (501, "close")
        assert coding.decode() in json.loads(answer.read())["error"]
