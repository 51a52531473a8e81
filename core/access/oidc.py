"""The check of an OIDC token: its form, signature and claims. Pure: the provider's keys and the time are given.

Nothing that the token names is fetched: a header with a key or with the address of a key is refused.
It needs the extra `oidc`, so nothing imports it before a token is to be checked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import Key, KeySet
from joserfc.jws import JWSRegistry

from core.errors import RefusedError, UsageError
from core.escape import shown

OIDC_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""The algorithms that can be allowed: with a shared secret, or with none, whoever checks a token could also make it."""

_MAX_TOKEN_CHARACTERS = 16_384
_MAX_NAME_CHARACTERS = 255
_TYPES = ("jwt", "at+jwt", "application/at+jwt")
_FOREIGN_KEYS = ("jwk", "jku", "x5c", "x5u")


class OidcTokenError(RefusedError):
    """A token is not one of the configured provider for this service, or does not hold now."""


class UnknownOidcKeyError(OidcTokenError):
    """No key of the provider has the token's `kid`: the provider may have changed its keys."""


@dataclass(frozen=True, slots=True)
class OidcIdentity:
    """Whom a token speaks for."""

    subject: str
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OidcExpectations:
    """What a token must be.

    Raises:
        UsageError: An algorithm is not asymmetric, or the issuer, the audience or the leeway is not usable.
    """

    issuer: str
    audience: str
    groups_claim: str = "groups"
    leeway_seconds: int = 30
    algorithms: tuple[str, ...] = ("RS256", "ES256")

    def __post_init__(self) -> None:
        if not self.issuer or not self.audience:
            raise UsageError("OIDC needs an issuer and an audience.")
        if not 0 <= self.leeway_seconds <= 300:
            raise UsageError(f"The leeway of OIDC must be 0 to 300 seconds, not {self.leeway_seconds}.")
        refused = [name for name in self.algorithms if name not in OIDC_ALGORITHMS]
        if refused or not self.algorithms:
            raise UsageError(
                f"OIDC cannot use the algorithms {shown(', '.join(refused))}: choose from {', '.join(OIDC_ALGORITHMS)}."
            )


def oidc_identity(token: str, keys: KeySet, expected: OidcExpectations, *, now: datetime) -> OidcIdentity:
    """Return whom a token speaks for.

    Args:
        token: The signed token, in the compact form.
        keys: The keys of the provider.
        expected: What the token must be.
        now: The time.
    Raises:
        UnknownOidcKeyError: No key has the token's `kid`.
        OidcTokenError: The token is refused.
    """
    if len(token) > _MAX_TOKEN_CHARACTERS:
        raise OidcTokenError(f"The token is longer than {_MAX_TOKEN_CHARACTERS} characters.")
    registry = JWSRegistry(algorithms=expected.algorithms, strict_check_header=False)
    try:
        claims = jwt.decode(token, _key_finder(keys), list(expected.algorithms), registry).claims
    except InvalidKeyIdError:
        raise UnknownOidcKeyError("No key of the provider has the kid of the token.") from None
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise OidcTokenError("The token is not signed by a key of the provider with an allowed algorithm.") from error
    _check_claims(claims, expected, now.timestamp())
    return OidcIdentity(_subject(claims), _groups(claims.get(expected.groups_claim)))


def _key_finder(keys: KeySet) -> Callable[[Any], Key]:
    def find(signed: Any) -> Key:
        header: Mapping[str, Any] = signed.headers()
        if found := [name for name in ("crit", *_FOREIGN_KEYS) if name in header]:
            raise OidcTokenError(f"The header of the token has {found[0]}, which is not accepted.")
        kind, kid = header.get("typ", "JWT"), header.get("kid")
        if not isinstance(kind, str) or kind.lower() not in _TYPES:
            raise OidcTokenError("The typ of the token must be JWT or at+jwt.")
        if not isinstance(kid, str) or not 0 < len(kid) <= _MAX_NAME_CHARACTERS:
            raise OidcTokenError("The header of the token has no usable kid.")
        return keys.get_by_kid(kid)

    return find


def _check_claims(claims: Mapping[str, Any], expected: OidcExpectations, now: float) -> None:
    audience = claims.get("aud")
    if claims.get("iss") != expected.issuer:
        raise OidcTokenError("The token is of another issuer.")
    if expected.audience not in (audience if isinstance(audience, list) else [audience]):
        raise OidcTokenError("The token is for another audience.")
    # Written so that NaN, for which every comparison is false, is refused.
    if not now < _time(claims, "exp") + expected.leeway_seconds:
        raise OidcTokenError("The token has expired.")
    for name in ("nbf", "iat"):
        if name in claims and not _time(claims, name) - expected.leeway_seconds <= now:
            raise OidcTokenError(f"The token does not hold yet ({name}).")


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise OidcTokenError(f"The token has no usable {name}.")
    return float(value)


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_NAME_CHARACTERS or not subject.isprintable():
        raise OidcTokenError("The token has no usable sub.")
    return subject


def _groups(claim: object) -> frozenset[str]:
    """Read the claim of groups: a list of texts. A claim of another form gives no group, so no role."""
    if not isinstance(claim, list) or not all(isinstance(name, str) for name in claim):
        return frozenset()
    return frozenset(name for name in claim if name and name.isprintable() and len(name) <= _MAX_NAME_CHARACTERS)
