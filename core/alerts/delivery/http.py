"""One bounded request to a receiver: no redirect to another host, a limit on time and size, no secret in an error."""

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urljoin, urlsplit

import msgspec

from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.oauth2 import ClientCredentials
from core.alerts.delivery.retry_after import retry_after_seconds
from core.alerts.delivery.secret import Secret, Secrets
from core.escape import escaped

if TYPE_CHECKING:
    import httpx

MAX_BODY_BYTES: Final = 4 << 20
_MAX_ANSWER_BYTES: Final = 64 << 10
_MAX_EXCERPT: Final = 200
_MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({307, 308})  # those that keep the method and the body
_UNACCEPTABLE: Final = frozenset({400, 405, 406, 411, 413, 414, 415, 422, 431})
"""Statuses with which a receiver refuses this message itself; with the others, another attempt may help."""


class HttpReply(NamedTuple):
    """What a receiver answered."""

    status: int
    excerpt: str  # the beginning of the body, without secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """The `http_config` of a block in Alertmanager's form, with its secrets."""

    authorization: Secret | None = None  # the value of the header
    basic: tuple[str, Secret] | None = None
    headers: Mapping[str, Secret] | None = None
    authority_file: str | None = None
    certificate: tuple[str, str | None] | None = None
    verifies: bool = True
    proxy: Secret | None = None
    follows_redirects: bool = True
    oauth2: ClientCredentials | None = None
    of_token: "HttpOptions | None" = None
    """The options of the requests for tokens."""

    @classmethod
    def of(cls, fields: Mapping[str, Any], secrets: Secrets, place: str) -> "HttpOptions":
        """Read the options of a block.

        Args:
            fields: The value of `http_config`.
            secrets: Reads what is secret.
            place: Where it stands, for errors.

        Raises:
            DeliveryError: A secret cannot be read, or an option is not supported.
        """
        given = fields.get("oauth2") or {}
        if given and (fields.get("authorization") or fields.get("basic_auth") or fields.get("bearer_token")):
            raise DeliveryError(f"{place}: http_config has oauth2 and another login: keep one.")
        oauth2 = ClientCredentials.of(given, secrets, place)
        of_token = {name: given[name] for name in ("tls_config", "proxy_url") if name in given}
        tls: Mapping[str, Any] = fields.get("tls_config") or {}
        return cls(
            authorization=_authorization(fields, secrets),
            basic=_basic(fields, secrets),
            authority_file=tls.get("ca_file"),
            certificate=(tls["cert_file"], tls.get("key_file")) if tls.get("cert_file") else None,
            verifies=not tls.get("insecure_skip_verify", False),
            proxy=secrets.address(fields, "proxy_url", is_secret=False, schemes=("http", "https", "socks5", "socks5h")),
            follows_redirects=bool(fields.get("follow_redirects", True)),
            oauth2=oauth2,
            of_token=None if oauth2 is None else cls.of(of_token, secrets, place),
        )


def _authorization(fields: Mapping[str, Any], secrets: Secrets) -> Secret | None:
    if (bearer := secrets.field(fields, "bearer_token")) is not None:
        return secrets.keep(f"Bearer {bearer.reveal()}")
    block: Mapping[str, Any] = fields.get("authorization") or {}
    if (credentials := secrets.field(block, "credentials")) is None:
        return None
    return secrets.keep(f"{block.get('type') or 'Bearer'} {credentials.reveal()}")


def _basic(fields: Mapping[str, Any], secrets: Secrets) -> tuple[str, Secret] | None:
    block: Mapping[str, Any] = fields.get("basic_auth") or {}
    user = secrets.field(block, "username", is_secret=False)
    return None if user is None else (user.reveal(), secrets.field(block, "password") or Secret(""))


def post_json(
    url: Secret,
    body: Any,
    *,
    secrets: Secrets,
    timeout_seconds: float,
    options: HttpOptions | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpReply:
    """Send one JSON document.

    Args:
        url: The address; errors name its host alone.
        body: The document.
        secrets: Hides what the receiver repeats of them.
        timeout_seconds: How long everything together may take.
        options: Authentication, certificates, proxy.
        headers: Further headers.

    Raises:
        DeliveryError: There is no answer in time, or the answer is a refusal.
    """
    import httpx

    options = options or HttpOptions()
    content = msgspec.json.encode(body)
    host = _host_of(url)
    if len(content) > MAX_BODY_BYTES:
        raise DeliveryError(f"The message to {host} is over {MAX_BODY_BYTES >> 20} MiB.", is_permanent=True)
    deadline = time.monotonic() + timeout_seconds
    sent = {"content-type": "application/json", "user-agent": "bondx", **(headers or {})}
    if options.authorization is not None:
        sent["authorization"] = options.authorization.reveal()
    try:
        is_kept = options.oauth2 is not None and options.oauth2.is_kept()
        if options.oauth2 is not None:
            sent["authorization"] = _token(options, secrets, deadline).reveal()
        with _client(options) as client:
            try:
                return _post(client, url.reveal(), content, sent, secrets, deadline, host, options)
            except DeliveryError:
                if options.oauth2 is None or not is_kept or options.oauth2.is_kept():
                    raise
            # The token of an earlier message was withdrawn before its time: once with a new one, and no more.
            sent["authorization"] = _token(options, secrets, deadline).reveal()
            return _post(client, url.reveal(), content, sent, secrets, deadline, host, options)
    except httpx.TimeoutException:
        raise DeliveryError(f"{host} did not answer within {timeout_seconds:g} s.") from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError, UnicodeError) as error:
        raise DeliveryError(f"{host} could not be reached: {secrets.hide(_sentence(error))}.") from None


def _token(options: HttpOptions, secrets: Secrets, deadline: float) -> Secret:
    assert options.oauth2 is not None
    with _client(options.of_token or HttpOptions()) as client:
        return options.oauth2.authorization(client, secrets, max(0.001, deadline - time.monotonic()))


def _client(options: HttpOptions) -> "httpx.Client":
    import httpx

    return httpx.Client(
        verify=_trust(options),
        trust_env=False,  # a proxy or .netrc of the environment is nobody's decision about alerts
        follow_redirects=False,
        proxy=options.proxy.reveal() if options.proxy else None,
        auth=(options.basic[0], options.basic[1].reveal()) if options.basic else None,
    )


def _post(
    client: "httpx.Client",
    url: str,
    content: bytes,
    headers: dict[str, str],
    secrets: Secrets,
    deadline: float,
    host: str,
    options: HttpOptions,
) -> HttpReply:
    for _ in range(_MAX_REDIRECTS + 1):
        left = max(0.001, deadline - time.monotonic())
        with client.stream("POST", url, content=content, headers=headers, timeout=left) as response:
            answer = _beginning(response, deadline, host)
            status = response.status_code
            excerpt = secrets.hide(escaped(" ".join(answer.decode("utf-8", "replace").split())))[:_MAX_EXCERPT]
            if 200 <= status < 300:
                return HttpReply(status, excerpt)
            target = response.headers.get("location")
            if status == 401 and options.oauth2 is not None:
                options.oauth2.forget()
            if status not in _REDIRECTS or target is None or not options.follows_redirects:
                raise _refusal(host, status, excerpt, response.headers.get("retry-after"))
        following = urljoin(url, target)
        if not _is_same_server(url, following):
            raise DeliveryError(f"{host} redirects to another server, which is not followed (HTTP {status}).")
        url = following
    raise DeliveryError(f"{host} redirects more than {_MAX_REDIRECTS} times.")


def _beginning(response: "httpx.Response", deadline: float, host: str) -> bytes:
    """Read the answer as far as it is of interest; a receiver that answers without end is left."""
    parts, n_bytes = [], 0
    for part in response.iter_raw():
        parts.append(part)
        n_bytes += len(part)
        if n_bytes > _MAX_ANSWER_BYTES:
            break
        if time.monotonic() > deadline:  # a limit of the socket starts anew with every byte
            raise DeliveryError(f"{host} answered too slowly.")
    return b"".join(parts)[:_MAX_ANSWER_BYTES]


def _refusal(host: str, status: int, excerpt: str, retry_after: str | None) -> DeliveryError:
    said = f": {excerpt}" if excerpt else ""
    return DeliveryError(
        f"{host} answered HTTP {status}{said}",
        retry_after=retry_after_seconds(retry_after),
        is_permanent=status in _UNACCEPTABLE,
    )


def _is_same_server(one: str, other: str) -> bool:
    a, b = urlsplit(one), urlsplit(other)
    return (a.scheme, a.hostname, _port(a.scheme, a.port)) == (b.scheme, b.hostname, _port(b.scheme, b.port))


def _port(scheme: str, port: int | None) -> int:
    return port or {"https": 443}.get(scheme, 80)


def _host_of(url: Secret) -> str:
    """Return the host of an address, without what may be a token.

    Raises:
        DeliveryError: The address is no web address.
    """
    try:
        address = urlsplit(url.reveal())
        host, port = address.hostname, address.port
    except ValueError:
        host, port, address = None, None, urlsplit("")
    if address.scheme not in ("http", "https") or not host:
        raise DeliveryError("The address of the receiver is no http:// or https:// address.")
    return escaped(f"{host}:{port}" if port else host)


def _trust(options: HttpOptions) -> ssl.SSLContext | bool:
    if options.authority_file is None and options.certificate is None and options.verifies:
        return True
    context = ssl.create_default_context(cafile=options.authority_file)
    if not options.verifies:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.certificate is not None:
        context.load_cert_chain(*options.certificate)
    return context


def _sentence(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return escaped(str(text)).rstrip(".")[:_MAX_EXCERPT]
