"""One complete HTTP request: over persistent connections, within a time limit, with classified failures."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx
import msgspec

from core.client.errors import (
    BrokenAnswerError,
    ClientError,
    PeerBusyError,
    PeerFailedError,
    RejectedError,
    TimedOutError,
    UnreachableError,
    rejection,
)
from core.client.retry_policy import Seconds, Timeouts
from core.json_documents import decode_json

MAX_ANSWER_BYTES = 256 << 20
# Below the five seconds after which common servers close idle connections, so that few requests meet a closing one.
_KEEP_SECONDS = 4.0
_MAX_REASON = 500
_BUSY = (429, 503)

T = TypeVar("T")


class HttpAnswer(NamedTuple):
    """The answer to a request."""

    status: int
    headers: httpx.Headers
    content: bytes


class _Refusal(msgspec.Struct):
    error: Any = None
    field: str | None = None


class Http:
    """A server reached over HTTP. Thread-safe."""

    def __init__(
        self,
        url: str,
        timeouts: Timeouts,
        *,
        token: str | None = None,
        authority: Path | None = None,
        identity: tuple[Path, Path] | None = None,
        n_connections: int = 20,
        clock: Seconds = time.monotonic,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Prepare the connection; no request is sent yet.

        Args:
            url: Of the server, with or without a path in front of everything.
            timeouts: How long an attempt may take.
            token: Sent as a bearer token.
            authority: File of the certificate authority that the server's certificate is checked against.
            identity: Files of the certificate and the key that this client shows.
            n_connections: How many are open at most.
            clock: Seconds that only go forward.
            headers: Sent with every request.
            transport: What carries requests; None for the network.
        Raises:
            RejectedError: The URL is invalid.
        """
        self.url = _checked_url(url)
        self._timeouts = timeouts
        self._clock = clock
        own = {"authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(
            base_url=self.url,
            headers={"user-agent": "bondx", "content-type": "application/json", **own, **(headers or {})},
            verify=_trust(authority, identity),
            trust_env=False,  # a web proxy would carry predictions off this network
            follow_redirects=False,  # a token is for one server only
            limits=httpx.Limits(
                max_connections=n_connections,
                max_keepalive_connections=n_connections,
                keepalive_expiry=_KEEP_SECONDS,
            ),
            transport=transport,
        )

    def ask(
        self,
        method: str,
        path: str,
        deadline: float,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        also: tuple[int, ...] = (),
    ) -> HttpAnswer:
        """Send one request and read the whole answer.

        Args:
            method: GET or POST.
            path: Below the URL.
            deadline: When the request must end, by the clock.
            content: The body.
            headers: Additional headers.
            also: Statuses other than 2xx that are answers, too.
        Raises:
            ClientError: There is no answer, or the answer is a refusal.
        """
        left = deadline - self._clock()
        if left <= 0:
            raise TimedOutError(self.url, f"{method} {path}", self._timeouts.answer_seconds)
        wait = httpx.Timeout(left, connect=min(left, self._timeouts.connect_seconds))
        try:
            with self._client.stream(method, path, content=content, headers=headers, timeout=wait) as response:
                answer = HttpAnswer(response.status_code, response.headers, self._read(response, deadline))
        except httpx.ConnectTimeout:
            raise TimedOutError(self.url, "connecting", self._timeouts.connect_seconds) from None
        except httpx.TimeoutException:
            raise TimedOutError(self.url, f"{method} {path}", self._timeouts.answer_seconds) from None
        except (httpx.RemoteProtocolError, httpx.DecodingError) as error:
            raise BrokenAnswerError(self.url, _sentence(error)) from None
        except httpx.TransportError as error:
            raise UnreachableError(self.url, _sentence(error)) from None
        if answer.status < 300 or answer.status in also:
            return answer
        raise self.failure(answer)

    def read(self, answer: HttpAnswer, kind: type[T]) -> T:
        """Decode an answer.

        Raises:
            BrokenAnswerError: The answer has another form.
        """
        try:
            return decode_json(answer.content, kind)
        except msgspec.ValidationError as error:
            raise BrokenAnswerError(self.url, f"it has the wrong form, {str(error).rstrip('.').lower()}") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            kind_given = answer.headers.get("content-type", "no content type")
            raise BrokenAnswerError(
                self.url, f"{len(answer.content)} bytes of {kind_given} are not complete JSON"
            ) from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _read(self, response: httpx.Response, deadline: float) -> bytes:
        # A socket's time-out restarts with every byte; this check catches a peer that sends byte by byte.
        parts, n_bytes = [], 0
        for part in response.iter_bytes():
            parts.append(part)
            n_bytes += len(part)
            if self._clock() > deadline:
                raise TimedOutError(self.url, "reading the answer", self._timeouts.answer_seconds)
            if n_bytes > MAX_ANSWER_BYTES:
                raise RejectedError(f"{self.url}: the answer is over {MAX_ANSWER_BYTES >> 20} MiB. Send fewer rows.")
        return b"".join(parts)

    def failure(self, answer: HttpAnswer) -> ClientError:
        """Return the error that an answer stands for."""
        reason, field = _reason(answer)
        status = answer.status
        if status in _BUSY:
            return PeerBusyError(self.url, status, reason, retry_after_seconds=_retry_after(answer.headers))
        if status >= 500:
            return PeerFailedError(self.url, status, reason)
        if status < 400:
            to = answer.headers.get("location", "nowhere")
            return RejectedError(f"{self.url} redirects to {to}. Give the client that address.", status=status)
        return rejection(self.url, status, reason, field)


def _checked_url(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise RejectedError(f"{url!a} is not a URL: {error}.") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise RejectedError(f"{url!a} is not the URL of a server: use a URL like http://127.0.0.1:8501.")
    if parsed.userinfo:
        raise RejectedError("The URL contains a password, which would end up in logs. Give the client a token instead.")
    return str(parsed).rstrip("/")


def _trust(authority: Path | None, identity: tuple[Path, Path] | None) -> Any:
    if authority is None and identity is None:
        return True
    import ssl

    try:
        context = ssl.create_default_context(cafile=None if authority is None else str(authority))
    except (OSError, ssl.SSLError) as error:
        raise RejectedError(f"{authority} cannot be used as a certificate authority: {error}.") from None
    if identity is not None:
        try:
            context.load_cert_chain(*map(str, identity))
        except (OSError, ssl.SSLError) as error:
            raise RejectedError(f"{identity[0]} and {identity[1]} cannot be used as a certificate: {error}.") from None
    return context


def _sentence(error: Exception) -> str:
    return (str(error) or type(error).__name__).rstrip(".").lower()


def _reason(answer: HttpAnswer) -> tuple[str, str | None]:
    """Find the server's message; every dialect has it under `error`."""
    try:
        refusal = decode_json(answer.content, _Refusal)
        if refusal.error is not None:
            return str(refusal.error)[:_MAX_REASON], refusal.field
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    text = answer.content[: 4 * _MAX_REASON].decode("utf-8", "replace")
    return " ".join(text.split())[:_MAX_REASON], None


def _retry_after(headers: httpx.Headers) -> float | None:
    text = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdecimal() else None
