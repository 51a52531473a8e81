"""Unix sockets at which accounts of this machine are known without a token: the kernel says who is at the other end.

Sources:
    unix(7), SO_PEERCRED: the credentials of the process that called connect(2), which it cannot choose.
    user_namespaces(7): an account that a namespace does not map has the overflow id in it (proc_sys_kernel(5)).
"""

import os
import socket
import stat
import struct
from pathlib import Path

from core.access.principal import account_of

HIDDEN = "an account that this user namespace hides"
"""The name of such an account; nobody can grant a role to it."""

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
_MODE = 0o666  # whoever may connect is judged by their grants; the folder can shut accounts out before
_ALL_IDS = "0 0 4294967295"
_OVERFLOW_ID = 65_534


def account_at(connection: socket.socket) -> str:
    """Return the account at the other end of a connection to a Unix socket."""
    _, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    if uid == _OVERFLOW_ID and not _sees_all_accounts():
        return HIDDEN
    return account_of(uid)


def listen_for_accounts(path: Path) -> socket.socket:
    """Listen on a Unix socket that every account may connect to. One that a killed process left behind is replaced.

    Raises:
        OSError: It cannot be listened on.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _clear(path)
        listener.bind(str(path))
        os.chmod(path, _MODE)
        listener.listen(2_048)
    except OSError:
        listener.close()
        raise
    return listener


def _sees_all_accounts() -> bool:
    """Whether every account has its own number here, so that the overflow id is the account of that number."""
    try:
        lines = Path("/proc/self/uid_map").read_text().splitlines()
    except OSError:
        return False
    return [" ".join(line.split()) for line in lines] == [_ALL_IDS]


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
