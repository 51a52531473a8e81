"""The gRPC server of a workspace: a companion of the HTTP server, on the same event loop.

Predictions over both change the same counters and the same queues, which only that loop may touch.
"""

import asyncio
import logging
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.plain_files import read_file
from core.serving.connection import MAX_HEAD_BYTES
from core.serving.errors import ListenError
from core.serving.limits import ServingLimits
from core.serving.predict import Predictor
from core.serving.rpc import require_extra
from core.serving.rpc.ports import address

require_extra()
os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its library writes to stderr, a line for each broken connection

import grpc  # noqa: E402
import grpc.aio  # noqa: E402
from grpc._cython.cygrpc import ExecuteBatchError  # noqa: E402

from core.serving.rpc.calls import Calls  # noqa: E402
from core.serving.rpc.connections import RpcConnections  # noqa: E402
from core.serving.rpc.health import health_services  # noqa: E402
from core.serving.rpc.inference import inference_services  # noqa: E402
from core.serving.rpc.tf_serving import tf_services  # noqa: E402

log = logging.getLogger(__name__)

_STREAMS = 100  # of one connection at the same time; a client queues more
_ONLY_IDENTITY = 1  # the bit of no compression
_LOOK_SECONDS = 0.05  # at whether gRPC's library has ended its server
_AGAIN_SECONDS = 1.0  # after which a port that has been lost is tried again
_TOLD_SECONDS = 60.0  # between two warnings: any caller can cause one
_OF_CALLERS = (
    UnicodeDecodeError,
    ExecuteBatchError,
)  # a path that is not UTF-8; a caller who has left


class RpcServer:
    """Serves over gRPC.

    Attributes:
        is_listening: Whether callers reach it.
    """

    def __init__(
        self,
        predictor: Predictor,
        reserved: socket.socket,
        certificate: Path | None,
        key: Path | None,
        client_authority: Path | None = None,
    ) -> None:
        """Prepare; nothing listens before `start`.

        Args:
            predictor: Answers predict requests.
            reserved: The socket that keeps the port.
            certificate: File of the TLS certificate chain.
            key: File of its private key; by default in the same file.
            client_authority: File of the certificate authority; every caller must show a certificate of it.
        Raises:
            ListenError: The certificate cannot be read.
        """
        self._predictor = predictor
        self._reserved = reserved
        self._server: grpc.aio.Server | None = None
        limits, port = predictor.limits, reserved.getsockname()[1]
        self._connections = RpcConnections(port, limits.connections, limits.connections_by_peer)
        self._calls = Calls(predictor, self._connections)
        self._watches: list[asyncio.Task[None]] = []
        self._endings: set[asyncio.Task[None]] = set()
        self._warned_at = -_TOLD_SECONDS
        self.is_listening = False
        self._credentials = None
        if certificate is not None:
            try:
                chain = read_file(certificate)
                pair = (chain if key is None else read_file(key), chain)
                roots = None if client_authority is None else read_file(client_authority)
                self._credentials = grpc.ssl_server_credentials([pair], roots, require_client_auth=roots is not None)
            except (OSError, ValueError) as error:
                raise ListenError(f"The certificate or its key cannot be used for gRPC: {error}.") from error

    @property
    def address(self) -> str:
        """HOST:PORT of the server."""
        return address(*self._reserved.getsockname()[:2])

    async def start(self) -> None:
        """Listen and answer.

        Raises:
            ListenError: The port has been lost.
        """
        self._server = await self._started()
        self.is_listening = True
        asyncio.get_running_loop().set_exception_handler(_tell)
        self._watches = [asyncio.create_task(each) for each in (self._listen_again(), self._connections.keep_room())]

    async def _started(self) -> grpc.aio.Server:
        services = {**tf_services(self._predictor), **inference_services(self._predictor)}
        services |= health_services(self._predictor, list(services))
        server = grpc.aio.server(options=_options(self._predictor.limits))
        server.add_generic_rpc_handlers(tuple(self._calls.handlers(services)))
        try:
            if self._credentials is None:
                server.add_insecure_port(self.address)
            else:
                server.add_secure_port(self.address, self._credentials)
        except RuntimeError as error:
            raise ListenError(f"Cannot listen for gRPC on {self.address}: {error}.") from error
        await server.start()
        return server

    async def _listen_again(self) -> None:
        """Put a new server in the place of each that gRPC's library ends: a path that is not UTF-8 suffices for that.

        The server that has ended closes its port at once. Its open calls are answered, unless the library is faster: it
        cancels them.
        """
        while (error := await _end_of(self._server)) is not None:
            self.is_listening = False
            self._warn(error)
            ending = asyncio.create_task(self._server.stop(self._predictor.limits.answer_seconds))  # type: ignore[union-attr]
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
            while not self.is_listening:
                try:
                    self._server = await self._started()
                    self.is_listening = True
                except ListenError as lost:
                    self._warn(lost)
                    await asyncio.sleep(_AGAIN_SECONDS)

    def _warn(self, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._warned_at >= _TOLD_SECONDS:
            self._warned_at = now
            log.warning("gRPC was off: %s; listening again (logged at most once a minute)", error)

    async def stop(self, seconds: float) -> None:
        """Accept no more calls, and let the open ones end."""
        for watch in self._watches:
            watch.cancel()
        if self._server is not None:
            await asyncio.gather(self._server.stop(seconds), *self._endings)

    def close(self) -> None:
        """Give up the port."""
        with suppress(OSError):
            self._reserved.close()


def _options(limits: ServingLimits) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", limits.body_bytes),
        # As over HTTP. From 8 KiB on, the library refuses at random, and a token that names many groups is larger.
        ("grpc.max_metadata_size", MAX_HEAD_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_HEAD_BYTES),
        ("grpc.compression_enabled_algorithms_bitset", _ONLY_IDENTITY),  # a few kilobytes could become gigabytes
        ("grpc.max_concurrent_streams", _STREAMS),
        ("grpc.max_allowed_incoming_connections", 2 * limits.connections),  # until the next look at them
        ("grpc.server_handshake_timeout_ms", int(limits.first_request_seconds * 1000)),
        ("grpc.max_connection_idle_ms", limits.idle_seconds * 1000),
    ]


async def _end_of(server: Any) -> Exception | None:
    """Wait until a server ends; return why, or None if it was told to stop."""
    try:
        while await server.wait_for_termination(_LOOK_SECONDS):
            pass
    except Exception as error:
        error.__traceback__ = None  # it holds the call, and that its connection
        return error
    return None


def _is_told(record: logging.LogRecord) -> bool:
    """Leave out the tracebacks of gRPC's library that any caller can cause."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error or record.msg, _OF_CALLERS)


def _tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Report what no task has handled, except what any caller can cause in the library's own tasks."""
    is_of_a_task = str(context.get("message")).startswith("Task exception was never")
    if not (is_of_a_task and isinstance(context.get("exception"), _OF_CALLERS)):
        loop.default_exception_handler(context)


logging.getLogger("grpc._cython.cygrpc").addFilter(_is_told)
