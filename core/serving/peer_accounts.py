"""The accounts of this machine that call at the Unix socket of a server."""

import os
import socket
from asyncio import BaseTransport
from pathlib import Path

from core.access import peers
from core.serving.errors import ListenError, cure_of_taken

SOCKET_SETTING = "serving.socket"


class PeerAccount(str):
    """The account at the other end of a Unix socket. Only `account_behind` makes one, so no header can."""

    __slots__ = ()


def account_behind(transport: BaseTransport) -> PeerAccount | None:
    """Return the account at the other end of a connection; None for a connection over a network."""
    found = transport.get_extra_info("socket")
    if found is None or found.family != socket.AF_UNIX:
        return None
    # A copy of the descriptor as a plain socket: the event loop's own object does not pass every call on.
    with socket.socket(fileno=os.dup(found.fileno())) as plain:
        return PeerAccount(peers.account_at(plain))


def listen_for_accounts(path: Path | None) -> socket.socket | None:
    """Listen on a Unix socket; None without a path.

    Raises:
        ListenError: It cannot be listened on.
    """
    if path is None:
        return None
    try:
        return peers.listen_for_accounts(path)
    except OSError as error:
        why = error.strerror or error
        raise ListenError(f"Cannot listen on {path}: {why}.{cure_of_taken(SOCKET_SETTING)}") from error
