"""A web page in a browser on this machine is not a caller on this machine."""

import json
import socket

import pytest

from core.serving.access import Role
from tests.waiting import PATIENCE_SECONDS

FOREIGN = (
    {"origin": "https://evil.example"},
    {"sec-fetch-site": "cross-site"},
    {"cf-connecting-ip": "127.0.0.1"},
    {"X_Forwarded_For": "192.0.2.1"},
    {"x-forwarded_for": "192.0.2.1"},
)
PREDICT = "/api/v1/predict/spread"
READS = ("/metrics", "/v1/models/spread", "/v2/models/spread", "/api/v1/status", "/api/v1/openapi.json")


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_page_needs_a_token_to_read_and_to_predict(server, tokens, rows_of, headers):
    body = {"row": rows_of("spread", 1)[0]}
    for path, content in [(PREDICT, body), *((path, None) for path in READS)]:
        assert server.ask(path, content).status == 200
        assert server.ask(path, content, headers=headers).status == 401, path
        own = headers | {"authorization": f"Bearer {tokens[Role.VIEWER]}"}
        assert server.ask(path, content, headers=own).status == 200


@pytest.mark.parametrize("connection", [b"keep-alive", b"close"])
def test_a_second_host_makes_a_caller_a_stranger(server, rows_of, connection):
    body = json.dumps({"row": rows_of("spread", 1)[0]}).encode()
    head = b"POST %b HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\nConnection: %b\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS) as sent:
        sent.sendall(head % (PREDICT.encode(), connection, len(body)) + body)
        assert sent.recv(99).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://evil.example%b", b"401"),
        (b"http://evil.example:80%b?x=1", b"401"),
        (b"http://localhost@evil.example%b", b"401"),
        (b"http://localhost%b", b"200"),
    ],
)
@pytest.mark.parametrize("asks", [b"GET", b"POST"])
def test_the_host_in_a_request_target_counts_and_not_the_header(server, rows_of, target, status, asks):
    body = json.dumps({"row": rows_of("spread", 1)[0]}).encode() if asks == b"POST" else b""
    path = PREDICT.encode() if asks == b"POST" else b"/v1/models/spread"
    head = b"%b %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (asks, target % path, len(body))
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS) as sent:
        sent.sendall(head + body)
        assert sent.recv(99).startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (PREDICT, {"POST", "OPTIONS"}),
        ("/v2/models/spread/infer", {"POST", "OPTIONS"}),
        ("/v2/models/spread", {"GET", "HEAD", "OPTIONS"}),
        ("/ready", {"GET", "HEAD", "OPTIONS"}),
        ("/v2/repository/index", {"POST", "OPTIONS"}),
        ("/api/v1/models/spread/moves", {"POST", "OPTIONS"}),
    ],
)
def test_options_name_the_methods_and_permit_no_other_origin(server, path, allowed):
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answer = server.ask(path, method="OPTIONS", headers=asked)
    assert answer.status == 204
    assert {method.strip() for method in answer.headers["allow"].split(",")} == allowed
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_options_of_an_unknown_path_are_a_404(server):
    assert server.ask("/v3/models", method="OPTIONS").status == 404
