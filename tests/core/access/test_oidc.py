"""The check of OIDC tokens, with keys and tokens of our own."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

pytest.importorskip("joserfc")

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from core.access.oidc import (
    OidcExpectations,
    OidcIdentity,
    OidcTokenError,
    UnknownOidcKeyError,
    oidc_identity,
)
from core.errors import UsageError

NOW = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
EXPECTED = OidcExpectations("https://login.example", "bondx")
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
KEYS = KeySet.import_key_set({"keys": [RSA.as_dict(private=False), EC.as_dict(private=False)]})
CLAIMS: dict[str, Any] = {"iss": "https://login.example", "aud": "bondx", "sub": "ana", "exp": SECONDS + 60}


def signed(key: Any = RSA, alg: str = "RS256", header: dict[str, Any] | None = None, **claims: Any) -> str:
    fields = {"alg": alg, "kid": key.kid, "typ": "JWT", **(header or {})}
    return jwt.encode(fields, CLAIMS | claims, key, [alg], JWSRegistry(strict_check_header=False, algorithms=[alg]))


def raw(header: dict[str, Any], signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(CLAIMS).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def identity(token: str) -> OidcIdentity:
    return oidc_identity(token, KEYS, EXPECTED, now=NOW)


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (EC, "ES256")])
def test_a_token_of_the_provider_names_its_subject_and_groups(key: Any, alg: str) -> None:
    assert identity(signed(key, alg, groups=["quants"])) == OidcIdentity("ana", frozenset({"quants"}))


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
    assert identity(signed(exp=SECONDS - 29, nbf=SECONDS + 30, aud=["other", "bondx"])).subject == "ana"


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
    "settings",
    [
        {"algorithms": ("none",)},
        {"algorithms": ("HS256",)},
        {"algorithms": ()},
        {"leeway_seconds": 301},
        {"audience": ""},
    ],
)
def test_expectations_that_would_let_anybody_in_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        OidcExpectations(**{"issuer": "https://login.example", "audience": "bondx"} | settings)
