"""The top line: the workspace, the holder of the engine, whether writes are armed, alerts, the time."""

import os
import socket
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from console.presentation.alerts import counts
from console.presentation.phrases import age, clock, instant
from console.presentation.write_access import WriteAccess
from core.alerts import AlertState
from core.view.snapshot import Snapshot
from widgets.status_line import Status

if TYPE_CHECKING:
    from core.actor import Actor
    from core.state import LeaseHolder

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
        follows=snapshot.follows,
        holder=f"{engine.user}@{engine.host.partition('.')[0]}" if engine else "",
        engine_age=age(engine.silent_since or engine.acquired_at, around.frozen_at or around.now) if engine else "",
        pid=engine.pid if engine and not is_here(engine) else None,
        armed=around.standing.armed and not around.is_past,
        n_critical=severities["critical"] + bool(snapshot.unwritable),
        n_warning=severities["warning"],
        n_info=severities["info"],
        n_acknowledged=sum(alert.state is AlertState.ACKNOWLEDGED for alert in snapshot.alerts),
        knows_alerts="alerts" not in snapshot.unread | snapshot.unreadable and not around.is_blind,
        clock=clock(around.now),
        frozen=frozen,
    )


def is_here(holder: "LeaseHolder") -> bool:
    """Whether the engine runs inside this console."""
    return holder.mode == "embedded" and holder.pid == os.getpid() and holder.host.partition(".")[0] == HOST


def attached_to(holder: "LeaseHolder") -> str:
    """Say to which engine a console attaches: what it is, whose, where, its process, and since when.

    >>> from core.state import LeaseHolder
    >>> at = datetime(2026, 3, 2, 3, 4)
    >>> attached_to(LeaseHolder(user="mira", host="desk-4", pid=4711, mode="headless", acquired_at=at))
    'Attached to the running engine: headless, mira@desk-4, pid 4711, since 2026-03-02 03:04 UTC.'
    """
    where = "headless" if holder.mode == "headless" else "in another console"
    whose = f"{holder.user}@{holder.host.partition('.')[0]}"
    if holder.silence is not None:
        return f"Nothing is at work: {holder.silence}."
    return f"Attached to the running engine: {where}, {whose}, pid {holder.pid}, since {instant(holder.acquired_at)}."


def whose_console(actor: "Actor") -> str:
    """Say for whom a console acts that runs as another account."""
    return f"You are {actor.name} here, by the roles of your account; :whoami shows them."


NO_FILES = (
    "An attached console reads and writes no files: it runs as the account that owns the workspace. Copy with y, or "
    "ask the control API at serving.socket."
)
NO_ENGINE = (
    "An attached console starts no engine: it runs as the account that owns the workspace. Ask its owner for one."
)


def _engine(snapshot: Snapshot) -> Literal["unread", "none", "replica", "silent", "here", "headless", "console"]:
    if "engine" in snapshot.unread:
        return "unread"
    if snapshot.engine is None:
        return "replica" if snapshot.follows else "none"
    if snapshot.engine.silent_since is not None:
        return "silent"
    if snapshot.engine.mode == "headless":
        return "headless"
    return "here" if is_here(snapshot.engine) else "console"
