from collections.abc import Iterator

import pytest

from core.alerts.delivery.outbox import Outbox
from core.alerts.delivery.receivers import Receivers
from core.alerts.delivery.sender import Sender
from tests.alert_receivers import HttpReceiver, http_receiver
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture
def http() -> Iterator[HttpReceiver]:
    """A receiver that answers as told."""
    with http_receiver() as receiver:
        yield receiver


@pytest.fixture
def outbox(workspace, clock) -> Outbox:
    return Outbox(workspace, clock=clock)


@pytest.fixture
def sender_of(outbox):
    """Return a sender over receivers, whose waits are not random."""

    def sender_of(receivers: Receivers, timeout_seconds: float = PATIENCE_SECONDS) -> Sender:
        return Sender(outbox, lambda: receivers, timeout_seconds=lambda: timeout_seconds, share=lambda: 1.0)

    return sender_of
