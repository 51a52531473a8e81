"""An HTTP endpoint of a process that is no server of predictions: /health, /ready and /metrics for this machine.

Callers elsewhere need tokens, which a server has (`core.serving`). So the endpoint listens on this machine alone, and
answers only programs here: no proxy, and no web page by DNS rebinding.
"""

import json
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from typing_extensions import override

from core.errors import RefusedError, UsageError
from core.escape import shown
from core.local_callers import LocalCallers, is_loopback
from core.metrics.exposition import CONTENT_TYPE
from core.settings.address import ADDRESS_FORM, host_and_port

log = logging.getLogger(__name__)

MOST_REQUESTS = 8
"""Connections at the same time; a further one takes the place of that which has waited longest without a request."""
_REQUEST_SECONDS = 10.0
_PLACE_SECONDS = 1.0  # for the thread of a connection that was shut down to end


class EndpointHealth(NamedTuple):
    """What probes are told."""

    is_live: bool
    is_ready: bool
    facts: dict[str, Any]


def own_address(text: str, *, named: str) -> tuple[str, int]:
    """Split an address of this machine at which an endpoint can listen now.

    Args:
        text: HOST:PORT, :PORT or PORT.
        named: The setting or flag that it is from.
    Raises:
        UsageError: It is not an address, or other machines can reach it.
        RefusedError: Something else listens on it.
    """
    if (found := host_and_port(text)) is None:
        raise UsageError(f"{named} {shown(text)} is not an address to listen on: {ADDRESS_FORM}.")
    host = found[0]
    if host != "localhost" and not is_loopback(host):
        raise UsageError(
            f"{named} {text} can be reached from other machines, and the engine asks for no token: use "
            "127.0.0.1, or let a server answer with tokens (bondx run --api, serving.metrics_listen)."
        )
    try:
        socket.create_server(found, family=_family(host)).close()
    except OSError as error:
        raise _taken(text, error, named) from error
    return found


class MetricEndpoint:
    """Listens on an address of this machine from its construction on, and answers in threads of its own."""

    def __init__(
        self, host: str, port: int, *, metrics: Callable[[], bytes], health: Callable[[], EndpointHealth], named: str
    ) -> None:
        """Listen.

        Args:
            host: An address of this machine.
            port: The port; 0 takes a free one.
            metrics: Returns the metrics as text.
            health: Returns what probes are told.
            named: The setting or flag that the address is from.
        Raises:
            RefusedError: The address cannot be listened on.
        """
        try:
            self._server = _Server((host, port), metrics, health)
        except OSError as error:
            raise _taken(f"{host}:{port}", error, named) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics-endpoint", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """HOST:PORT."""
        host, port = self._server.server_address[:2]
        return f"[{host!s}]:{port}" if ":" in str(host) else f"{host!s}:{port}"

    def close(self) -> None:
        """Stop to listen; requests at work are abandoned. Safe to repeat."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _taken(address: str, error: OSError, named: str) -> RefusedError:
    return RefusedError(f"{named}: cannot listen on {address}: {error.strerror or error}. Choose another port.")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(
        self, address: tuple[str, int], metrics: Callable[[], bytes], health: Callable[[], EndpointHealth]
    ) -> None:
        self.address_family = _family(address[0])
        self.metrics, self.health = metrics, health
        self.callers = LocalCallers()
        self._places = threading.BoundedSemaphore(MOST_REQUESTS)
        self._lock = threading.Lock()
        self._silent: dict[int, socket.socket] = {}  # those that have sent no request yet, the oldest first
        super().__init__(address, _Handler)

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False) or (
            self._end_oldest() and self._places.acquire(timeout=_PLACE_SECONDS)
        ):
            with self._lock:
                self._silent[id(request)] = request
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def _end_oldest(self) -> bool:
        """Shut down the connection that has waited longest without a request; return whether there is one."""
        with self._lock:  # held, so that the connection is not closed meanwhile
            if not self._silent:
                return False
            oldest = self._silent.pop(next(iter(self._silent)))
            with suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)
            return True

    def has_asked(self, request: socket.socket) -> None:
        """Note that the request of a connection has arrived, or that the connection ends."""
        with self._lock:
            self._silent.pop(id(request), None)

    @override
    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    @override
    def shutdown_request(self, request: Any) -> None:
        self.has_asked(request)
        super().shutdown_request(request)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a connection to the endpoint ended early", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "bondx", ""
    timeout = _REQUEST_SECONDS

    def do_GET(self) -> None:
        self.server.has_asked(self.connection)
        path = self.path.partition("?")[0].rstrip("/")
        if not self._is_local():
            self._answer(403, {"error": "This endpoint answers programs on this machine alone."})
        elif path == "/metrics":
            self._measured()
        elif path in ("", "/health", "/-/healthy", "/ready", "/-/ready"):
            health = self.server.health()
            is_well = health.is_ready if path in ("/ready", "/-/ready") else health.is_live
            facts = {"status": "up" if is_well else "down", "live": health.is_live, "ready": health.is_ready}
            self._answer(200 if is_well else 503, {**facts, **health.facts})
        else:
            self._answer(404, {"error": "The engine answers /health, /ready and /metrics here; a server answers more."})

    do_HEAD = do_GET  # noqa: N815

    def _measured(self) -> None:
        try:
            body = self.server.metrics()
        except Exception:
            log.exception("the metrics could not be collected")
            self._answer(500, {"error": "The metrics could not be collected: the engine's log says why."})
        else:
            self._send(200, CONTENT_TYPE, body)

    @override
    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the library refuses in our form; its own would be a page, with words of the caller in it."""
        self.close_connection = True
        self.request_version = self.protocol_version  # without a readable one, no status would be sent
        phrase = HTTPStatus(code).phrase
        self._answer(code, {"error": f"{phrase}: /health, /ready and /metrics are answered to GET and HEAD."})

    def _is_local(self) -> bool:
        headers: dict[bytes, bytes] = {}
        for name, value in self.headers.items():
            key = name.lower().encode("latin-1", "replace")
            headers[key] = b", ".join(filter(None, (headers.get(key), value.encode("latin-1", "replace"))))
        return self.server.callers.is_local(headers, str(self.client_address[0]))

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(content).encode())

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: a Prometheus asks every few seconds."""
