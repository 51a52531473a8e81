"""The protocol of a channel: one way to reach one addressee."""

from typing import ClassVar, NamedTuple, Protocol

from core.alerts.delivery.message import AlertMessage


class Delivered(NamedTuple):
    """What a channel says after it delivered a message."""

    detail: str  # in words, without secrets: "HTTP 202"
    reference: str = ""  # the name that the other side gave it


class Channel(Protocol):
    """Sends messages to one addressee. It is made anew for every attempt, so that it reads its secrets then."""

    kind: ClassVar[str]
    can_deduplicate: ClassVar[bool]
    """Whether the other side recognises a message that arrives twice; if not, a repetition says that it may be one."""
    tracks_incidents: ClassVar[bool] = False
    """Whether the other side follows an incident, so that it is told of an acknowledgement, too."""

    @property
    def addressee(self) -> str:
        """Whom it reaches, in words without secrets."""

    def send(self, message: AlertMessage, *, timeout_seconds: float) -> Delivered:
        """Send one message.

        Args:
            message: The message.
            timeout_seconds: How long this may take in all.

        Raises:
            DeliveryError: It was not delivered, or nothing is known about it.
        """
