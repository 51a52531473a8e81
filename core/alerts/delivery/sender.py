"""Sending: one thread for each receiver that has something to send, so that a slow receiver delays no other."""

import logging
import random
import threading
from collections.abc import Callable
from typing import Final

from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.outbox import Outbox
from core.alerts.delivery.receivers import ConfiguredChannel, Receivers
from core.alerts.delivery.records import ChannelHealth, Delivery
from core.errors import CoreError

log = logging.getLogger(__name__)

FAILED_RULE: Final = "notification_failed"


class Sender:
    """Sends what is due, and moves messages from a dead channel to the next one."""

    def __init__(
        self,
        outbox: Outbox,
        receivers: Callable[[], Receivers],
        *,
        timeout_seconds: Callable[[], float],
        on_progress: Callable[[], None] = lambda: None,
        share: Callable[[], float] = lambda: random.uniform(0.5, 1.0),
    ) -> None:
        """Prepare; nothing is sent before `start_due`.

        Args:
            outbox: What is to be sent.
            receivers: Returns the receivers as configured now.
            timeout_seconds: Returns how long one attempt may take.
            on_progress: Called from a thread after each attempt.
            share: A random share of the waits.
        """
        self._outbox = outbox
        self._receivers = receivers
        self._timeout_seconds = timeout_seconds
        self._on_progress = on_progress
        self._share = share
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self._stopping = threading.Event()

    def start_due(self) -> None:
        """Start a thread for each receiver with a message that can be sent now and no thread yet."""
        with self._lock:
            self._threads = {name: thread for name, thread in self._threads.items() if thread.is_alive()}
            if self._stopping.is_set():
                return
            for receiver in {delivery.receiver for delivery in self._outbox.due()} - set(self._threads):
                thread = threading.Thread(
                    target=self._send_all, args=(receiver,), name=f"notify-{receiver}", daemon=True
                )
                self._threads[receiver] = thread
                thread.start()

    def stop(self, wait_seconds: float) -> None:
        """Begin no further attempt, and wait a while for those that are under way.

        An attempt that takes longer is left behind: its result is noted if it comes, or else it is repeated.
        """
        self._stopping.set()
        with self._lock:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(wait_seconds / max(1, len(threads)))

    def _send_all(self, receiver: str) -> None:
        try:
            while not self._stopping.is_set():
                due = self._outbox.due((receiver,))
                if not due:
                    return
                for delivery in due:
                    if self._stopping.is_set():
                        return
                    self.send(delivery)
                    self._on_progress()
        except (CoreError, OSError) as error:  # of the state files; the notifier tries again
            log.error("notifications to %s: %s", receiver, error)

    def send(self, delivery: Delivery) -> bool:
        """Make one attempt; return whether the message was delivered."""
        receivers = self._receivers()
        configured = receivers.find(delivery.channel)
        begun = self._outbox.begin(delivery)
        if begun is None or begun.message is None:
            return False
        if configured is None:
            gone = DeliveryError(f"There is no channel {delivery.channel} any more.", is_permanent=True)
            self._outbox.fail(begun, gone)
            return False
        try:
            channel = configured.make()
            message = begun.message
            delivered = channel.send(message, timeout_seconds=self._timeout_seconds())
            addressee = channel.addressee
        except DeliveryError as error:
            self._fail(begun, error, receivers)
            return False
        except Exception as error:  # a defect of a channel must not stop the other messages
            log.exception("the channel %s failed", delivery.channel)
            self._fail(begun, DeliveryError(f"The channel failed ({type(error).__name__})."), receivers)
            return False
        self._outbox.succeed(begun, delivered, addressee)
        return True

    def _fail(self, begun: Delivery, error: DeliveryError, receivers: Receivers) -> None:
        log.warning("%s did not get %s: %s", begun.channel, begun.notification_id, error)
        after = self._outbox.fail(begun, error, share=self._share())
        health = self._outbox.health().get(begun.channel)
        if begun.alternatives and (not after.state.is_pending or (health is not None and health.is_open)):
            self.hand_over(begun, receivers)

    def hand_over(self, delivery: Delivery, receivers: Receivers) -> None:
        """Let the next channel that works take over."""
        health = self._outbox.health()
        for name in delivery.alternatives:
            candidate = receivers.find(name)
            if candidate is not None and not is_dead(health.get(name)):
                log.warning("%s takes over from %s", name, delivery.channel)
                self._outbox.hand_over(delivery, candidate.target)
                return


def is_dead(health: ChannelHealth | None) -> bool:
    """Whether the breaker of a channel is open."""
    return health is not None and health.is_open


def working(channels: "tuple[ConfiguredChannel, ...]", health: dict[str, ChannelHealth]) -> list[ConfiguredChannel]:
    """Return channels in the order in which they are tried: those that work first."""
    return sorted(channels, key=lambda each: is_dead(health.get(each.target.channel)))
