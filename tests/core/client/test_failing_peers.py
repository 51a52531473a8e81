"""Peers that refuse, fail, dawdle and tear their answers; no test waits for real."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from core.client import (
    BackOff,
    BrokenAnswerError,
    CircuitBreaker,
    CircuitOpenError,
    Client,
    NotAllowedError,
    Outcome,
    PeerBusyError,
    PeerFailedError,
    RejectedError,
    TimedOutError,
    Timeouts,
    TransientError,
    UnknownModelError,
    UnreachableError,
)
from core.client.errors import ClientError
from core.errors import ExitCode
from tests.core.client.timeouts import PATIENT
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS

ROW = {"x": 1.0}
GOOD = {"model": "m", "version": "1.0.0", "request_id": "r", "predictions": [0.5]}


class Script:
    """A peer that answers by a list, its last line for ever; keeps what it was asked."""

    def __init__(self, *lines: httpx.Response | Exception) -> None:
        self.lines = list(lines)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        line = self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]
        if isinstance(line, Exception):
            raise line
        return httpx.Response(line.status_code, headers=line.headers, content=line.content)


def good() -> httpx.Response:
    return httpx.Response(200, json=GOOD)


def failing(status: int = 500, **more) -> httpx.Response:
    return httpx.Response(status, json={"error": "the model has lost its mind"}, **more)


FAILURES = [
    pytest.param(httpx.ConnectError("refused"), UnreachableError, id="refused"),
    pytest.param(httpx.ReadError("reset"), UnreachableError, id="reset"),
    pytest.param(httpx.ConnectTimeout("slow"), TimedOutError, id="slow to connect"),
    pytest.param(httpx.ReadTimeout("slow"), TimedOutError, id="slow to answer"),
    pytest.param(httpx.RemoteProtocolError("peer closed"), BrokenAnswerError, id="torn"),
    pytest.param(httpx.Response(200, content=b'{"model": "m", "pre'), BrokenAnswerError, id="half a JSON"),
    pytest.param(httpx.Response(200, content=b"\xff\xfe"), BrokenAnswerError, id="no text"),
    pytest.param(httpx.Response(200, html="<h1>log in</h1>"), BrokenAnswerError, id="a web page"),
    pytest.param(httpx.Response(200, json={"predictions": 4}), BrokenAnswerError, id="another form"),
    pytest.param(httpx.Response(200, json=GOOD | {"predictions": [1, 2]}), BrokenAnswerError, id="two for one"),
    pytest.param(failing(500), PeerFailedError, id="500"),
    pytest.param(failing(502), PeerFailedError, id="502"),
    pytest.param(failing(503), PeerBusyError, id="503"),
    pytest.param(failing(429), PeerBusyError, id="429"),
]


@pytest.mark.parametrize(("line", "kind"), FAILURES)
def test_a_single_failure_is_retried(client_of, seconds, line, kind) -> None:
    peer = Script(line, good())
    assert client_of(peer).predict("m", ROW).value == 0.5
    assert seconds.waits == [0.1]


@pytest.mark.parametrize(("line", "kind"), FAILURES)
def test_a_persistent_failure_is_raised_with_its_own_type(client_of, line, kind) -> None:
    peer = Script(line)
    with pytest.raises(kind) as caught:
        client_of(peer, back_off=BackOff(attempts=3)).predict("m", ROW)
    assert len(peer.asked) == 3
    assert isinstance(caught.value, TransientError)
    assert "http://peer.test" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, RejectedError, ExitCode.USAGE),
        (401, NotAllowedError, ExitCode.REFUSED),
        (403, NotAllowedError, ExitCode.REFUSED),
        (404, UnknownModelError, ExitCode.USAGE),
        (413, RejectedError, ExitCode.USAGE),
        (302, RejectedError, ExitCode.USAGE),
    ],
)
def test_a_refusal_is_not_retried(client_of, status: int, kind: type[ClientError], code: ExitCode) -> None:
    peer = Script(failing(status))
    with pytest.raises(kind) as caught:
        client_of(peer).predict("m", ROW)
    assert len(peer.asked) == 1
    assert (caught.value.status, caught.value.exit_code) == (status, code)


def test_every_attempt_has_the_same_request_id(client_of) -> None:
    peer = Script(failing(), failing(), good())
    client_of(peer).predict("m", ROW, key="customer 7")
    assert len({request.headers["x-request-id"] for request in peer.asked}) == 1
    assert {request.headers["x-bondx-key"] for request in peer.asked} == {"customer 7"}


def test_waits_grow_and_stop_growing(client_of, seconds) -> None:
    back_off = BackOff(attempts=6, first_seconds=1.0, most_seconds=3.0)
    with pytest.raises(PeerFailedError):
        client_of(Script(failing()), back_off=back_off, breaker=lambda: CircuitBreaker(n_failures=100)).predict(
            "m", ROW
        )
    assert seconds.waits == [1.0, 2.0, 3.0, 3.0, 3.0]


def test_a_requested_pause_is_respected(client_of, seconds) -> None:
    client_of(Script(failing(503, headers={"retry-after": "7"}), good())).predict("m", ROW)
    assert seconds.waits == [7.0]


def test_no_wait_exceeds_the_time_limit_of_a_call(client_of, seconds) -> None:
    peer = Script(failing(503, headers={"retry-after": "3600"}))
    with pytest.raises(PeerBusyError):
        client_of(peer).predict("m", ROW)
    assert seconds.waits == []


def test_a_peer_that_sends_byte_by_byte_times_out(client_of, seconds) -> None:
    def drips(request: httpx.Request) -> httpx.Response:
        def content() -> Iterator[bytes]:
            for _ in range(100):
                seconds.seconds += 1.0
                yield b" "

        return httpx.Response(200, content=content())

    with pytest.raises(TimedOutError, match="reading"):
        client_of(drips, back_off=BackOff(attempts=1), timeouts=Timeouts(answer_seconds=10)).predict("m", ROW)
    assert seconds.seconds == 11.0


def test_the_circuit_opens_rests_and_closes_again(client_of, seconds) -> None:
    peer = Script(*[failing()] * 5, good())
    client = client_of(peer, back_off=BackOff(attempts=1))
    for _ in range(5):
        with pytest.raises(PeerFailedError):
            client.predict("m", ROW)
    with pytest.raises(CircuitOpenError, match="lost its mind") as caught:
        client.predict("m", ROW)
    assert len(peer.asked) == 5
    assert caught.value.retry_after_seconds == 10.0
    seconds.seconds += 10.0
    assert client.predict("m", ROW).value == 0.5
    assert client.breaker("m").state == "closed"


def test_a_failing_model_does_not_block_another(client_of) -> None:
    def peer(request: httpx.Request) -> httpx.Response:
        return failing() if "broken" in request.url.path else good()

    client = client_of(peer, back_off=BackOff(attempts=5))
    with pytest.raises(PeerFailedError):
        client.predict("broken", ROW)
    with pytest.raises(CircuitOpenError):
        client.predict("broken", ROW)
    assert client.predict("m", ROW).value == 0.5


def test_health_of_a_peer_that_is_down_is_an_answer(client_of) -> None:
    down = client_of(Script(httpx.ConnectError("refused"))).health()
    assert (down.live, down.ready) == (False, False)
    assert "refused" in down.reasons[0]
    failing_peer = client_of(Script(failing(500))).health("m")
    assert (failing_peer.live, failing_peer.ready) == (True, False)
    waking = client_of(Script(httpx.Response(503, json={"ready": False, "reasons": ["loading"]}))).health()
    assert (waking.live, waking.reasons) == (True, ("loading",))


def test_a_token_is_not_sent_to_another_address(client_of) -> None:
    peer = Script(httpx.Response(307, headers={"location": "http://elsewhere.test/"}))
    with pytest.raises(RejectedError, match="elsewhere"):
        client_of(peer, token="secret").report(Outcome(request_id="r", actual=1.0))
    assert [request.url.host for request in peer.asked] == ["peer.test"]


@contextmanager
def listening(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A peer of bare sockets on this machine, one connection after the other."""
    listener = socket.create_server(("127.0.0.1", 0))

    def work() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                behave(connection)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200", b"no HTTP at all\r\n\r\n", b'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"model'],
    ids=["hangs up", "half a head", "another protocol", "half a body"],
)
def test_torn_answers_on_a_real_connection_are_transient_errors(answer: bytes) -> None:
    def tear(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    back_off = BackOff(attempts=2, first_seconds=0.0)
    with listening(tear) as url, Client(url, back_off=back_off, timeouts=PATIENT) as client:
        with pytest.raises((BrokenAnswerError, UnreachableError)):
            client.predict("m", ROW)
        assert client.health().live is False


def test_a_closed_port_is_unreachable() -> None:
    url, back_off = f"http://127.0.0.1:{free_port()}", BackOff(attempts=2, first_seconds=0.0)
    with (
        Client(url, back_off=back_off, timeouts=PATIENT) as client,
        pytest.raises(UnreachableError, match="Check the address"),
    ):
        client.predict("m", ROW)


def test_connections_are_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.client.http._KEEP_SECONDS", PATIENCE_SECONDS)  # however long a request takes here
    n_connections, body = 0, httpx.Response(200, json=GOOD).content

    def answer_all(connection: socket.socket) -> None:
        nonlocal n_connections
        n_connections += 1
        while part := connection.recv(65536):
            if part.endswith(b"}]}"):  # head and body may come by themselves
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    with listening(answer_all) as url, Client(url, timeouts=PATIENT) as client:
        for _ in range(20):
            client.predict("m", ROW)
    assert n_connections == 1
