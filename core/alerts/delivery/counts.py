"""How many notifications each receiver got, and how many wait or failed."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from core.alerts.delivery.records import ChannelHealth, Delivery


class ReceiverCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The notifications of one receiver, over all of its channels."""

    receiver: str
    n_delivered: int
    n_failed: int  # attempts
    n_waiting: int
    n_dead: int  # channels whose breaker is open


def receiver_counts(channels: Iterable[ChannelHealth], pending: Iterable[Delivery]) -> list[ReceiverCounts]:
    """Add up what is known of channels, by receiver.

    Args:
        channels: Every channel that was ever used.
        pending: What is still to be sent.
    """
    delivered: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    dead: Counter[str] = Counter()
    for channel in channels:
        delivered[channel.receiver] += channel.n_delivered
        failed[channel.receiver] += channel.n_failed
        dead[channel.receiver] += channel.is_open
    waiting = Counter(delivery.receiver for delivery in pending)
    return [
        ReceiverCounts(
            receiver=receiver,
            n_delivered=delivered[receiver],
            n_failed=failed[receiver],
            n_waiting=waiting[receiver],
            n_dead=dead[receiver],
        )
        for receiver in sorted({*delivered, *waiting})
    ]
