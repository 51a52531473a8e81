"""The keys of a real provider process: discovered, fetched anew when one is missing, and never in a storm."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

pytest.importorskip("joserfc")

from core.access import oidc_provider as module
from core.access.errors import OidcKeysAwaitedError, OidcProviderError, OidcTokenError, UnknownOidcKeyError
from core.access.oidc_provider import AGAIN_SECONDS, REFRESH_SECONDS, OidcProvider, fetch_keys
from core.clock import utc_now
from core.settings.oidc import OidcSettings
from tests.clocks import HandSeconds
from tests.oidc_provider import AUDIENCE, HUGE_BYTES, KEYS, METADATA, Provider, oidc_provider
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture(scope="module")
def process() -> Iterator[Provider]:
    with oidc_provider() as found:
        yield found


@pytest.fixture
def provider(process: Provider) -> Iterator[Provider]:
    """The provider of the module, which answers as it should again after each test."""
    yield process
    process.release()


@pytest.fixture
def seconds() -> HandSeconds:
    return HandSeconds()


def settings_for(provider: Provider, **more: Any) -> OidcSettings:
    return OidcSettings(issuer=provider.issuer, audience=AUDIENCE, **more)


@pytest.fixture
def known(provider: Provider, seconds: HandSeconds, tmp_path: Path) -> OidcProvider:
    """Our side of the provider, with its keys."""
    found = OidcProvider(settings_for(provider), tmp_path, monotonic=seconds, sleep=seconds.sleep)
    fetched(found)
    return found


def fetched(found: OidcProvider) -> None:
    pending = found.begin()
    assert pending is not None
    pending.result(PATIENCE_SECONDS)


def subject(found: OidcProvider, token: str) -> str:
    return found.identity(token, utc_now()).subject


def test_the_first_token_has_the_keys_fetched_and_the_next_look_takes_it(provider, seconds, tmp_path):
    found = OidcProvider(settings_for(provider), tmp_path, monotonic=seconds, sleep=seconds.sleep)
    token = provider.token("auth0|5f7c8ec7c33c6c004bbafe82", groups=["quants"])
    with pytest.raises(OidcKeysAwaitedError) as awaited:
        found.identity(token, utc_now())
    awaited.value.fetched.result(PATIENCE_SECONDS)
    identity = found.identity(token, utc_now())
    assert (identity.subject, identity.groups) == ("auth0|5f7c8ec7c33c6c004bbafe82", {"quants"})


def awaited(found: OidcProvider, token: str) -> "Future[None]":
    """Have the keys fetched for a token whose key is not known."""
    with pytest.raises(OidcKeysAwaitedError) as error:
        subject(found, token)
    return error.value.fetched


def told(found: OidcProvider, token: str) -> str:
    """Wait for the keys as a request does, and return who the token speaks for."""
    while True:
        try:
            return subject(found, token)
        except OidcKeysAwaitedError as error:
            error.fetched.result(PATIENCE_SECONDS)


def test_a_new_key_is_taken_at_once_and_the_former_one_stays(provider, known):
    before = provider.token()
    assert subject(known, before) == "ana"
    provider.rotate()  # no second after the last attempt
    after = provider.token()
    assert told(known, after) == subject(known, before) == "ana"


def test_a_key_that_changes_again_within_the_interval_is_waited_for(provider, known, seconds):
    for n in range(4):
        provider.rotate()
        assert told(known, provider.token(f"ana-{n}")) == f"ana-{n}"
    assert seconds.waits == [AGAIN_SECONDS, AGAIN_SECONDS]  # two of the four began at once, for nobody had lately


def test_a_key_that_changes_while_the_keys_are_fetched_is_fetched_after_that(provider, known):
    provider.rotate()
    with urlopen(provider.issuer + KEYS) as answer:
        before = json.loads(answer.read())
    provider.answer(METADATA, "hold")
    first = awaited(known, provider.token())
    provider.rotate()
    newest = provider.token("ben")
    assert awaited(known, newest) is first
    # What this attempt brings was published before the newest key, so it says nothing of it.
    provider.answer(KEYS, "fields", before)
    provider.answer(METADATA, "")
    first.result(PATIENCE_SECONDS)
    provider.answer(KEYS, "")
    assert told(known, newest) == "ben"


def test_made_up_kids_cause_no_storm(provider, known, seconds):
    before = provider.counts()[KEYS]
    made_up = [provider.token(header={"kid": f"made-up-{n}"}) for n in range(20)]
    for _ in range(3):
        seconds.pass_by(AGAIN_SECONDS)
        for token in made_up:
            with pytest.raises(UnknownOidcKeyError):
                told(known, token)
        for token in made_up:  # who asks again within the interval is answered at once
            with pytest.raises(UnknownOidcKeyError):
                subject(known, token)
    n_asked = provider.counts()[KEYS] - before
    assert 3 <= n_asked <= 2 + 2 * seconds() / AGAIN_SECONDS


def test_a_withdrawn_key_goes_with_the_next_look_even_for_a_token_that_was_admitted(provider, known, seconds):
    token = provider.token()
    assert subject(known, token) == "ana"
    provider.rotate(keeps=False)
    assert subject(known, token) == "ana"
    seconds.pass_by(REFRESH_SECONDS + 1)
    assert subject(known, token) == "ana"  # nobody waits for the fetch that this begins
    pending = known.begin()
    if pending is not None:
        pending.result(PATIENCE_SECONDS)
    with pytest.raises(UnknownOidcKeyError):
        told(known, token)


def test_an_admitted_token_is_refused_once_it_has_expired(provider, known):
    token = provider.token()
    now = utc_now()
    assert known.identity(token, now).subject == "ana"
    later = now.replace(year=now.year + 1)
    with pytest.raises(OidcTokenError, match="expired"):
        known.identity(token, later)


def test_a_provider_that_is_down_refuses_no_token_whose_key_is_known(seconds, tmp_path):
    with oidc_provider() as provider:
        found = OidcProvider(settings_for(provider), tmp_path, monotonic=seconds, sleep=seconds.sleep)
        fetched(found)
        token, other = provider.token("ben"), provider.token(header={"kid": "new"})
        provider.stop()
        seconds.pass_by(REFRESH_SECONDS + 1)
        pending = found.begin()
        assert pending is not None
        pending.result(PATIENCE_SECONDS)
        assert subject(found, token) == "ben"
        with pytest.raises(OidcProviderError, match="the log of the server says why"):
            subject(found, other)


def test_a_provider_that_holds_its_answer_lets_nobody_wait_whose_key_is_known(provider, known, seconds):
    token = provider.token()
    provider.answer(METADATA, "hold")
    seconds.pass_by(REFRESH_SECONDS + 1)
    assert subject(known, token) == "ana"
    pending = known.begin()
    assert pending is not None
    assert not pending.done()
    provider.release()
    pending.result(PATIENCE_SECONDS)


@pytest.mark.parametrize("path", [METADATA, KEYS])
@pytest.mark.parametrize("behaviour", ["hold", "drip"])
def test_an_answer_that_does_not_come_is_left(provider, tmp_path, monkeypatch, path, behaviour):
    monkeypatch.setattr(module, "FETCH_SECONDS", 0.5)
    provider.answer(path, behaviour)
    with pytest.raises(OidcProviderError, match=r"has not answered within 0\.5 seconds"):
        fetch_keys(settings_for(provider), tmp_path)


@pytest.mark.parametrize("path", [METADATA, KEYS])
def test_an_answer_without_end_is_left(provider, tmp_path, path):
    before = provider.counts()["huge"]
    provider.answer(path, "huge")
    with pytest.raises(OidcProviderError, match="more than 512 KiB"):
        fetch_keys(settings_for(provider), tmp_path)
    assert provider.counts()["huge"] - before < HUGE_BYTES / 2


DEEP = '{"keys": ' + "[" * 100_000


@pytest.mark.parametrize(
    ("path", "behaviour", "value", "problem"),
    [
        pytest.param(METADATA, "fields", {"issuer": "https://evil.example"}, "must be equal", id="another issuer"),
        pytest.param(METADATA, "fields", {"issuer": None}, "what was expected", id="no issuer"),
        pytest.param(METADATA, "fields", {"jwks_uri": "file:///etc/passwd"}, "no https:// URL", id="a file"),
        pytest.param(METADATA, "fields", {"jwks_uri": "http://192.0.2.1/keys"}, "no https:// URL", id="plain http"),
        pytest.param(METADATA, "status", 302, "a redirection is not followed", id="a redirection"),
        pytest.param(METADATA, "status", 500, "answers HTTP 500", id="a failure"),
        pytest.param(KEYS, "status", 404, "answers HTTP 404", id="no keys"),
        pytest.param(METADATA, "text", "<html>", "what was expected", id="no JSON"),
        pytest.param(KEYS, "text", "[]", "what was expected", id="keys of another form"),
        pytest.param(KEYS, "text", DEEP, "what was expected", id="nested without end"),
        pytest.param(KEYS, "text", '{"keys": [], "keys": []}', "'keys' twice", id="a key twice"),
        pytest.param(KEYS, "text", '{"keys": [{"kid": "a", "kid": "b"}]}', "'kid' twice", id="a kid twice"),
        pytest.param(KEYS, "text", json.dumps({"keys": [{}] * 201}), "more than 200 keys", id="too many keys"),
    ],
)
def test_an_answer_that_cannot_be_used_is_said(provider, tmp_path, path, behaviour, value, problem):
    provider.answer(path, behaviour, value)
    with pytest.raises(OidcProviderError, match=problem):
        fetch_keys(settings_for(provider), tmp_path)


def test_an_authority_that_cannot_be_read_is_named(provider, tmp_path):
    with pytest.raises(OidcProviderError, match=r"nowhere\.pem \(serving\.oidc\.authority\) cannot be used"):
        fetch_keys(settings_for(provider, authority="nowhere.pem"), tmp_path)
    with pytest.raises(OidcProviderError, match=r"serving\.oidc\.authority: .* no account of this machine"):
        fetch_keys(settings_for(provider, authority="~nobody-of-this-name/ca.pem"), tmp_path)
    os.mkfifo(tmp_path / "pipe.pem")
    with pytest.raises(OidcProviderError, match="a named pipe, not a plain file"):
        fetch_keys(settings_for(provider, authority="pipe.pem"), tmp_path)
