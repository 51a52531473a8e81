"""What is left alone for a while after failures: channels of notifications, and webhooks of the registry."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from core.errors import CoreError

if TYPE_CHECKING:
    from core.state import Workspace


class BreakerHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is left alone for a while after failures, and tried again.

    A receiver that fails leaves the workspace ready: only this receiver lacks something.
    """

    name: str
    is_open: bool
    next_at: datetime | None
    problem: str


def breakers_of(workspace: "Workspace") -> tuple[BreakerHealth, ...]:
    """Return the breakers of every channel of notifications that was used, and of every webhook.

    Args:
        workspace: The workspace.
    """
    found: list[BreakerHealth] = []
    for name, read in (("notifications", _channels), ("webhooks", _webhooks)):
        try:
            found += read(workspace)
        except (CoreError, OSError) as error:
            found.append(BreakerHealth(name=name, is_open=True, next_at=None, problem=str(error).removesuffix(".")))
    return tuple(found)


def _channels(workspace: "Workspace") -> Iterator[BreakerHealth]:
    from core.alerts.delivery.outbox import Outbox

    for health in Outbox(workspace).health().values():
        yield BreakerHealth(
            name=f"channel {health.channel}",
            is_open=health.is_open,
            next_at=health.retry_at if health.is_open else None,
            problem=health.last_error,
        )


def _webhooks(workspace: "Workspace") -> Iterator[BreakerHealth]:
    from core.webhooks import Webhooks

    webhooks = Webhooks(workspace)
    waiting = {each.webhook: each for each in webhooks.deliveries() if each.ended_at is None}  # the oldest wins
    for webhook in webhooks.all():
        delivery = waiting.get(webhook.name)
        is_open = delivery is not None and delivery.n_attempts > 0
        yield BreakerHealth(
            name=f"webhook {webhook.name}",
            is_open=is_open,
            next_at=delivery.next_at if delivery is not None and is_open else None,
            problem=delivery.problem if delivery is not None and is_open else "",
        )
