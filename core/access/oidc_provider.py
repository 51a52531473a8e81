"""The keys of the OIDC provider: found by discovery, kept, and fetched anew when they are old or one is missing.

Whoever checks a token never waits for the network here: the keys are fetched in a thread of their own, one at a time.
A `kid` that is not known may be that of a new key, so a token is refused for it only after an attempt that began once
the `kid` had been seen. The first attempt begins at once, also right after a regular one; further attempts wait until
`AGAIN_SECONDS` after the last, however many made-up ones come, and all tokens wait for the same one. A provider that
does not answer takes nothing away: the keys that it published last stay in force. It needs the extra `oidc`, and is
imported through `oidc_provider` alone.

Source:
    OpenID Connect Discovery 1.0, sections 3 and 4; OpenID Connect Core 1.0, 10.1.1, rotation of signing keys.
"""

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from core.access.errors import OidcKeysAwaitedError, OidcProviderError, UnknownOidcKeyError
from core.access.oidc import OidcIdentity, OidcKey, oidc_identity, usable_keys
from core.errors import UsageError
from core.escape import escaped, shown
from core.home_paths import at_home
from core.json_documents import decode_json, repeated_key
from core.plain_files import require_plain
from core.settings.oidc import OidcSettings, is_provider_url

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

AGAIN_SECONDS = 10.0  # between two attempts to fetch the keys, but for one that an unknown key begins at once
REFRESH_SECONDS = 600.0  # after which keys that are in use are fetched anew, so that a withdrawn key goes
FETCH_SECONDS = 10.0  # for both answers of the provider together
_MOST_BYTES = 512 << 10
_MOST_KEYS = 200
_MOST_ADMITTED = 1_000
_MOST_UNKNOWN = 1_000
_PLACE = ".well-known/openid-configuration"


class _Metadata(msgspec.Struct):
    issuer: str
    jwks_uri: str


class _PublishedKeys(msgspec.Struct):
    keys: list[dict[str, Any]]


class _Known(NamedTuple):
    """The keys, and whom they have admitted: replaced together, so that nobody is admitted by a key that has gone."""

    keys: Mapping[str, OidcKey]
    admitted: dict[str, OidcIdentity]  # by the token


class OidcProvider:
    """The provider of the settings, with its keys as far as they are known. Safe to share between threads."""

    def __init__(
        self,
        settings: OidcSettings,
        root: Path,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare; nothing is fetched.

        Args:
            settings: The provider, and what its tokens must be.
            root: The folder of the workspace, for a relative path of the authority.
            monotonic: A monotonic clock in seconds.
            sleep: Waits for some seconds.
        """
        self._settings, self._root, self._monotonic, self._sleep = settings, root, monotonic, sleep
        self._lock = threading.Lock()
        self._known = _Known({}, {})
        self._fetched_at = self._begun_at = self._spared_at = float("-inf")
        self._n_begun = self._answered = 0  # how many attempts have begun; the last of them that brought keys
        self._unknown: dict[str, int] = {}  # how many had begun when a kid that is not known was first seen
        self._problem = ""  # of the last attempt
        self._pending: Future[None] | None = None

    def identity(self, token: str, now: datetime) -> OidcIdentity:
        """Return whom a token speaks for.

        Args:
            token: The token.
            now: The time.
        Raises:
            OidcTokenError: The token is refused.
            OidcKeysAwaitedError: Its key is not known, and the keys are being fetched.
            OidcProviderError: Its key is not known, and the keys could not be fetched.
        """
        if self._monotonic() - self._fetched_at > REFRESH_SECONDS:
            self.begin()
        known = self._known
        if (before := known.admitted.get(token)) is not None and now.timestamp() < before.until:
            return before
        try:
            found = oidc_identity(token, known.keys, self._settings, now=now)
        except UnknownOidcKeyError as error:
            if self._known is not known:  # they have come in this moment
                return self.identity(token, now)
            self._await_keys(error)
            raise
        if len(known.admitted) >= _MOST_ADMITTED:
            known.admitted.clear()
        known.admitted[token] = found
        return found

    def begin(self) -> Future[None] | None:
        """Begin to fetch the keys; return what is done once they have come, or None so soon after the last attempt."""
        with self._lock:
            if self._pending is None and self._monotonic() - self._begun_at < AGAIN_SECONDS:
                return None
            return self._pending or self._start(0.0)

    def _await_keys(self, error: UnknownOidcKeyError) -> None:
        """Refuse to say anything of a kid before the provider has been asked since it was first seen.

        Raises:
            OidcKeysAwaitedError: The keys are being fetched, or will be.
            OidcProviderError: They could not be fetched.
        """
        with self._lock:
            now = self._monotonic()
            if len(self._unknown) >= _MOST_UNKNOWN and error.kid not in self._unknown:
                self._unknown.clear()  # a kid that is forgotten waits for one more attempt
            seen_at = self._unknown.setdefault(error.kid, self._n_begun)
            if not self._problem and now - self._fetched_at < AGAIN_SECONDS and seen_at < self._answered:
                return
            if self._pending is not None:
                raise OidcKeysAwaitedError(self._pending) from None
            wait = self._begun_at + AGAIN_SECONDS - now
            if self._problem and wait > 0:
                raise OidcProviderError(
                    "The key of the token is not known, and the keys of its provider cannot be fetched now; the log "
                    "of the server says why."
                ) from None
            if wait > 0 and now - self._spared_at >= AGAIN_SECONDS:
                self._spared_at, wait = now, 0.0
            raise OidcKeysAwaitedError(self._start(max(wait, 0.0))) from None

    def _start(self, wait: float) -> Future[None]:
        """Fetch the keys in a thread after some seconds; the caller has the lock."""
        pending = self._pending = Future()
        self._begun_at = self._monotonic() + wait
        threading.Thread(target=self._fetch, args=(pending, wait), name="oidc-keys", daemon=True).start()
        return pending

    def _fetch(self, pending: Future[None], wait: float) -> None:
        keys: Mapping[str, OidcKey] | None = None
        problem = "its keys could not be fetched"
        if wait:
            self._sleep(wait)
        with self._lock:
            self._n_begun += 1
            number = self._n_begun
        try:
            keys = fetch_keys(self._settings, self._root)
            problem = "" if keys else "it publishes no key by which tokens may be signed"
        except OidcProviderError as error:
            problem = str(error)
        except Exception:
            log.exception("the keys of the OIDC provider could not be fetched")
        finally:
            with self._lock:
                if keys is not None:
                    self._known, self._fetched_at = _Known(keys, {}), self._monotonic()
                    self._answered = number
                if problem != self._problem:
                    log.warning("OIDC: %s", problem or f"the keys of {self._settings.issuer} are there again")
                self._problem = problem
                self._pending = None
            pending.set_result(None)


def fetch_keys(settings: OidcSettings, root: Path) -> dict[str, OidcKey]:
    """Fetch the metadata of the provider, and the keys that it names.

    Args:
        settings: The provider.
        root: The folder of the workspace, for a relative path of the authority.
    Raises:
        OidcProviderError: It cannot be reached, takes too long, or answers too much or nothing that can be used.
    """
    try:
        return asyncio.run(_fetched(settings, _trust(settings, root)))
    except TimeoutError:
        raise OidcProviderError(
            f"{settings.issuer} (serving.oidc.issuer) has not answered within {FETCH_SECONDS:g} seconds."
        ) from None


async def _fetched(settings: OidcSettings, trust: ssl.SSLContext | bool) -> dict[str, OidcKey]:
    import httpx

    place = f"{settings.issuer.rstrip('/')}/{_PLACE}"
    # One limit for everything: a limit of the socket would begin anew with every byte.
    async with (
        asyncio.timeout(FETCH_SECONDS),
        httpx.AsyncClient(
            verify=trust,
            trust_env=False,  # a proxy or .netrc of the environment is nobody's decision about who is admitted
            follow_redirects=False,
            timeout=FETCH_SECONDS,
        ) as client,
    ):
        metadata = await _read(client, place, _Metadata)
        if metadata.issuer != settings.issuer:
            raise OidcProviderError(
                f"{place} says that its issuer is {shown(metadata.issuer, most=200)}, and serving.oidc.issuer is "
                f"{settings.issuer}: they must be equal, letter by letter."
            )
        allows_http = settings.issuer.startswith("http://")
        if not is_provider_url(metadata.jwks_uri, allows_http=allows_http, allows_query=True):
            raise OidcProviderError(
                f"{place} says that its keys are at {shown(metadata.jwks_uri, most=200)}, which is no https:// URL."
            )
        published = await _read(client, metadata.jwks_uri, _PublishedKeys)
    if len(published.keys) > _MOST_KEYS:
        raise OidcProviderError(f"{metadata.jwks_uri} has more than {_MOST_KEYS} keys.")
    return usable_keys(published.keys)


async def _read(client: "httpx.AsyncClient", url: str, kind: type[Any]) -> Any:
    """Read one JSON document of the provider."""
    import httpx

    content = bytearray()
    try:
        headers = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "bondx"}
        async with client.stream("GET", url, headers=headers) as response:
            if response.status_code != 200:
                raise OidcProviderError(f"{url} answers HTTP {response.status_code}; a redirection is not followed.")
            async for part in response.aiter_raw():
                content += part
                if len(content) > _MOST_BYTES:
                    raise OidcProviderError(f"{url} answers more than {_MOST_BYTES >> 10} KiB.")
    except httpx.TimeoutException:
        raise TimeoutError from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
        why = escaped(str(error) or type(error).__name__)[:200].rstrip(".")
        raise OidcProviderError(f"{url} cannot be reached: {why}.") from None
    try:
        if (repeated := repeated_key(content)) is not None:
            raise OidcProviderError(f"{url} answers a document with the key {shown(repeated, most=40)} twice.")
        return decode_json(content, kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise OidcProviderError(f"{url} does not answer what was expected: {escaped(str(error))[:200]}.") from None


def _trust(settings: OidcSettings, root: Path) -> ssl.SSLContext | bool:
    if settings.authority is None:
        return True
    try:
        file = root / at_home(settings.authority)
        require_plain(file)
        return ssl.create_default_context(cafile=str(file))
    except UsageError as error:
        raise OidcProviderError(f"serving.oidc.authority: {error}") from None
    except OSError as error:  # includes TLS errors
        raise OidcProviderError(f"{file} (serving.oidc.authority) cannot be used: {error.strerror or error}.") from None
