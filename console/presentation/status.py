"""The top line: the workspace, the holder of the engine, whether writes are armed, alerts, the time."""

import socket
from datetime import datetime
from typing import Literal

import msgspec

from console.presentation.alerts import counts
from console.presentation.phrases import age, clock
from console.presentation.write_access import WriteAccess
from core.view.snapshot import Snapshot
from widgets.status_line import Status

HOST = socket.gethostname().partition(".")[0]


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of the top line that no snapshot has."""

    now: datetime
    standing: WriteAccess
    frozen_at: datetime | None = None
    is_past: bool = False
    """Whether `frozen_at` is a moment of the recorded past rather than a frozen present."""
    is_blind: bool = False
    """Whether recent polls of the workspace have failed."""


def status_of(snapshot: Snapshot, around: Circumstances) -> Status:
    """Put the top line into words."""
    engine = snapshot.engine
    severities = counts(snapshot.alerts)
    frozen = "state unreadable" if around.is_blind else ""
    if around.frozen_at:
        frozen = f"past {around.frozen_at:%H:%M:%S} UTC" if around.is_past else f"frozen at {clock(around.frozen_at)}"
    return Status(
        host=HOST,
        workspace=snapshot.workspace.name,
        engine=_engine(snapshot),
        holder=f"{engine.user}@{engine.host.partition('.')[0]}" if engine else "",
        engine_age=age(engine.silent_since or engine.acquired_at, around.frozen_at or around.now) if engine else "",
        armed=around.standing.armed and not around.is_past,
        n_critical=severities["critical"],
        n_warning=severities["warning"],
        n_info=severities["info"],
        knows_alerts="alerts" not in snapshot.unread,
        clock=clock(around.now),
        frozen=frozen,
    )


def _engine(snapshot: Snapshot) -> Literal["unread", "none", "silent", "embedded", "headless"]:
    if "engine" in snapshot.unread:
        return "unread"
    if snapshot.engine is None:
        return "none"
    if snapshot.engine.silent_since is not None:
        return "silent"
    return "headless" if snapshot.engine.mode == "headless" else "embedded"
