"""Keeps existing Alertmanagers informed: each in a thread of its own, each minute and at every change.

Alerts that came from elsewhere are not posted: an Alertmanager has them from their own sender, and two BondX servers
that post to each other would keep them firing for ever.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from core.alerts.alert import Alert, AlertState
from core.alerts.delivery.channels.alertmanager import RESEND, RESOLVED_FOR, post_alerts
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.message import NotifiedAlert
from core.alerts.delivery.outbox import ChannelTarget, Outbox
from core.errors import CoreError
from core.escape import escaped

log = logging.getLogger(__name__)

RECEIVER: Final = "alertmanagers"


class AlertmanagerFeed:
    """Posts to every address of `alerts.alertmanagers`; an address that does not answer delays no other."""

    def __init__(
        self, outbox: Outbox, *, clock: Callable[[], datetime], on_progress: Callable[[], None] = lambda: None
    ) -> None:
        """Prepare; nothing is posted before `post`.

        Args:
            outbox: Keeps the health of each address.
            clock: The time.
            on_progress: Called from a thread after each post: what changed meanwhile can be posted.
        """
        self._on_progress = on_progress
        self._outbox = outbox
        self._clock = clock
        self._posted: dict[str, tuple[datetime, frozenset[tuple[str, str, int]]]] = {}
        self._busy: set[str] = set()

    def post(
        self,
        addresses: Sequence[str],
        alerts: Sequence[Alert],
        in_words: Callable[[Alert], NotifiedAlert],
        *,
        timeout_seconds: float,
    ) -> datetime | None:
        """Post what is due: our own alerts, and none that another server sent here.

        Args:
            addresses: The Alertmanagers.
            alerts: Every alert.
            in_words: Puts one into words.
            timeout_seconds: How long a request may take.

        Returns:
            When the next post is due; None without an address.
        """
        if not addresses:
            return None
        now = self._clock()
        own = [alert for alert in alerts if not alert.is_external]
        told = [alert for alert in own if alert.state.is_open or _ended_lately(alert, now)]
        states = frozenset((alert.fingerprint, _told_state(alert), alert.n_fired) for alert in told)
        for address in addresses:
            last_at, last_states = self._posted.get(address, (None, frozenset()))
            is_due = last_at is None or now - last_at >= RESEND or now < last_at or states != last_states
            if not is_due or address in self._busy:
                continue
            self._busy.add(address)
            self._posted[address] = (now, states)
            words = [in_words(alert) for alert in told]
            threading.Thread(
                target=self._post, args=(address, words, timeout_seconds), name="alertmanager", daemon=True
            ).start()
        return now + RESEND

    def _post(self, address: str, alerts: list[NotifiedAlert], timeout_seconds: float) -> None:
        target = target_of(address)
        try:
            health = self._outbox.health().get(target.channel)
            try:
                post_alerts(address, alerts, now=self._clock(), timeout_seconds=timeout_seconds)
            except DeliveryError as error:
                log.warning("%s: %s", target.channel, error)
                self._outbox.note_failure(target, error)
                self._posted.pop(address, None)
                return
            if health is None or health.n_failures:  # it is posted to each minute: only news is written
                self._outbox.note_success(target)
        except (CoreError, OSError) as error:
            log.error("%s: %s", target.channel, error)
        finally:
            self._busy.discard(address)
            self._on_progress()


def target_of(address: str) -> ChannelTarget:
    """Return an Alertmanager as a channel, named by its host and port."""
    try:
        found = urlsplit(address)
        name = f"{found.hostname}:{found.port}" if found.port else str(found.hostname)
    except ValueError:
        name = "an invalid address"
    return ChannelTarget(RECEIVER, f"{RECEIVER}/{escaped(name)}", "alertmanager", escaped(name))


def _ended_lately(alert: Alert, now: datetime) -> bool:
    return alert.state is AlertState.RESOLVED and now - (alert.resolved_at or alert.last_at) <= RESOLVED_FOR


def _told_state(alert: Alert) -> str:
    return "open" if alert.state.is_open else "ended"
