"""A line in every attached console, with or without the bell of its terminal."""

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final

from core.alerts.delivery.channel import Delivered
from core.alerts.delivery.message import AlertMessage, MessageStatus
from core.alerts.delivery.records import Announcement
from core.alerts.delivery.wording import headline
from core.clock import Clock, utc_now

if TYPE_CHECKING:
    from core.state import Documents, Workspace

DATABASE: Final = "notifications"
_KEPT: Final = 20
_KEPT_FOR: Final = timedelta(hours=1)


class ConsoleChannel:
    """Stores the line, which consoles of this workspace find within a second; stored twice, it is one line."""

    kind: ClassVar[str] = "console"
    can_deduplicate: ClassVar[bool] = True
    tracks_incidents: ClassVar[bool] = False
    addressee = "every attached console"

    def __init__(self, workspace: "Workspace", *, rings: bool = False, clock: Clock = utc_now) -> None:
        """Prepare to store lines.

        Args:
            workspace: The workspace of the consoles.
            rings: Whether their terminals ring.
            clock: The time.
        """
        self._workspace = workspace
        self._rings = rings
        self._clock = clock

    def send(self, message: AlertMessage, *, timeout_seconds: float) -> Delivered:
        """Store one line; see `Channel.send`."""
        fires = bool(message.firing) and message.status is not MessageStatus.ACKNOWLEDGED
        announce(
            self._workspace,
            Announcement(
                announcement_id=f"{message.notification_id}:{'bell' if self._rings else 'line'}",
                at=self._clock(),
                text=headline(message),
                severity=message.severity if fires else "info",
                rings=self._rings and message.status is not MessageStatus.ACKNOWLEDGED,
            ),
        )
        return Delivered("stored for the consoles")


def announcements_of(workspace: "Workspace") -> "Documents[Announcement]":
    """Return the lines for the consoles."""
    return workspace.database(DATABASE).documents("announcements", Announcement, key="announcement_id")


def announce(workspace: "Workspace", line: Announcement) -> None:
    """Show a line in every attached console."""
    with workspace.database(DATABASE).transaction():
        lines = announcements_of(workspace)
        if lines.find(line.announcement_id) is not None:
            return
        lines.insert(line)
        known = lines.all()
        old = [
            each.announcement_id
            for i, each in enumerate(known)
            if i < len(known) - _KEPT or line.at - each.at > _KEPT_FOR
        ]
        if old:
            lines.remove_all(old)
