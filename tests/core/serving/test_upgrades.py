"""A request that offers another protocol is answered like one that offers none."""

import http.client
import json
import socket

import pytest

from core.serving.access import Role
from tests.waiting import PATIENCE_SECONDS

OFFERS = {
    "java": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n",
    "websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    "several": b"Connection: keep-alive, upgrade\r\nUpgrade: websocket, foo/2\r\n",
}
BEHIND = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
WAITING = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def post(path, content, offer=b"", *, chunked=False):
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode() + offer
    if chunked:
        return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(content), content)


def answers(server, *pieces):
    """Send pieces of bytes, each once the one before has been taken, and read every answer until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        file = connection.makefile("rb")
        found = []
        while file.peek(1):
            found.append(_answer(file))
        return found


def _answer(file):
    """Read one answer of several on a connection."""
    status = int(file.readline().split()[1])
    fields = http.client.parse_headers(file)
    return status, file.read(int(fields["content-length"]))


@pytest.fixture
def content(rows_of):
    return json.dumps({"row": rows_of("spread", 1)[0], "request_id": "same"}).encode()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_an_offer_of_another_protocol_is_ignored(server, content, offer, chunked):
    path = "/api/v1/predict/spread"
    (expected, _) = answers(server, post(path, content), BEHIND)
    assert expected[0] == 200
    sent = post(path, content, offer, chunked=chunked)
    end_of_head = sent.index(b"\r\n\r\n") + 4
    for pieces in (
        [sent + BEHIND],
        [sent[:30], sent[30:end_of_head], sent[end_of_head:], BEHIND],
        [sent[: end_of_head + 9], sent[end_of_head + 9 :] + sent + BEHIND],
    ):
        *found, behind = answers(server, *pieces)
        assert found == [expected] * len(found)
        assert len(found) == b"".join(pieces).count(b"POST ")
        assert behind[0] == 200


def test_an_optional_body_is_read_beside_an_offer(server):
    asked = b'{"ready":true}'
    (expected, _) = answers(server, post("/v2/repository/index", asked), BEHIND)
    assert answers(server, post("/v2/repository/index", asked, OFFERS["java"]), BEHIND)[0] == expected


def test_the_control_api_reads_a_body_beside_an_offer(server, tokens):
    offer = OFFERS["java"] + f"Authorization: Bearer {tokens[Role.ADMIN]}\r\n".encode()
    asked = json.dumps({"model": "spread", "keep": 3}).encode()
    (status, body), behind = answers(server, post("/api/v1/prunes/versions/plans", asked, offer), BEHIND)
    assert status == 200, body
    assert behind[0] == 200


def test_a_request_without_a_body_is_answered_beside_an_offer(server):
    asked = b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + OFFERS["java"] + b"\r\n"
    assert [status for status, _ in answers(server, asked + asked + BEHIND)] == [200, 200, 200]


CLOSING = {
    "close": (b"1.1", b"Connection: close, Upgrade\r\nUpgrade: h2c\r\n"),
    "two fields": (b"1.1", b"Connection: close\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"),
    "HTTP/1.0": (b"1.0", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"),
    "HTTP/1.0, close": (b"1.0", b"Connection: Upgrade, close\r\nUpgrade: h2c\r\n"),
    "HTTP/1.0, kept": (b"1.0", b"Connection: keep-alive, Upgrade\r\nUpgrade: h2c\r\n"),
}


@pytest.mark.parametrize("in_pieces", [False, True], ids=["whole", "pieces"])
@pytest.mark.parametrize(("http", "offer"), CLOSING.values(), ids=CLOSING)
def test_a_last_request_is_answered_beside_an_offer(server, content, http, offer, in_pieces):
    def as_sent(request):
        request = request.replace(b"HTTP/1.1", b"HTTP/" + http)
        end_of_head = request.index(b"\r\n\r\n") + 4
        return [request[:20], request[20:end_of_head], request[end_of_head:]] if in_pieces else [request]

    asked = b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + offer + b"\r\n"
    assert [status for status, _ in answers(server, *as_sent(asked))] == [200]
    (expected, _) = answers(server, post("/api/v1/predict/spread", content), BEHIND)
    for chunked in (False, True) if http == b"1.1" else (False,):
        assert answers(server, *as_sent(post("/api/v1/predict/spread", content, offer, chunked=chunked))) == [expected]


def test_the_answer_to_a_tunnel_is_the_last(server):
    [(status, _)] = answers(server, b"CONNECT /health HTTP/1.1\r\nHost: localhost\r\n\r\n" + WAITING)
    assert status in (400, 405)
