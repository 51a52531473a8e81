"""Socket activation: systemd opened the listening socket before the server started, and keeps it when the server ends.

While a server is replaced, callers wait in the queue of that socket; none is refused.

Source:
    sd_listen_fds(3): LISTEN_PID names the process that is meant, LISTEN_FDS counts its sockets, the first of which is
    descriptor 3.
"""

import os
import socket
from collections.abc import MutableMapping

from core.serving.authenticator import Authenticator
from core.serving.errors import ListenError
from core.serving.server import require_token

FIRST_DESCRIPTOR = 3
VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def inherited_listener(environ: MutableMapping[str, str], authenticator: Authenticator) -> socket.socket | None:
    """Take the listening socket that this process was started with; None if it was started without one.

    Args:
        environ: The environment; what names the sockets is removed, since it is not meant for children.
        authenticator: The tokens of the workspace.
    Raises:
        ListenError: There is more than one socket, it listens on no address of the internet protocol, or other machines
            can reach it while there is no token.
    """
    pid, n_sockets, _ = (environ.pop(name, "") for name in VARIABLES)
    if pid != str(os.getpid()) or n_sockets in ("", "0"):
        return None
    if n_sockets != "1":
        raise ListenError(
            f"systemd passed {n_sockets} sockets (LISTEN_FDS), but a server takes exactly one: "
            "keep one ListenStream= in the socket unit."
        )
    try:
        listener = socket.socket(fileno=FIRST_DESCRIPTOR)
    except OSError as error:
        raise ListenError(
            f"Descriptor {FIRST_DESCRIPTOR}, which LISTEN_FDS=1 names, is not a socket ({error.strerror}): "
            "start the server from a socket unit, or unset LISTEN_FDS."
        ) from error
    listener.set_inheritable(False)
    if listener.family not in (socket.AF_INET, socket.AF_INET6) or listener.type != socket.SOCK_STREAM:
        raise ListenError(
            f"systemd passed a socket that is not TCP ({listener.getsockname()!r}): "
            "set ListenStream= in the socket unit to an address such as 127.0.0.1:8501."
        )
    if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise ListenError("systemd passed a connection, not a listening socket: set Accept=no in the socket unit.")
    require_token(authenticator, listener.getsockname()[0])
    return listener
