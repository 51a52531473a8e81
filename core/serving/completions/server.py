"""The server of completions, in the thread of its caller."""

import socket
from math import ceil

import uvicorn

from core.local_callers import is_loopback
from core.serving.completions.application import CompletionServer
from core.serving.connection import TimedProtocol
from core.serving.errors import ListenError
from core.serving.server import parse_address


def listen_locally(address: str) -> socket.socket:
    """Listen on an address of this machine alone.

    Args:
        address: HOST:PORT; port 0 takes a free one.
    Raises:
        ListenError: It is no address, other machines can reach it, or it is in use.
    """
    host, port = parse_address(address)
    if not is_loopback(host) and host != "localhost":
        raise ListenError(f"{host} can be reached from other machines; this server listens on 127.0.0.1 or ::1 alone.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ListenError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error


def completions_server(application: CompletionServer) -> uvicorn.Server:
    """Return a server of an application; `run(sockets=[…])` answers until `should_exit`."""
    limits = application.limits
    config = uvicorn.Config(
        application,
        http=TimedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=ceil(limits.stop_seconds),
    )
    return uvicorn.Server(config)
