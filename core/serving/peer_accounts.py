"""A Unix socket at which accounts of this machine are known without a token: the kernel says who is at the other end.

Source:
    unix(7), SO_PEERCRED: the credentials of the process that called connect(2), which it cannot choose.
"""

import os
import socket
import stat
import struct
from asyncio import BaseTransport
from pathlib import Path

from core.access.principal import account_of
from core.serving.errors import ListenError, cure_of_taken

SOCKET_SETTING = "serving.socket"

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
_MODE = 0o666  # whoever may connect is judged by their grants; the folder can shut accounts out before


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
        _, uid, _ = _CREDENTIALS.unpack(plain.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return PeerAccount(account_of(uid))


def listen_for_accounts(path: Path | None) -> socket.socket | None:
    """Listen on a Unix socket; None without a path. A socket that a killed server left behind is replaced.

    Raises:
        ListenError: It cannot be listened on.
    """
    if path is None:
        return None
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _clear(path)
        listener.bind(str(path))
        os.chmod(path, _MODE)
        listener.listen(2_048)
    except OSError as error:
        listener.close()
        why = error.strerror or error
        raise ListenError(f"Cannot listen on {path}: {why}.{cure_of_taken(SOCKET_SETTING)}") from error
    return listener


def _clear(path: Path) -> None:
    """Remove a socket of this account that nobody listens on any more."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.getuid():
        return  # binding fails, and says why
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        try:
            other.connect(str(path))
        except ConnectionRefusedError:
            os.unlink(path)
