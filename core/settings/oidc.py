"""The part of the `serving` block on OpenID Connect: whose tokens are taken, and what they must be."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from core.local_callers import is_loopback
from core.settings.names import Name

OidcAlgorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
"""With a shared secret, or with none, whoever checks a token could also make it: such algorithms cannot be allowed."""


class OidcSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A provider of OpenID Connect, whose signed tokens callers may send in place of an API token."""

    issuer: Annotated[
        Annotated[str, Meta(max_length=2_048)],
        Meta(description="URL of the provider, exactly as its tokens name it in `iss`; https."),
    ]
    audience: Annotated[Name, Meta(description="What a token must have in `aud`: the name of this service there.")]
    authorized_parties: Annotated[
        Annotated[tuple[Name, ...], Meta(max_length=100)],
        Meta(
            description="Programs that a token may be issued to, by their name there (`azp`, else `client_id`); empty: "
            "any for a token of this audience alone, and `audience` for a token of several audiences."
        ),
    ] = ()
    groups_claim: Annotated[Name, Meta(description="The claim that lists the groups of a subject.")] = "groups"
    clock_skew_seconds: Annotated[
        int, Meta(ge=0, le=300, description="By how much the clocks of the provider and of this server may differ.")
    ] = 30
    algorithms: Annotated[
        Annotated[tuple[OidcAlgorithm, ...], Meta(min_length=1)],
        Meta(description="Algorithms by which a token may be signed."),
    ] = ("RS256", "ES256")
    authority: Annotated[
        Name | None,
        Meta(description="File of the certificate authority of the provider, PEM; null: the public ones."),
    ] = None

    def __post_init__(self) -> None:
        if not is_provider_url(self.issuer, allows_http=True):
            raise ValueError(
                "issuer must be an https:// URL without user, query and fragment, such as "
                "https://login.example.com/realms/desk (http:// only on 127.0.0.1, [::1] and localhost)"
            )


def is_provider_url(url: str, *, allows_http: bool, allows_query: bool = False) -> bool:
    """Say whether keys may be fetched from a URL: over https or, from this machine alone, over http.

    Args:
        url: The URL.
        allows_http: Whether http from this machine will do.
        allows_query: Whether it may have a query.

    >>> is_provider_url("https://login.example", allows_http=False), is_provider_url("file:///keys", allows_http=True)
    (True, False)
    >>> [is_provider_url(url, allows_http=True) for url in ("http://127.0.0.1:80", "http://127.0.0.1.nip.io")]
    [True, False]
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url and "#" not in url and "\\" not in url
    if not is_plain or not host or port == 0 or "@" in parts.netloc or ("?" in url and not allows_query):
        return False
    is_here = allows_http and parts.scheme == "http" and (host == "localhost" or is_loopback(host))
    return parts.scheme == "https" or is_here
