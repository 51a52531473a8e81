"""The port of the gRPC server, reserved by a socket that never listens.

gRPC's library cannot take over a listening socket, so several server processes listen on one port with `SO_REUSEPORT`,
and the system spreads connections over them. The socket here tells in time whether the port can be had, finds a free
one, and keeps it while processes are replaced.

It shares the port with `SO_REUSEPORT` alone: those who listen without sharing, among them another server that looks
whether the port is free, are refused although nobody listens yet. That look and the reservation are two steps, between
which another server could take the same two: a name that only one process can have is held from before the first to
the end.
"""

import errno
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress

from typing_extensions import override

from core.serving.errors import ListenError, cure_of_taken

GRPC_SETTING = "serving.grpc_port"


class _Reserved(socket.socket):
    """A reservation, and the claim that goes with it."""

    claim: socket.socket | None = None

    @override
    def close(self) -> None:
        super().close()
        if self.claim is not None:
            self.claim.close()


def reserve(
    host: str, port: int, *, named: str = "", others: Mapping[str, socket.socket | None] | None = None
) -> socket.socket:
    """Reserve a port of an address of this machine.

    Args:
        host: A numeric address.
        port: 0 takes a free one.
        named: The flag or the setting that it is from, for errors.
        others: What else this server listens on, by the flag or the setting.
    Raises:
        ListenError: Another program has it, or it is not for this user.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reserved = None
    try:
        with socket.create_server((host, port), family=family) as alone:  # fails while anybody else has it
            port = alone.getsockname()[1]
            claim = _claim(address(host, port))
        reserved = _Reserved(family, socket.SOCK_STREAM)
        reserved.claim = claim
        _bind(reserved, host, port)
    except OSError as error:
        if reserved is not None:
            reserved.close()
        why = os.strerror(error.errno) if error.errno else error  # `create_server` puts the address into its own text
        cure = cure_of_taken(named)
        if error.errno == errno.EADDRINUSE and (other := _with_port(others or {}, port)):
            cure = f" {named or GRPC_SETTING} and {other} name the same port: choose another one for one of them."
        raise ListenError(f"Cannot listen for gRPC on {address(host, port)}: {why}.{cure}") from error
    return reserved


def _claim(name: str) -> socket.socket | None:
    """Take a name that the system gives to one process at a time, and takes back at its end.

    It belongs to the network that the ports belong to, which no file does.

    Raises:
        OSError: Another process has it.
    """
    if sys.platform != "linux":
        return None
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        claim.bind(f"\0bondx-grpc {name}")
    except OSError:
        claim.close()
        raise
    return claim


def _bind(reserved: socket.socket, host: str, port: int) -> None:
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    with suppress(OSError):
        reserved.bind((host, port))
        return
    # Connections of a program that has just ended rest on the port for a minute, and it did not share it.
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind((host, port))


def _with_port(others: Mapping[str, socket.socket | None], port: int) -> str | None:
    return next((name for name, each in others.items() if each and each.getsockname()[1] == port), None)


def address(host: str, port: int) -> str:
    """Write an address.

    >>> address("::1", 8500)
    '[::1]:8500'
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
