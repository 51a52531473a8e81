"""tmux: a message in the status line of every client of this account's server."""

import shutil
import subprocess
import time
from typing import ClassVar, Final

from core.alerts.delivery.channel import Delivered
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.message import AlertMessage
from core.alerts.delivery.wording import headline

_SHOWN_MS: Final = "10000"


class TmuxChannel:
    """Asks tmux to show the headline; a client that is not attached misses it."""

    kind: ClassVar[str] = "tmux"
    can_deduplicate: ClassVar[bool] = False
    tracks_incidents: ClassVar[bool] = False

    def __init__(self, socket_path: str = "") -> None:
        """Prepare to ask.

        Args:
            socket_path: The socket of the server; by default that of the account.
        """
        self._socket_path = socket_path

    @property
    def addressee(self) -> str:
        """The server."""
        return f"tmux {self._socket_path}".strip()

    def send(self, message: AlertMessage, *, timeout_seconds: float) -> Delivered:
        """Show the headline; see `Channel.send`."""
        deadline = time.monotonic() + timeout_seconds
        clients = self._ask(["list-clients", "-F", "#{client_name}"], deadline).splitlines()
        if not clients:
            raise DeliveryError("No client is attached to tmux.")
        for client in clients:
            self._ask(["display-message", "-d", _SHOWN_MS, "-c", client, "--", literal(headline(message))], deadline)
        return Delivered(f"shown to {len(clients)} client{'s' if len(clients) > 1 else ''}")

    def _ask(self, words: list[str], deadline: float) -> str:
        program = shutil.which("tmux")
        if program is None:
            raise DeliveryError("tmux is not installed where the engine runs.")
        where = ["-S", self._socket_path] if self._socket_path else []
        try:
            done = subprocess.run(
                [program, *where, *words],
                capture_output=True,
                timeout=max(0.1, deadline - time.monotonic()),
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            raise DeliveryError("tmux did not answer in time.") from None
        if done.returncode:
            raise DeliveryError(f"tmux failed: {done.stderr.decode('utf-8', 'replace').strip()[:200]}")
        return done.stdout.decode("utf-8", "replace")


def literal(text: str) -> str:
    """Escape a text for tmux, which would otherwise run `#(command)` and read `%H` as a time.

    >>> literal("#(reboot) 100%")
    '##(reboot) 100%%'
    """
    return text.replace("#", "##").replace("%", "%%")
