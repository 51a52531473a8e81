"""What threads tell the app; each is posted once a tick at most."""

from dataclasses import dataclass

from textual.message import Message

from console.runtime.engine_host import Hosting


class SnapshotReady(Message):
    """A new snapshot lies ready; several that came while the app was busy are one message."""


@dataclass
class HostingChanged(Message):
    """The engine in this console started, was refused, or stopped."""

    hosting: Hosting
    problem: str
