"""The ASGI steps that the predict path and its neighbours perform without a framework."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from core.serving.errors import BadRequestError, TookTooLongError, TooLargeError, UnsupportedMediaError
from core.serving.limits import ServingLimits

RETRY_SECONDS = 1
"""When a caller may ask again after 503."""

REQUEST_ID = "bondx.request_id"
"""The key of a request's scope with its id."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def headers_of(scope: Mapping[str, Any]) -> dict[bytes, bytes]:
    """Return the headers of a request by lower-case name; the values of a repeated header are joined by commas."""
    fields: list[tuple[bytes, bytes]] = list(scope["headers"])
    headers = dict(fields)
    if len(headers) != len(fields):
        for name in headers:
            headers[name] = b", ".join(value for of, value in fields if of == name)
    return headers


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], limits: ServingLimits) -> bytes:
    """Read the body of a request.

    Raises:
        TooLargeError: The body is over the limit; the excess is not read.
        TookTooLongError: The body did not arrive in time.
        UnsupportedMediaError: The body is compressed.
    """
    # Zeros before a length are no fault for the HTTP parser; Python reads no number of so many digits.
    length = headers.get(b"content-length", b"0").lstrip(b"0") or b"0"
    if int(length) > limits.body_bytes:
        raise _too_large(limits)
    if b"content-encoding" in headers and headers[b"content-encoding"] != b"identity":
        raise UnsupportedMediaError("Compressed request bodies are not supported: send the body uncompressed.")
    try:
        async with asyncio.timeout(limits.body_seconds):
            message = await receive()
            if not message.get("more_body"):
                return _content(message)
            parts = [_content(message)]
            n_bytes = len(parts[0])
            while message.get("more_body"):
                message = await receive()
                parts.append(_content(message))
                n_bytes += len(parts[-1])
                if n_bytes > limits.body_bytes:
                    raise _too_large(limits)
            return b"".join(parts)
    except TimeoutError:
        raise TookTooLongError("The request", limits.body_seconds, status=408) from None


async def send_json(
    send: Send,
    status: int,
    body: bytes,
    *,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    content_type: bytes = b"application/json",
) -> None:
    """Send a complete answer."""
    fields = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *headers]
    if status == 401:
        fields.append((b"www-authenticate", b'Bearer realm="bondx"'))
    if status == 503:
        fields.append((b"retry-after", b"%d" % RETRY_SECONDS))
    if status in (408, 413):
        fields.append((b"connection", b"close"))  # the rest of the body is still arriving
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


def _content(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise BadRequestError("The connection closed before the whole request arrived.")
    return bytes(message.get("body", b""))


def _too_large(limits: ServingLimits) -> TooLargeError:
    return TooLargeError(f"The request body is over the limit of {limits.body_bytes:,} bytes.")


class NotedSend:
    """Sends an answer on, and knows whether it has begun, and how many seconds its caller took to take it."""

    __slots__ = ("_send", "has_begun", "seconds_taken")

    def __init__(self, send: Send) -> None:
        self._send, self.has_begun, self.seconds_taken = send, False, 0.0

    async def __call__(self, message: Message) -> None:
        """Send a message of it."""
        self.has_begun = True
        begin = time.perf_counter()
        try:
            await self._send(message)
        finally:
            self.seconds_taken += time.perf_counter() - begin
