"""The fast path accepts only plain, complete predict requests; uvicorn handles all others."""

import pytest

from core.serving.fast_path import MAX_HEAD_BYTES, FastPath
from core.serving.predict import PredictReply, Target

HERE = ("127.0.0.1", 50_000)
PLAIN = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"


class Version:
    start = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


class Answering:
    """Stands in for a predictor that answers every request."""

    def __init__(self):
        self.asked = []
        self.declines = False

    def try_inline(self, target, headers, client, content):
        self.asked.append((target, headers, client, content))
        return None if self.declines else PredictReply(Version(), "id-1", b'{"prediction":1.0}')


@pytest.fixture
def predictor():
    return Answering()


@pytest.fixture
def fast_path(predictor):
    return FastPath(predictor, lambda path: Target(None, "m") if path == "/predict" else None)


def test_a_plain_request_is_answered_completely(fast_path, predictor):
    answer = fast_path.answer(PLAIN + b"body", HERE, [(b"date", b"today")])
    assert answer == (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: today\r\n"
        b'x-request-id: id-1\r\ncontent-length: 18\r\n\r\n{"prediction":1.0}'
    )
    target, headers, client, content = predictor.asked[0]
    assert (target.model, client, content) == ("m", HERE, b"body")
    assert headers == {b"host": b"localhost", b"content-length": b"4"}


def test_a_declined_request_goes_to_uvicorn(fast_path, predictor):
    predictor.declines = True
    assert fast_path.answer(PLAIN + b"body", HERE, []) is None


def with_field(line):
    return PLAIN.replace(b"Host", line + b"\r\nHost") + b"body"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(PLAIN, id="the body is still to come"),
        pytest.param(PLAIN + b"bod", id="part of the body is still to come"),
        pytest.param(PLAIN + b"bodyPOST /", id="the next request has begun"),
        pytest.param(PLAIN[:-2], id="the head is not whole"),
        pytest.param(PLAIN.replace(b"/predict", b"/other") + b"body", id="another path"),
        pytest.param(PLAIN.replace(b"/predict", b"/predict?a=1") + b"body", id="a query"),
        pytest.param(PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0") + b"body", id="an older HTTP"),
        pytest.param(PLAIN.replace(b"POST", b"PUT") + b"body", id="another method"),
        pytest.param(PLAIN.replace(b"Content-Length: 4\r\n", b"") + b"body", id="no length"),
        pytest.param(PLAIN.replace(b"Length: 4", b"Length: +4") + b"body", id="a length that is none"),
        pytest.param(with_field(b"Content-Length: 4"), id="two lengths"),
        pytest.param(with_field(b"Transfer-Encoding: chunked"), id="chunks"),
        pytest.param(with_field(b"Connection: close"), id="the connection is to be closed"),
        pytest.param(with_field(b"Connection: Upgrade\r\nUpgrade: websocket"), id="another protocol"),
        pytest.param(with_field(b"Expect: 100-continue"), id="permission is asked for first"),
        pytest.param(with_field(b"Content-Encoding: gzip"), id="a packed body"),
        pytest.param(with_field(b"X: 1\r\nX: 2"), id="a field twice"),
        pytest.param(with_field(b"X : 1"), id="a field with a space in its name"),
        pytest.param(with_field(b"X: 1\n: folded"), id="a bare newline"),
        pytest.param(with_field(b"X: " + b"x" * MAX_HEAD_BYTES), id="a long head"),
    ],
)
def test_an_unusual_request_goes_to_uvicorn(fast_path, predictor, data):
    assert fast_path.answer(data, HERE, []) is None
    assert not predictor.asked


def test_heads_with_a_request_id_are_not_cached(fast_path):
    for number in range(3):
        fast_path.answer(with_field(b"X-Request-Id: %d" % number), HERE, [])
    fast_path.answer(PLAIN + b"body", HERE, [])
    assert len(fast_path._heads) == 1


def test_the_cache_of_heads_is_bounded(fast_path):
    for number in range(5_000):
        fast_path.answer(with_field(b"X-Shop: %d" % number), HERE, [])
    assert len(fast_path._heads) <= 1_024
