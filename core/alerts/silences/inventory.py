"""The inventory of silences: when each ends, and what it hides now."""

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from core.alerts.alerts import Alerts
from core.alerts.silences.silences import Silences
from core.clock import Clock, utc_now

if TYPE_CHECKING:
    from core.state import Workspace


class ListedSilence(msgspec.Struct, frozen=True, kw_only=True):
    """One silence as people read it."""

    silence_id: str
    state: str  # pending, active, expired
    matchers: str
    comment: str
    created_by: str
    created_at: datetime
    starts_at: datetime
    ends_at: datetime
    expired_by: str | None
    n_hidden: int  # open alerts that it hides now; 0 while it is not active
    hidden: list[str]  # their fingerprints


def inventory(workspace: "Workspace", *, expired: bool = False, clock: Clock = utc_now) -> list[ListedSilence]:
    """List the silences, the next to end first.

    Args:
        workspace: The workspace.
        expired: Whether those that are over are listed, too.
        clock: The time.
    """
    now, open_alerts = clock(), Alerts(workspace).open()
    found: list[ListedSilence] = []
    for silence in Silences(workspace, clock=clock).all():
        if silence.is_over(now) and not expired:
            continue
        hidden = [alert.fingerprint for alert in open_alerts if silence.is_active(now) and silence.hides(alert)]
        found.append(
            ListedSilence(
                silence_id=silence.silence_id,
                state=silence.state(now),
                matchers=silence.matcher_text,
                comment=silence.comment,
                created_by=silence.created_by,
                created_at=silence.created_at,
                starts_at=silence.starts_at,
                ends_at=silence.ends_at,
                expired_by=silence.expired_by,
                n_hidden=len(hidden),
                hidden=hidden,
            )
        )
    return found
