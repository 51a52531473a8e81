"""OAuth 2.0 of a receiver: a real server of tokens that refuses, delays and talks nonsense."""

import json
import threading
from urllib.parse import parse_qs

import pytest

from core.alerts.delivery.channels.webhook import WebhookChannel
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.secret import Secrets
from tests.alert_receivers import Answer
from tests.core.alerts.delivery.told import a_message
from tests.waiting import PATIENCE_SECONDS

WAIT = {"timeout_seconds": PATIENCE_SECONDS}
PLACE = "alertmanager.yml:7:5"
MESSAGE = a_message()


def secrets() -> Secrets:
    """Return what may hold secrets itself."""
    return Secrets(place=PLACE, is_private=True)


def oauth2(http, **more) -> WebhookChannel:
    """Return a channel whose receiver wants a token."""
    block = {
        "client_id": "bond x",
        "client_secret": "OASECRET/1",
        "token_url": http.url("/token"),
        "scopes": ["a", "b"],
    }
    block |= {"endpoint_params": {"audience": "desk"}} | more
    return WebhookChannel({"url": http.url("/hook"), "http_config": {"oauth2": block}}, secrets(), PLACE)


def token(text, **more) -> Answer:
    """Return the answer that gives a token."""
    document = {"access_token": text, "token_type": "bearer", "expires_in": 3600} | more
    return Answer(body=json.dumps(document).encode())


def test_a_token_is_asked_for_once_and_again_when_it_is_refused(http):
    issued: list[str] = []

    def answer(request):
        if request.path == "/token":
            issued.append(f"TOKENSECRET{len(issued)}")
            return Answer(
                body=json.dumps({"access_token": issued[-1], "token_type": "bearer", "expires_in": 3600}).encode()
            )
        return Answer() if request.headers["authorization"] == f"Bearer {issued[-1]}" else Answer(status=401)

    http.choose = answer
    channel = oauth2(http)
    channel.send(MESSAGE, **WAIT)
    oauth2(http).send(MESSAGE, **WAIT)  # made anew, as for every attempt
    assert [request.path for request in http.requests] == ["/token", "/hook", "/hook"]
    asked = http.requests[0]
    assert asked.headers["authorization"] == "Basic Ym9uZCt4Ok9BU0VDUkVUJTJGMQ=="  # both as in a form
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["client_credentials"], "scope": ["a b"], "audience": ["desk"],
    }  # fmt: skip
    issued.append("withdrawn")
    channel.send(MESSAGE, **WAIT)
    assert [request.path for request in http.requests[3:]] == ["/hook", "/token", "/hook"]


def test_a_receiver_that_refuses_new_tokens_is_asked_once(http):
    def answer(request):
        if request.path == "/token":
            return token(f"TOKENSECRET{len(http.requests)}")
        return Answer(status=401, body=b"not TOKENSECRET")

    http.choose = answer
    channel = oauth2(http, client_id="refused")
    for _ in range(2):
        with pytest.raises(DeliveryError, match="HTTP 401") as refused:
            channel.send(MESSAGE, **WAIT)
        assert "TOKENSECRET1" not in str(refused.value)
    assert [request.path for request in http.requests] == ["/token", "/hook"] * 2


def test_a_withdrawn_token_is_replaced_once_for_a_message(http):
    http.choose = lambda request: token("TOKENSECRET") if request.path == "/token" else Answer()
    channel = oauth2(http, client_id="withdrawn")
    channel.send(MESSAGE, **WAIT)
    http.choose = lambda request: token("TOKENSECRET") if request.path == "/token" else Answer(status=401)
    with pytest.raises(DeliveryError, match="HTTP 401"):
        channel.send(MESSAGE, **WAIT)
    assert [request.path for request in http.requests[2:]] == ["/hook", "/token", "/hook"]


@pytest.mark.parametrize("lifetime", [5, 0, -1, "nonsense", "inf", "nan"])
def test_a_token_that_is_over_is_asked_for_anew(http, lifetime):
    http.choose = lambda request: token("TOKENSECRET", expires_in=lifetime) if request.path == "/token" else Answer()
    channel = oauth2(http, client_id=f"lifetime {lifetime}")
    for _ in range(2):
        channel.send(MESSAGE, **WAIT)
    assert [request.path for request in http.requests] == ["/token", "/hook"] * 2


def test_a_server_of_tokens_that_is_slow_is_named_and_not_the_receiver(http):
    http.usual = Answer(waits_for=(never := threading.Event()))
    with pytest.raises(DeliveryError, match=r"^The server of token_url did not answer in time\.$"):
        oauth2(http, client_id="slow").send(MESSAGE, timeout_seconds=0.2)
    never.set()
    assert {request.path for request in http.requests} <= {"/token"}, "none where not even that came in the 0.2 s"


def test_a_server_of_tokens_that_drops_the_connection_is_named(http):
    http.usual = Answer(drops=True)
    with pytest.raises(DeliveryError, match=r"^The server of token_url could not be reached: RemoteProtocolError\.$"):
        oauth2(http, client_id="dropped").send(MESSAGE, **WAIT)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_of_tokens_is_left_alone_for_as_long_as_it_says(http, status):
    http.usual = Answer(status=status, headers={"retry-after": "120"}, body=b'{"error": "OASECRET/1"}')
    with pytest.raises(DeliveryError, match=f"gives no token: HTTP {status}") as raised:
        oauth2(http, client_id=f"busy {status}").send(MESSAGE, **WAIT)
    assert raised.value.retry_after == 120
    assert len(http.requests) == 1


@pytest.mark.parametrize("text", ["TOKEN\r\nx: SECRET", "TOKENSECRETé", "TOKEN SECRET", "TOKENSECRET\u2028"])
def test_a_token_that_no_header_can_hold_is_refused_and_not_shown(http, text):
    http.usual = token(text)
    with pytest.raises(DeliveryError, match=r"gives a token that no header can hold\.$") as raised:
        oauth2(http, client_id=text).send(MESSAGE, **WAIT)
    assert "SECRET" not in str(raised.value)
    assert {request.path for request in http.requests} == {"/token"}


def test_a_server_that_takes_no_login_in_the_header_gets_it_in_the_body(http):
    def answer(request):
        if request.path != "/token":
            return Answer()
        form = parse_qs(request.body.decode())
        if form.get("client_secret") == ["OASECRET/1"] and form["client_id"] == ["other"]:
            return Answer(body=b'{"access_token": "TOKENSECRET"}')
        return Answer(status=401, body=b'{"error": "invalid_client"}')

    http.choose = answer
    oauth2(http, client_id="other").send(MESSAGE, **WAIT)
    oauth2(http, client_id="other").send(MESSAGE, **WAIT)  # no lifetime is given, so the token is asked for anew
    assert [request.path for request in http.requests] == ["/token", "/token", "/hook"] * 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(status=400, body=b'{"error": "invalid_scope OASECRET/1"}'), "HTTP 400 invalid_scope <secret>"),
        (Answer(body=b"<html>OASECRET/1"), "HTTP 200"),
        (Answer(body=b"[" * 100_000), "too much"),
        (Answer(body=b"{}"), "holds none"),
    ],
)
def test_a_server_without_a_token_is_an_error_without_secrets(http, answer, said):
    http.usual = answer
    with pytest.raises(DeliveryError, match=said) as raised:
        oauth2(http, client_id=f"client of {len(said)}").send(MESSAGE, **WAIT)
    assert "OASECRET" not in str(raised.value)
    assert all(request.path == "/token" for request in http.requests)
