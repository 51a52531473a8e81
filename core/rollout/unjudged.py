"""What a rollout did not judge: said before it starts, while it runs, and when its candidate goes live."""

from collections.abc import Sequence

import msgspec

from core.rollout.plan import Guard, GuardSource, RolloutPlan
from core.rollout.readings import GuardReading, GuardVerdict


class NotJudged(msgspec.Struct, frozen=True, kw_only=True):
    """One thing by which the candidate was not judged, and why."""

    what: str  # "loss" or "latency", or the name of a guard
    reason: str

    def __str__(self) -> str:
        return f"{self.what} ({self.reason})"


class LossOrigins(msgspec.Struct, frozen=True, kw_only=True):
    """Where the losses of a rollout came from."""

    n_computed: int = 0  # from actual values
    n_reported: int = 0  # by the caller

    @property
    def note(self) -> str:
        """A note on losses that callers computed; empty if there are none."""
        if not self.n_reported:
            return ""
        n = self.n_computed + self.n_reported
        if not self.n_computed:
            return f"all {n:,} losses were computed by callers"
        return f"mixed: {self.n_reported:,} of {n:,} losses were computed by callers"


def not_judged(plan: RolloutPlan, readings: Sequence[GuardReading] | None = None) -> tuple[NotJudged, ...]:
    """List what a rollout does not judge.

    Args:
        plan: The plan.
        readings: The readings of its guards so far; None before the start.
    """
    found = []
    if plan.loss_guard is None:
        found.append(NotJudged(what="loss", reason="after a switch there is nothing to compare with"))
    if not plan.judges_latency:
        reason = "no limit is set, and the stable version has answered too few requests to derive one"
        found.append(NotJudged(what="latency", reason=reason))
    by_guard = {reading.guard: reading for reading in readings or ()}
    for guard in plan.guards if readings is not None else ():
        why = _why_open(guard, by_guard.get(guard.name))
        if why is not None:
            found.append(NotJudged(what=guard.name, reason=why))
    loss = plan.loss_guard
    if readings is None and loss is not None and not loss.required and plan.outcomes_come is False:
        found.append(NotJudged(what="loss", reason="unless outcomes come; lately none did"))
    return tuple(found)


def in_a_line(found: Sequence[NotJudged]) -> str:
    """Spell what was not judged in one line; empty if everything was."""
    return f"Not judged: {', '.join(map(str, found))}." if found else ""


def _why_open(guard: Guard, reading: GuardReading | None) -> str | None:
    """Return why a guard says nothing about the candidate; None if it does."""
    outcomes = guard.source in (GuardSource.LOSS, GuardSource.POOR)
    what = "outcomes" if outcomes else "answers"
    if reading is None:
        return f"no {what} came"
    if reading.verdict is GuardVerdict.NO_DATA:
        n = min(reading.n_stable, reading.n_candidate)
        return f"too few {what} of both versions came" if n else f"no {what} came"
    if reading.verdict is GuardVerdict.UNDECIDED and not reading.required:
        return "not shown to be within its margin"
    return None
