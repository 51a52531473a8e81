"""Carries each call to its method: it finds a place, is admitted, brings its message in time, and is answered.

A method is offered to gRPC as one with a stream of requests, of which the first is read here: on the wire there is no
difference, and a caller that sends no message, or a token that is not valid, is refused before the message is read.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

import grpc

from core.errors import CoreError
from core.escape import shown
from core.serving.authenticator import Headers
from core.serving.dialects import Dialect
from core.serving.errors import (
    CallerFaultError,
    EndedCallError,
    ServingError,
    TookTooLongError,
    TooLargeError,
    UnauthenticatedError,
    status_of,
)
from core.serving.predict import CallerAddress, Predictor, Target, is_id
from core.serving.rpc.codes import code_of, details_of
from core.serving.rpc.connections import RpcConnections
from core.serving.rpc.incoming import IncomingMessages
from core.serving.rpc.places import Places
from core.typed_numbers import whole_number

log = logging.getLogger(__name__)

Fields = tuple[tuple[str, str], ...]
_AGAIN: Fields = (("grpc-retry-pushback-ms", "1000"),)  # to a client with a retry policy
_ARRIVING_BYTES = 1 << 30  # of messages that are on their way
_LEAST_ARRIVING = 32
_ARRIVING_PROBES = 16
_PATIENCE_SECONDS = 1.0  # with a message on its way, while others wait to begin


class RpcCall(NamedTuple):
    """One call, without its message."""

    headers: Headers
    client: CallerAddress
    request_id: str  # its caller's, or one of ours


class RpcAnswer(NamedTuple):
    """The answer to a call."""

    content: bytes
    fields: Fields = ()  # of its trailing metadata


class Method(NamedTuple):
    """One method of a service."""

    at_once: Callable[[RpcCall, bytes], RpcAnswer | None]  # None leaves the call to `slowly`
    slowly: Callable[[RpcCall, bytes], Awaitable[RpcAnswer]] | None = None
    dialect: Dialect | None = None  # whose refusals are counted
    is_probe: bool = False  # needs no token, and always finds a place
    has_message: bool = True  # else whatever the caller sends is not read


Services = Mapping[str, Mapping[str, Method]]
"""Service -> name of a method -> method."""


class Calls:
    """Answers the calls of one server."""

    def __init__(self, predictor: Predictor, connections: RpcConnections) -> None:
        self._predictor = predictor
        self._connections = connections
        self._limits = predictor.limits
        self._places = Places(self._limits.connections, self._limits.connections_by_peer)
        n_arriving = max(_ARRIVING_BYTES // self._limits.body_bytes, _LEAST_ARRIVING)
        self._arrivals = IncomingMessages(n_arriving, _PATIENCE_SECONDS)
        # Anybody may probe. The message of one comes with its call, and a caller who holds it back gives way at once.
        self._probe_arrivals = IncomingMessages(_ARRIVING_PROBES, 0.0)
        self._pending: set[asyncio.Task[RpcAnswer | CoreError]] = set()

    def handlers(self, services: Services) -> list[grpc.GenericRpcHandler]:
        """Return the services in the form in which gRPC takes them."""
        return [
            grpc.method_handlers_generic_handler(
                service, {name: grpc.stream_unary_rpc_method_handler(self._carrier(method)) for name, method in methods}
            )
            for service, methods in ((name, each.items()) for name, each in services.items())
        ]

    def _carrier(self, method: Method) -> Callable[[Any, Any], Awaitable[bytes]]:
        async def carry(_messages: Any, context: Any) -> bytes:
            peer = context.peer()  # first of all: an ended call has none any more
            call = RpcCall({}, address_of(peer), self._predictor.new_id())
            try:
                if not peer:
                    raise EndedCallError
                call = _with_metadata(call, context.invocation_metadata())
                place = self._places.taken(_peer_of(call), is_probe=method.is_probe)
                with self._connections.used(call.client), place:
                    found = await self._answered(method, call, context)
            except Exception as error:
                found = self._refused(method, call, error)
            fields = (("x-request-id", call.request_id),)
            if isinstance(found, RpcAnswer):
                context.set_trailing_metadata(found.fields or fields)
                return found.content
            again = _AGAIN if status_of(found) == 503 else ()
            await context.abort(code_of(found), details_of(found), (*fields, *again))
            raise AssertionError("an aborted call goes no further")

        return carry

    async def _answered(self, method: Method, call: RpcCall, context: Any) -> RpcAnswer | CoreError:
        if not method.is_probe:
            await self._predictor.admit(call.headers, call.client)
        content = await self._message(method, call, context) if method.has_message else b""
        if (answer := method.at_once(call, content)) is not None:
            return answer
        # A caller that gives up cancels its call. The version has the request all the same, and is judged by it.
        task = asyncio.get_running_loop().create_task(self._settled(method, call, content))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)
        return await asyncio.shield(task)

    async def _settled(self, method: Method, call: RpcCall, content: bytes) -> RpcAnswer | CoreError:
        assert method.slowly is not None
        try:
            return await method.slowly(call, content)
        except Exception as error:
            return self._refused(method, call, error)

    async def _message(self, method: Method, call: RpcCall, context: Any) -> bytes:
        arrivals = self._probe_arrivals if method.is_probe else self._arrivals
        try:
            content = await arrivals.wait_for(context.read, _peer_of(call), self._limits.body_seconds)
        except TimeoutError:
            raise TookTooLongError("The request", self._limits.body_seconds, status=408) from None
        if isinstance(content, bytes):
            return content
        if context.peer():  # gRPC itself would have ended the call of a message that it does not take
            raise CallerFaultError("The call was cut off: it ended before its message was whole.")
        most = self._limits.body_bytes
        raise TooLargeError(f"The call has brought no uncompressed message of at most {most:,} bytes.")

    def _refused(self, method: Method, call: RpcCall, error: Exception) -> CoreError:
        log.debug("%s: refused: %s", call.request_id, type(error).__name__)  # its text may quote the row
        if method.dialect is not None:
            return self._predictor.refused(Target(method.dialect, None), error)
        if isinstance(error, CoreError):
            return error
        log.error("a call could not be answered", exc_info=error)
        return ServingError("The call could not be answered; see the server log for details.")


def _peer_of(call: RpcCall) -> str:
    return call.client[0] if call.client else ""


def _with_metadata(call: RpcCall, metadata: Iterable[tuple[str, str | bytes]]) -> RpcCall:
    """Return a call with its headers, and with the id that its caller gives it.

    Raises:
        CallerFaultError: They are not in Latin-1, as headers are.
        UnauthenticatedError: The token is not.
    """
    headers: dict[bytes, bytes] = {}
    for name, value in metadata:
        try:
            key, content = name.encode("latin-1"), value if isinstance(value, bytes) else value.encode("latin-1")
        except UnicodeEncodeError:
            if name == "authorization":
                raise UnauthenticatedError("The token has characters that no token has.") from None
            raise CallerFaultError(f"The metadata {shown(name)} has characters that are not Latin-1.") from None
        headers[key] = headers[key] + b", " + content if key in headers else content
    # gRPC's library keeps the name under which it was asked to itself. It guards against web pages, which cannot
    # speak gRPC: no browser lets a page read or write the frames and trailers.
    headers[b"host"] = b"localhost"
    given = headers.get(b"x-request-id", b"").decode("latin-1")
    return RpcCall(headers, call.client, given if is_id(given) else call.request_id)


def address_of(peer: str) -> CallerAddress:
    """Read the address of a caller as gRPC writes it; None if it has none.

    >>> address_of("ipv4:127.0.0.1:4711"), address_of("ipv6:%5B::1%5D:80"), address_of("unix:")
    (('127.0.0.1', 4711), ('::1', 80), None)
    """
    kind, _, rest = unquote(peer).partition(":")
    host, _, port = rest.rpartition(":")
    try:
        return (host.strip("[]"), whole_number(port)) if kind in ("ipv4", "ipv6") else None
    except ValueError:
        return None
