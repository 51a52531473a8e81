"""Messages from threads to the app, each posted at most once a tick."""

from dataclasses import dataclass

from textual.message import Message

from console.runtime.engine_host import Hosting


class SnapshotReady(Message):
    """A new snapshot is ready; several that arrived while the app was busy are one message."""


@dataclass
class HostingChanged(Message):
    """The engine in this console started, was refused, or stopped."""

    hosting: Hosting
    problem: str
