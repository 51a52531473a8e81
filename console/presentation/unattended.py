"""What waits or is not judged because no engine works, and the cure that the operator has here."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from console.presentation.keys import with_keys
from console.presentation.phrases import instant
from core.view.snapshot import NO_ENGINE, SILENT_ENGINE

if TYPE_CHECKING:
    from core.rollout import Rollout
    from core.view.snapshot import Snapshot

_BRIEF = {NO_ENGINE: "no engine", SILENT_ENGINE: "engine silent"}
_STARTS_HERE = "{console.command}engine starts an engine"
_STARTS_ELSEWHERE = "bondx run --headless starts one"
"""Of a console that may not start an engine itself, and of a reader without a console."""


def brief_absence(absence: str) -> str:
    """Say in two words why no engine works.

    >>> brief_absence(NO_ENGINE)
    'no engine'
    """
    return _BRIEF[absence]


def cure(*, starts_here: bool) -> str:
    """Say how an engine is started: by this console, or by a command elsewhere."""
    return with_keys(_STARTS_HERE) if starts_here else _STARTS_ELSEWHERE


class Unattended(msgspec.Struct, frozen=True):
    """What no engine attends to, and the same where there is little room."""

    told: str
    brief: str


def unattended(snapshot: "Snapshot", *, starts_here: bool = True) -> Unattended | None:
    """Say what is not judged and what waits because no engine works, and the cure; None where nothing needs one.

    Args:
        snapshot: The workspace.
        starts_here: Whether this console may start an engine.
    """
    told = _told(snapshot, starts_here=starts_here)
    return Unattended(told, _in_brief(snapshot, starts_here=starts_here)) if told else None


def _told(snapshot: "Snapshot", *, starts_here: bool) -> str:
    absence, unjudged = snapshot.absence, snapshot.unjudged
    if absence is None:
        return ""
    told = []
    if unjudged:
        told.append(f"{_named(unjudged)} {'is' if len(unjudged) == 1 else 'are'} not judged: {_BRIEF[absence]}")
    if snapshot.engine is not None:
        return "; ".join([*told, snapshot.engine.silence or absence])
    waiting = [session.session_id for session in snapshot.sessions if session.wants_work]
    if waiting:
        for_it = "" if unjudged else " for an engine"
        told.append(f"{', '.join(waiting)} {'waits' if len(waiting) == 1 else 'wait'}{for_it}")
    if of_the_past := _alerts_of_the_past(snapshot):
        told.append(of_the_past if told else f"{absence}: {of_the_past}")
    return "; ".join([*told, cure(starts_here=starts_here)]) if told else ""


def _alerts_of_the_past(snapshot: "Snapshot") -> str:
    """Say until when the open alerts were evaluated: they stand here as if they were present."""
    if not any(alert.state.is_open for alert in snapshot.alerts):
        return ""
    at = snapshot.checked_until
    return f"alerts as of {instant(at)}" if at else "alerts are not evaluated"


def _in_brief(snapshot: "Snapshot", *, starts_here: bool) -> str:
    """Name the rollout that nobody judges before all else."""
    if snapshot.unjudged:
        rollout, *others = snapshot.unjudged
        more = f", {len(others)} more" if others else ""
        return f"not judged: {rollout.model} {rollout.candidate} at {_share(rollout)}{more}"
    if (holder := snapshot.engine) is not None:
        return f"silent; kill -CONT {holder.pid} wakes it, kill {holder.pid} ends it"
    if of_the_past := _alerts_of_the_past(snapshot):
        return f"no engine: {of_the_past}"
    return f"work waits; {cure(starts_here=starts_here)}"


def advice(*, starts_here: bool) -> str:
    """Say what it means that no engine runs, and what starts one."""
    meaning = "Sessions wait. Rollouts are neither judged nor rolled back. Alerts neither fire nor resolve."
    elsewhere = "bondx run --headless --no-session"
    if not starts_here:
        return f"{meaning} This console may start none: run {elsewhere} elsewhere."
    return f"{meaning} {with_keys(_STARTS_HERE)} in this console; {elsewhere} starts an engine that outlives it."


def _named(rollouts: "Sequence[Rollout]") -> str:
    from console.presentation.rollouts import words

    first, *others = rollouts
    more = f" and {len(others)} more" if others else ""
    return f"{words(first.strategy)} of {first.model} {first.candidate} at {_share(first)}{more}"


def _share(rollout: "Rollout") -> str:
    from console.presentation.phrases import share
    from console.presentation.rollouts import share_set

    return share(share_set(rollout), 0)
