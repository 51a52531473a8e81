"""The parts of the `alerts` block that say how notifications leave."""

from typing import Annotated

import msgspec
from msgspec import Meta

from core.settings.names import Name

MOST_CHANNELS = 20

ChannelAddress = Annotated[
    str,
    Meta(
        pattern=r"^(console:|bell:|tmux:|apprise:\S)",
        extra={
            "form_of_text": "expected console:, bell:, tmux:, apprise:${VARIABLE} or apprise:/PATH of a private file",
            "holds_secrets": True,
        },
    ),
]
WebAddress = Annotated[
    str,
    Meta(
        pattern=r"^https?://\S+$",
        extra={"form_of_text": "expected an address such as http://alertmanager:9093", "holds_secrets": True},
    ),
]


class HeartbeatSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A notification that comes as long as alerts can reach anyone: its absence is the alarm."""

    receiver: Annotated[Name, Meta(description="The receiver of the heartbeat notification.")]
    interval_seconds: Annotated[
        float, Meta(ge=10, le=86_400, description="Seconds between two heartbeat notifications.")
    ] = 300.0


class DeliverySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How messages are sent, retried, and moved to another channel."""

    timeout_seconds: Annotated[
        float, Meta(gt=0, le=120, description="How long one attempt to send a message may take in all.")
    ] = 10.0
    retry_hours: Annotated[
        float, Meta(gt=0, le=720, description="After this long, a message that cannot be delivered is given up.")
    ] = 24.0
    fallover: Annotated[
        list[Name],
        Meta(
            description="Receivers whose channels replace each other: the first is used, and the next only while the "
            'one before is dead. "*" stands for every receiver. All channels of the other receivers are used.'
        ),
    ] = []
