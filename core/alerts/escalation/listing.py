"""The people on call, as a list: who now, until when, and who is next."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from core.alerts.escalation.rotation import next_duty, on_call
from core.settings.alert_escalation import RotationSettings


class RotationDuty(msgspec.Struct, frozen=True, kw_only=True):
    """Who is on call in one rotation at an instant."""

    rotation: str
    at: datetime
    receiver: str | None  # None: nobody is
    until: datetime | None  # None: nobody else takes over
    is_override: bool
    next_receiver: str | None
    next_at: datetime | None
    time_zone: str


def duties(rotations: Mapping[str, RotationSettings], at: datetime) -> list[RotationDuty]:
    """List who is on call in each rotation.

    Args:
        rotations: The rotations of `alerts.oncall`.
        at: The instant.
    """
    found = []
    for name, rotation in rotations.items():
        now, coming = on_call(rotation, at), next_duty(rotation, at)
        found.append(
            RotationDuty(
                rotation=name,
                at=at,
                receiver=now.receiver if now else None,
                until=now.ends_at if now else None,
                is_override=bool(now and now.is_override),
                next_receiver=coming[1].receiver if coming else None,
                next_at=coming[0] if coming else None,
                time_zone=rotation.time_zone,
            )
        )
    return found
