"""The port of the gRPC server, reserved by a socket that never listens.

gRPC's library cannot take over a listening socket, so several server processes listen on one port with `SO_REUSEPORT`,
and the system spreads connections over them. The socket here tells in time whether the port can be had, finds a free
one, and keeps it while processes are replaced.
"""

import os
import socket

from core.serving.errors import ListenError


def reserve(host: str, port: int) -> socket.socket:
    """Reserve a port of an address of this machine.

    Args:
        host: A numeric address.
        port: 0 takes a free one.
    Raises:
        ListenError: Another program has it, or it is not for this user.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as alone:  # fails while anybody else listens
            port = alone.getsockname()[1]
        reserved = socket.socket(family, socket.SOCK_STREAM)
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            reserved.setsockopt(socket.SOL_SOCKET, option, 1)
        reserved.bind((host, port))
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error  # `create_server` puts the address into its own text
        raise ListenError(f"Cannot listen for gRPC on {address(host, port)}: {why}.") from error
    return reserved


def address(host: str, port: int) -> str:
    """Write an address.

    >>> address("::1", 8500)
    '[::1]:8500'
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
