"""A generic webhook: Alertmanager's JSON, so that receivers written for it work unchanged."""

from collections.abc import Mapping
from typing import Any, ClassVar

from core.alerts.delivery.channel import Delivered
from core.alerts.delivery.channels.alertmanager_json import webhook_document
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.http import HttpOptions, post_json
from core.alerts.delivery.message import AlertMessage
from core.alerts.delivery.secret import Secrets


class WebhookChannel:
    """Posts the document; `Idempotency-Key` names the notification, so that a receiver can drop a repetition."""

    kind: ClassVar[str] = "webhook"
    can_deduplicate: ClassVar[bool] = True
    tracks_incidents: ClassVar[bool] = False
    addressee = "webhook"

    def __init__(self, fields: Mapping[str, Any], secrets: Secrets, place: str) -> None:
        """Read the block `webhook_configs`.

        Raises:
            DeliveryError: There is no address, or a secret cannot be read.
        """
        url = secrets.address(fields, "url", is_secret=False)
        if url is None:
            raise DeliveryError(f"{place}: a webhook needs url or url_file.")
        self._url = url
        self._secrets = secrets
        self._options = HttpOptions.of(fields.get("http_config") or {}, secrets, place)
        self._most_alerts = int(fields.get("max_alerts") or 0)

    def send(self, message: AlertMessage, *, timeout_seconds: float) -> Delivered:
        """Post the message; see `Channel.send`."""
        reply = post_json(
            self._url,
            webhook_document(message, most_alerts=self._most_alerts),
            secrets=self._secrets,
            timeout_seconds=timeout_seconds,
            options=self._options,
            headers={"idempotency-key": message.notification_id},
        )
        return Delivered(f"HTTP {reply.status}")
