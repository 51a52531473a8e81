"""The check of OIDC tokens, with keys and tokens of our own."""

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("joserfc")

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from core.access.errors import OidcTokenError, UnknownOidcKeyError
from core.access.oidc import OidcIdentity, oidc_identity, usable_keys
from core.json_documents import converted
from core.settings.oidc import OidcSettings
from tests.damage import damaged, damaged_json

NOW = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
EXPECTED = OidcSettings(issuer="https://login.example", audience="bondx")
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
KEYS = usable_keys([RSA.as_dict(private=False), EC.as_dict(private=False)])
CLAIMS: dict[str, Any] = {"iss": "https://login.example", "aud": "bondx", "sub": "ana", "exp": SECONDS + 60}


def signed(key: Any = RSA, alg: str = "RS256", header: dict[str, Any] | None = None, **claims: Any) -> str:
    fields = {"alg": alg, "kid": key.kid, "typ": "JWT", **(header or {})}
    return jwt.encode(fields, CLAIMS | claims, key, [alg], JWSRegistry(strict_check_header=False, algorithms=[alg]))


def encoded(*parts: bytes) -> str:
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def raw(header: dict[str, Any], signature: bytes = b"") -> str:
    return encoded(json.dumps(header).encode(), json.dumps(CLAIMS).encode(), signature)


def signed_text(header: str, claims: str) -> str:
    """Sign a header and claims as they are written."""
    content = encoded(header.encode(), claims.encode())
    signature = RSA.private_key.sign(content.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{content}.{encoded(signature)}"


def identity(token: str) -> OidcIdentity:
    return oidc_identity(token, KEYS, EXPECTED, now=NOW)


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (EC, "ES256")])
def test_a_token_of_the_provider_names_its_subject_and_groups(key: Any, alg: str) -> None:
    assert identity(signed(key, alg, groups=["quants"])) == OidcIdentity("ana", frozenset({"quants"}), SECONDS + 90)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"iss": ["https://login.example"]},
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": {"bondx": 1}},
        {"exp": SECONDS - 30},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": 10**400},
        {"nbf": SECONDS + 31},
        {"nbf": None},
        {"iat": SECONDS + 31},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a\nb"},
        {"sub": "a" * 256},
        {"sub": "ana "},
        {"sub": "a\u200bna"},
    ],
)
def test_a_token_with_other_claims_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(OidcTokenError):
        identity(signed(**claims))


@pytest.mark.parametrize("missing", ["iss", "aud", "exp", "sub"])
def test_a_token_without_a_required_claim_is_refused(missing: str) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != missing}
    with pytest.raises(OidcTokenError):
        identity(jwt.encode({"alg": "RS256", "kid": "rsa"}, claims, RSA))


def test_the_leeway_holds_on_both_sides_and_an_audience_may_be_one_of_several() -> None:
    claims = {"exp": SECONDS - 29, "nbf": SECONDS + 30, "aud": ["other", "bondx"], "azp": "bondx"}
    assert identity(signed(**claims)).subject == "ana"


BOTH = ["other", "bondx"]
NAMED = OidcSettings(issuer="https://login.example", audience="bondx", authorized_parties=("desk-web", "robot"))


@pytest.mark.parametrize(
    ("expected", "claims", "why"),
    [
        pytest.param(EXPECTED, {"azp": "desk-web"}, None, id="one audience may have been asked for by any program"),
        pytest.param(EXPECTED, {"aud": ["bondx", "bondx"]}, None, id="the same audience twice is one"),
        pytest.param(EXPECTED, {"aud": BOTH}, "has no azp", id="several audiences need a party"),
        pytest.param(EXPECTED, {"aud": BOTH, "azp": None}, "has no azp", id="an empty party is none"),
        pytest.param(EXPECTED, {"aud": BOTH, "azp": "other"}, "issued to 'other'", id="the other audience"),
        pytest.param(EXPECTED, {"aud": ["bondx", 7], "azp": "other"}, "issued to 'other'", id="no text is an audience"),
        pytest.param(EXPECTED, {"aud": BOTH, "azp": ["bondx"]}, "issued to nobody", id="a party of another form"),
        pytest.param(EXPECTED, {"aud": BOTH, "azp": "other", "client_id": "bondx"}, "'other'", id="azp goes first"),
        pytest.param(NAMED, {"aud": BOTH, "azp": "desk-web"}, None, id="a named program"),
        pytest.param(NAMED, {"aud": BOTH, "client_id": "robot"}, None, id="a named program, by its other claim"),
        pytest.param(NAMED, {"aud": BOTH, "azp": "bondx"}, "issued to 'bondx'", id="the list replaces the audience"),
        pytest.param(NAMED, {"azp": "other"}, "issued to 'other'", id="the list holds for one audience, too"),
        pytest.param(NAMED, {}, "issued to nobody", id="and asks for a party"),
    ],
)
def test_a_token_for_several_audiences_must_be_issued_to_a_named_program(
    expected: OidcSettings, claims: dict[str, Any], why: str | None
) -> None:
    if why is None:
        assert oidc_identity(signed(**claims), KEYS, expected, now=NOW).subject == "ana"
    else:
        with pytest.raises(OidcTokenError, match=why):
            oidc_identity(signed(**claims), KEYS, expected, now=NOW)


@pytest.mark.parametrize("claims", [{"iss": "https://other.example"}, {"aud": "other"}, {"exp": SECONDS - 60}])
def test_of_a_token_that_no_key_could_mend_the_provider_is_not_asked(claims: dict[str, Any]) -> None:
    with pytest.raises(OidcTokenError) as refused:
        identity(signed(RSAKey.generate_key(2048, {"kid": "new"}), **claims))
    assert not isinstance(refused.value, UnknownOidcKeyError)


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "logout+jwt"},
        {"kid": ""},
        {"kid": "k" * 256},
        {"jwk": EC.as_dict(private=False)},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
        {"crit": ["kid"]},
    ],
)
def test_a_header_that_brings_its_own_key_or_another_type_is_refused(header: dict[str, Any]) -> None:
    name = next(iter(header))
    with pytest.raises(OidcTokenError, match=rf"\b{name}\b"):  # for its header, before the signature is looked at
        identity(raw({"alg": "RS256", "kid": "rsa", "typ": "JWT"} | header, b"x" * 256))


@pytest.mark.parametrize(
    "header", [{"typ": 5}, {"crit": ["exp"]}, {"crit": "kid"}, {"jwk": RSA.as_dict(private=False)}]
)
def test_a_header_of_another_form_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(OidcTokenError):
        identity(raw({"alg": "RS256", "kid": "rsa"} | header, b"x" * 256))


@pytest.mark.parametrize("alg", ["none", "HS256", "RS384", "no-such", 5, None])
def test_an_algorithm_that_is_not_allowed_is_refused(alg: object) -> None:
    with pytest.raises(OidcTokenError):
        identity(raw({"alg": alg, "kid": "rsa"}, b"x" * 32))


def test_the_public_key_is_not_taken_as_a_shared_secret() -> None:
    secret = OctKey.import_key(RSA.as_pem(private=False).hex(), {"kid": "rsa"})
    with pytest.raises(OidcTokenError):
        identity(signed(secret, "HS256"))


def test_a_signature_of_another_key_with_the_same_kid_is_refused() -> None:
    with pytest.raises(OidcTokenError):
        identity(signed(RSAKey.generate_key(2048, {"kid": "rsa"})))


def test_an_unknown_kid_is_told_apart() -> None:
    with pytest.raises(UnknownOidcKeyError):
        identity(signed(RSAKey.generate_key(2048, {"kid": "new"})))


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "....", "é.é.é", "a" * 16_385, "W10.W10.W10", "bnVsbA.e30.e30"])
def test_what_is_not_a_token_is_refused(text: str) -> None:
    with pytest.raises(OidcTokenError):
        identity(text)


@pytest.mark.parametrize("claim", ["admins", {"admins": True}, ["admins", 7], None, 7, [["admins"]]])
def test_groups_of_another_form_give_no_group(claim: object) -> None:
    assert identity(signed(groups=claim)).groups == frozenset()


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ('{"alg": "none", "alg": "RS256", "kid": "rsa"}', json.dumps(CLAIMS)),
        ('{"alg": "RS256", "kid": "rsa"}', json.dumps(CLAIMS)[:-1] + ', "sub": "root"}'),
        ('{"alg": "RS256", "kid": "rsa"}', json.dumps(CLAIMS)[:-1] + ', "act": {"sub": "a", "sub": "b"}}'),
    ],
)
def test_a_token_with_a_key_twice_is_refused_although_its_signature_holds(header: str, claims: str) -> None:
    assert identity(signed_text('{"alg": "RS256", "kid": "rsa"}', json.dumps(CLAIMS))).subject == "ana"
    with pytest.raises(OidcTokenError, match="twice"):
        identity(signed_text(header, claims))


@pytest.mark.parametrize("kid", ["../../etc/passwd", "rsa' OR 1=1 --", "https://evil.example/keys", "rsa\x00"])
def test_a_kid_is_looked_up_and_nothing_else(kid: str) -> None:
    with pytest.raises(UnknownOidcKeyError):
        identity(signed(header={"kid": kid}))


WEAK = {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": base64.urlsafe_b64encode(b"\xff" * 128).decode().rstrip("=")}
PUBLIC = RSA.as_dict(private=False)


@pytest.mark.parametrize(
    "published",
    [
        pytest.param([WEAK], id="an RSA key of 1024 bits"),
        pytest.param([WEAK | {"n": "AAAA" * 64 + WEAK["n"]}], id="the same, with zeros before it"),
        pytest.param([OctKey.generate_key(256, {"kid": "shared"}).as_dict(private=True)], id="a shared secret"),
        pytest.param([PUBLIC | {"use": "enc"}], id="a key for encryption"),
        pytest.param([PUBLIC | {"key_ops": ["encrypt"]}], id="a key for other operations"),
        pytest.param([PUBLIC | {"key_ops": False}], id="a key for operations of another form"),
        pytest.param([PUBLIC | {"kty": "ML-DSA"}], id="a kind that is not known"),
        pytest.param([PUBLIC, EC.as_dict(private=False) | {"kid": "rsa"}], id="two keys with one kid"),
        pytest.param([{name: PUBLIC[name] for name in ("kty", "n", "e")}], id="a key without a kid"),
        pytest.param([PUBLIC | {"n": 7}, PUBLIC | {"kid": ["rsa"]}, {}], id="what is no key"),
        pytest.param(
            [EC.as_dict(private=False) | {"crv": "P-0"}, EC.as_dict(private=False) | {"x": "AA"}], id="no curve"
        ),
    ],
)
def test_of_what_a_provider_publishes_unusable_keys_are_left_out(published: list[dict[str, Any]]) -> None:
    assert usable_keys(published) == {}


def test_a_private_key_that_a_provider_publishes_is_kept_as_its_public_half() -> None:
    assert not usable_keys([RSA.as_dict(private=True)])["rsa"].is_private


def test_a_key_for_one_algorithm_takes_no_other() -> None:
    keys = usable_keys([RSA.as_dict(private=False) | {"alg": "RS256"}])
    both = OidcSettings(issuer="https://login.example", audience="bondx", algorithms=("RS256", "PS256"))
    assert oidc_identity(signed(), keys, both, now=NOW).subject == "ana"
    with pytest.raises(OidcTokenError):
        oidc_identity(signed(RSA, "PS256"), keys, both, now=NOW)


@pytest.mark.parametrize(
    "settings",
    [
        {"algorithms": ["none"]},
        {"algorithms": ["HS256"]},
        {"algorithms": []},
        {"clock_skew_seconds": 301},
        {"audience": " "},
        {"issuer": "http://login.example"},
        {"issuer": "https://ana:secret@login.example"},
        {"issuer": "https://login.example?tenant=1"},
        {"issuer": "https://login.example#x"},
        {"issuer": "https://"},
        {"issuer": "file:///etc"},
        {"issuer": "http://127.0.0.1.nip.io"},
        {"issuers": []},
    ],
)
def test_settings_that_would_let_anybody_in_are_refused(settings: dict[str, Any]) -> None:
    usual = {"issuer": "https://login.example", "audience": "bondx"}
    assert converted(usual, OidcSettings) == EXPECTED
    with pytest.raises(msgspec.ValidationError):
        converted(usual | settings, OidcSettings)


SOUND_CLAIMS = CLAIMS | {"groups": ["quants"], "nbf": SECONDS, "iat": SECONDS}
SOUND_HEADER = {"alg": "RS256", "kid": "rsa", "typ": "JWT"}
PUBLISHED = [RSA.as_dict(private=False) | {"use": "sig", "key_ops": ["verify"]}, EC.as_dict(private=False)]


@pytest.mark.fuzz
@given(header=damaged_json(SOUND_HEADER) | st.just(SOUND_HEADER), claims=damaged_json(SOUND_CLAIMS))
def test_damaged_claims_and_headers_are_refused_or_name_a_subject(header: Any, claims: Any) -> None:
    with suppress(OidcTokenError):
        found = identity(signed_text(json.dumps(header), json.dumps(claims)))
        assert (claims["iss"], claims["sub"]) == ("https://login.example", found.subject)


@pytest.mark.fuzz
@given(token=damaged(signed(**SOUND_CLAIMS)))
def test_a_damaged_token_is_refused(token: str) -> None:
    if token.isascii() and token != signed(**SOUND_CLAIMS):
        with pytest.raises(OidcTokenError):
            identity(token)


@pytest.mark.fuzz
@given(published=damaged_json(PUBLISHED))
def test_damaged_keys_are_left_out(published: Any) -> None:
    if isinstance(published, list) and all(isinstance(each, dict) for each in published):
        assert set(usable_keys(published)) <= {
            each.get("kid") for each in published if isinstance(each.get("kid"), str)
        }
