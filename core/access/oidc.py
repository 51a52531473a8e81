"""The check of an OIDC token: its form, signature and claims. Pure: the provider's keys and the time are given.

Nothing that the token names is fetched: a header with a key or with the address of a key is refused.
It needs the extra `oidc`, so nothing but `oidc_provider` imports it.

Source:
    OpenID Connect Core 1.0; RFC 7515 and 7517; RFC 8725, JSON Web Token Best Current Practices; RFC 9068.
"""

from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from core.access.errors import OidcTokenError, UnknownOidcKeyError
from core.access.principal import is_oidc_name
from core.escape import shown
from core.json_documents import decode_json, repeated_key
from core.settings.oidc import OidcSettings

OidcKey = RSAKey | ECKey

_MAX_TOKEN_CHARACTERS = 16_384
_MAX_KID_CHARACTERS = 255
_LEAST_RSA_BITS = 2_048
_TYPES = ("jwt", "at+jwt", "application/at+jwt")
_FOREIGN_KEYS = ("jwk", "jku", "x5c", "x5u")
_PUBLIC_FIELDS = ("kty", "kid", "alg", "n", "e", "crv", "x", "y")


@dataclass(frozen=True, slots=True)
class OidcIdentity:
    """Whom a token speaks for."""

    subject: str
    groups: frozenset[str]
    until: float  # the last second in which the token holds, since 1970


def usable_keys(published: Sequence[Mapping[str, Any]]) -> dict[str, OidcKey]:
    """Return the keys by which tokens may be signed, by `kid`.

    Left out is what a provider may publish beside them: keys for encryption, shared secrets, and kinds that are not
    known here. RSA keys below 2048 bits are left out, and keys that share a `kid`, of which no token names one.

    Args:
        published: The keys as the provider publishes them.
    """
    kids = [fields.get("kid") for fields in published]
    found = {}
    for fields, kid in zip(published, kids, strict=True):
        if isinstance(kid, str) and kids.count(kid) == 1 and (key := _usable(fields)) is not None:
            found[kid] = key
    return found


def oidc_identity(token: str, keys: Mapping[str, OidcKey], expected: OidcSettings, *, now: datetime) -> OidcIdentity:
    """Return whom a token speaks for.

    Args:
        token: The signed token, in the compact form.
        keys: The keys of the provider, by `kid`.
        expected: What the token must be.
        now: The time.
    Raises:
        UnknownOidcKeyError: No key has the token's `kid`, and everything else about the token is right.
        OidcTokenError: The token is refused, whatever its key is.
    """
    if len(token) > _MAX_TOKEN_CHARACTERS:
        raise OidcTokenError(f"The token is longer than {_MAX_TOKEN_CHARACTERS} characters.")
    registry = JWSRegistry(algorithms=expected.algorithms, strict_check_header=False)
    try:
        claims = jwt.decode(token, _key_finder(keys), list(expected.algorithms), registry).claims
        repeated = next(filter(None, (repeated_key(_decoded(part)) for part in token.split(".")[:2])), None)
    except UnknownOidcKeyError:
        # Its claims are nobody's word yet, but what no key could mend is not worth a question to the provider.
        _check_claims(_unsigned_claims(token), expected, now.timestamp())
        raise
    except (JoseError, msgspec.DecodeError, ValueError, TypeError, RecursionError) as error:
        raise OidcTokenError("The token is not signed by a key of the provider with an allowed algorithm.") from error
    if repeated is not None:
        raise OidcTokenError(f"The token has the key {shown(repeated, most=40)} twice in one object.")
    until = _check_claims(claims, expected, now.timestamp())
    return OidcIdentity(_subject(claims), _groups(claims.get(expected.groups_claim)), until)


def _usable(fields: Mapping[str, Any]) -> OidcKey | None:
    operations = fields.get("key_ops", ["verify"])
    if fields.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    public = {name: fields[name] for name in _PUBLIC_FIELDS if name in fields}
    try:
        if fields.get("kty") == "RSA":
            is_long = int.from_bytes(_decoded(fields["n"])).bit_length() >= _LEAST_RSA_BITS
            return RSAKey.import_key(public) if is_long else None
        return ECKey.import_key(public) if fields.get("kty") == "EC" else None
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _key_finder(keys: Mapping[str, OidcKey]) -> Callable[[Any], OidcKey]:
    def find(signed: Any) -> OidcKey:
        header: Mapping[str, Any] = signed.headers()
        if found := [name for name in ("crit", *_FOREIGN_KEYS) if name in header]:
            raise OidcTokenError(f"The header of the token has {found[0]}, which is not accepted.")
        kind, kid = header.get("typ", "JWT"), header.get("kid")
        if not isinstance(kind, str) or kind.lower() not in _TYPES:
            raise OidcTokenError("The typ of the token must be JWT or at+jwt.")
        if not isinstance(kid, str) or not 0 < len(kid) <= _MAX_KID_CHARACTERS:
            raise OidcTokenError("The header of the token has no usable kid.")
        if (key := keys.get(kid)) is None:
            raise UnknownOidcKeyError(kid)
        return key

    return find


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _unsigned_claims(token: str) -> dict[str, Any]:
    try:
        return decode_json(_decoded(token.split(".")[1]), type=dict[str, Any])
    except (msgspec.DecodeError, ValueError):
        raise OidcTokenError("The claims of the token cannot be read.") from None


def _check_claims(claims: Mapping[str, Any], expected: OidcSettings, now: float) -> float:
    """Check issuer, audience, authorized party and times; return until when the token holds."""
    audience = claims.get("aud")
    if claims.get("iss") != expected.issuer:
        raise OidcTokenError("The token is of another issuer.")
    audiences = audience if isinstance(audience, list) else [audience]
    if expected.audience not in audiences:
        raise OidcTokenError("The token is for another audience.")
    _check_party(claims, expected, is_shared=any(each != expected.audience for each in audiences))
    # Written so that NaN, for which every comparison is false, is refused.
    until = _time(claims, "exp") + expected.clock_skew_seconds
    if not now < until:
        raise OidcTokenError("The token has expired.")
    for name in ("nbf", "iat"):
        if name in claims and not _time(claims, name) - expected.clock_skew_seconds <= now:
            raise OidcTokenError(f"The token does not hold yet ({name}).")
    return until


def _check_party(claims: Mapping[str, Any], expected: OidcSettings, *, is_shared: bool) -> None:
    """Check to whom the token was issued, where that is asked: steps 4 and 5 of OpenID Connect Core 3.1.3.7.

    A token for several audiences could be carried from one of them to the next, so it says for whom it was made.
    """
    if not is_shared and not expected.authorized_parties:
        return
    party = claims.get("azp", claims.get("client_id"))  # RFC 9068 calls it client_id
    if party is None and is_shared:
        raise OidcTokenError("The token is for several audiences, and has no azp that says to whom it was issued.")
    if party not in (expected.authorized_parties or (expected.audience,)):
        named = shown(party, most=80) if isinstance(party, str) else "nobody"
        raise OidcTokenError(
            f"The token was issued to {named}, which serving.oidc.authorized_parties of this server does not name."
        )


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise OidcTokenError(f"The token has no usable {name}.")
    return float(value)


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not is_oidc_name(subject):
        raise OidcTokenError("The token has no usable sub.")
    return subject


def _groups(claim: object) -> frozenset[str]:
    """Read the claim of groups: a list of texts. A claim of another form gives no group, so no role."""
    if not isinstance(claim, list) or not all(isinstance(name, str) for name in claim):
        return frozenset()
    return frozenset(filter(is_oidc_name, claim))
