"""The breaker of a channel: after some failures it lets one attempt through now and then, until one succeeds."""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from core.alerts.delivery.records import ChannelHealth
from core.backoff import BackOff

OPENS_AFTER: Final = 3
RETRY: Final = BackOff(first_seconds=2.0, factor=2.0, most_seconds=60.0)
"""Waits between attempts, of one message and of an open breaker: a channel that recovers is used within a minute."""


def after_success(health: ChannelHealth, now: datetime) -> ChannelHealth:
    """Return the health of a channel that delivered a message: its breaker closes."""
    return replace(
        health,
        n_failures=0,
        is_open=False,
        opened_at=None,
        retry_at=None,
        last_delivered_at=now,
        last_error="",
        has_lost=False,
        n_delivered=health.n_delivered + 1,
    )


def after_failure(
    health: ChannelHealth,
    now: datetime,
    problem: str,
    *,
    retry_after: float | None = None,
    is_permanent: bool = False,
    share: float = 1.0,
) -> ChannelHealth:
    """Return the health of a channel that failed to deliver a message.

    Args:
        health: Before.
        now: The time.
        problem: What went wrong.
        retry_after: The seconds that the other side asked to wait.
        is_permanent: Whether it refused the message for good.
        share: A random share, so that channels do not retry at the same moment.
    """
    n_failures = health.n_failures + 1
    is_open = n_failures >= OPENS_AFTER
    wait = RETRY.wait_seconds(n_failures, share) if is_open else 0.0
    wait = max(wait, retry_after or 0.0)
    return replace(
        health,
        n_failures=n_failures,
        is_open=is_open,
        opened_at=(health.opened_at or now) if is_open else None,
        retry_at=now + timedelta(seconds=wait) if wait else None,
        last_failed_at=now,
        last_error=problem,
        n_failed=health.n_failed + 1,
        has_lost=health.has_lost or is_permanent,
    )
