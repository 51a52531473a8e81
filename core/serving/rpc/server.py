"""The gRPC server of a workspace: a companion of the HTTP server, on the same event loop.

Predictions over both change the same counters and the same queues, which only that loop may touch.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path

from core.plain_files import read_file
from core.serving.errors import ListenError
from core.serving.limits import ServingLimits
from core.serving.predict import Predictor
from core.serving.rpc import require_extra
from core.serving.rpc.ports import address

require_extra()
os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its library writes to stderr, a line for each broken connection

import grpc  # noqa: E402
import grpc.aio  # noqa: E402

from core.serving.rpc.calls import Calls  # noqa: E402
from core.serving.rpc.health import health_services  # noqa: E402
from core.serving.rpc.inference import inference_services  # noqa: E402
from core.serving.rpc.tf_serving import tf_services  # noqa: E402

_STREAMS = 100  # of one connection at the same time; a client queues more
_ONLY_IDENTITY = 1  # the bit of no compression


class RpcServer:
    """Serves over gRPC."""

    def __init__(
        self, predictor: Predictor, reserved: socket.socket, certificate: Path | None, key: Path | None
    ) -> None:
        """Prepare; nothing listens before `start`.

        Args:
            predictor: Answers predict requests.
            reserved: The socket that keeps the port.
            certificate: File of the TLS certificate chain.
            key: File of its private key; by default in the same file.
        Raises:
            ListenError: The certificate cannot be read.
        """
        self._predictor = predictor
        self._reserved = reserved
        self._server: grpc.aio.Server | None = None
        self._credentials = None
        if certificate is not None:
            try:
                chain = read_file(certificate)
                pair = (chain if key is None else read_file(key), chain)
                self._credentials = grpc.ssl_server_credentials([pair])
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
        services = {**tf_services(self._predictor), **inference_services(self._predictor)}
        services |= health_services(self._predictor, list(services))
        limits = self._predictor.limits
        self._server = grpc.aio.server(options=_options(limits))
        self._server.add_generic_rpc_handlers(tuple(Calls(self._predictor).handlers(services)))
        try:
            if self._credentials is None:
                self._server.add_insecure_port(self.address)
            else:
                self._server.add_secure_port(self.address, self._credentials)
        except RuntimeError as error:
            raise ListenError(f"Cannot listen for gRPC on {self.address}: {error}.") from error
        await self._server.start()

    async def stop(self, seconds: float) -> None:
        """Accept no more calls, and let the open ones end."""
        if self._server is not None:
            await self._server.stop(seconds)

    def close(self) -> None:
        """Give up the port."""
        with suppress(OSError):
            self._reserved.close()


def _options(limits: ServingLimits) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", limits.body_bytes),
        ("grpc.compression_enabled_algorithms_bitset", _ONLY_IDENTITY),  # a few kilobytes could become gigabytes
        ("grpc.max_concurrent_streams", _STREAMS),
        ("grpc.max_allowed_incoming_connections", limits.connections),
        ("grpc.server_handshake_timeout_ms", int(limits.first_request_seconds * 1000)),
        ("grpc.max_connection_idle_ms", limits.idle_seconds * 1000),
    ]
