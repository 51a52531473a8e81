"""The log of notifications and the receivers over HTTP."""

from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery

from core.alerts.delivery.log import (
    NotificationLine,
    ReceiverChannel,
    notification_lines,
    notifications_of,
    receiver_channels,
)
from core.alerts.delivery.outbox import Outbox
from core.alerts.delivery.receivers import Receivers
from core.alerts.delivery.trial import send_tests
from core.alerts.routing.in_force import routing_in_force, routing_standing
from core.clock import utc_now
from core.serving.authenticator import Caller
from core.serving.control.admission import LOOK, OPERATE, Given
from core.settings import settings_in_force
from core.state import Workspace


class NotificationRoutes(Controller):
    """Notifications."""

    path = "/notifications"
    tags = ["alerts"]

    @get("/", opt=LOOK, sync_to_thread=True)
    def list_notifications(self, workspace: Given[Workspace], alert: FromQuery[str] = "") -> list[NotificationLine]:
        """List every attempt to send a notification, or only those that told of an alert."""
        return notifications_of(workspace, alert or None)

    @get("/receivers", opt=LOOK, sync_to_thread=True)
    def list_receivers(self, workspace: Given[Workspace]) -> list[ReceiverChannel]:
        """List the channels of every receiver, how each works, and what is wrong with the routing file."""
        standing = routing_standing(workspace)
        receivers = Receivers(workspace, settings_in_force(workspace.root).alerts, standing.config)
        return receiver_channels(Outbox(workspace), receivers, standing.problem)

    @post("/receivers/{receiver:str}/test", opt=OPERATE, status_code=200, sync_to_thread=True)
    def try_receiver(
        self, workspace: Given[Workspace], caller: Given[Caller], receiver: FromPath[str]
    ) -> list[NotificationLine]:
        """Send a test message to every channel of a receiver, and say what happened."""
        settings = settings_in_force(workspace.root).alerts
        sent = send_tests(
            Outbox(workspace),
            Receivers(workspace, settings, routing_in_force(workspace)),
            receiver,
            actor=caller.actor,
            clock=utc_now,
            timeout_seconds=settings.delivery.timeout_seconds,
            workspace=workspace,
        )
        return [*notification_lines([*sent])]
