"""Any other service, by an address of the library apprise."""

import io
import logging
import threading
from typing import ClassVar

from core.alerts.delivery.channel import Delivered
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.message import AlertMessage
from core.alerts.delivery.secret import Secret, Secrets
from core.alerts.delivery.wording import headline, plain_text
from core.escape import escaped


class AppriseChannel:
    """Sends title and text; not every service recognises a repetition, so it says that it may be one."""

    kind: ClassVar[str] = "apprise"
    can_deduplicate: ClassVar[bool] = False
    tracks_incidents: ClassVar[bool] = False

    def __init__(self, url: Secret, secrets: Secrets, place: str) -> None:
        """Prepare to send.

        Args:
            url: The address.
            secrets: Hides it.
            place: Where it is configured.

        Raises:
            DeliveryError: The address is none of apprise.
        """
        self._url = url
        self._secrets = secrets
        self._place = place
        self._schema = url.reveal().partition("://")[0]
        if url.is_known and ("://" not in url.reveal() or not self._schema.isalnum()):
            raise DeliveryError(f"{place}: the address for apprise must begin with a service, as in ntfys://….")

    @property
    def addressee(self) -> str:
        """The service; the rest of the address is a secret."""
        return f"{self._schema} (apprise)"

    def require_known(self) -> None:
        """Require that apprise can make a service of the address; nothing is sent.

        Raises:
            DeliveryError: It cannot.
        """
        import apprise

        if self._url.is_known and apprise.Apprise.instantiate(self._url.reveal(), suppress_exceptions=True) is None:
            raise DeliveryError(f"{self._place}: apprise does not know this address of {self._schema}.")

    def send(self, message: AlertMessage, *, timeout_seconds: float) -> Delivered:
        """Send title and text; see `Channel.send`."""
        outcome: list[DeliveryError | None] = []
        # The limits of apprise are those of each socket: beyond them, this thread alone is left behind.
        thread = threading.Thread(target=lambda: outcome.append(self._notify(message)), name="apprise", daemon=True)
        thread.start()
        thread.join(timeout_seconds)
        if thread.is_alive() or not outcome:
            raise DeliveryError(f"{self._schema} did not answer within {timeout_seconds:g} s.")
        if outcome[0] is not None:
            raise outcome[0]
        return Delivered(f"accepted by {self._schema}")

    def _notify(self, message: AlertMessage) -> DeliveryError | None:
        import apprise

        said = io.StringIO()
        logger = logging.Logger("apprise", logging.INFO)  # of this message alone: others are sent at the same time
        logger.addHandler(logging.StreamHandler(said))
        # Its log lines may hold parts of the address: they go nowhere but into the error, from which secrets are taken.
        shared = logging.getLogger("apprise")
        shared.propagate = False
        if not shared.handlers:
            shared.addHandler(logging.NullHandler())
        try:
            # Without redirects: the next server would get the text, and headers with a token.
            asset = apprise.AppriseAsset(async_mode=False, secure_logging=True, http_redirects=False)
            sender = apprise.Apprise(asset=asset)
            if not sender.add(self._url.reveal()):
                return DeliveryError(f"{self._place}: apprise does not know this address of {self._schema}.")
            for service in sender:
                service.logger = logger
            kinds = {"critical": apprise.NotifyType.FAILURE, "warning": apprise.NotifyType.WARNING}
            kind = kinds.get(message.severity, apprise.NotifyType.INFO)
            is_sent = sender.notify(
                title=headline(message),
                body=plain_text(message),
                notify_type=kind if message.firing else apprise.NotifyType.SUCCESS,
                body_format=apprise.NotifyFormat.TEXT,
            )
        except Exception as error:  # the code of a service may raise anything
            return DeliveryError(f"{self._schema} failed: {self._shown(str(error) or type(error).__name__)}.")
        if is_sent:
            return None
        return DeliveryError(f"{self._schema} was not reached: {self._shown(said.getvalue())}")

    def _shown(self, text: str) -> str:
        return self._secrets.hide(escaped(" ".join(text.split())))[:200]
