"""What a rollout did not judge: said before it starts, while it runs, and when its candidate goes live."""

from collections.abc import Sequence

import msgspec

from core.rollout.experiment import Winner, decide
from core.rollout.plan import Guard, RolloutPlan
from core.rollout.readings import GuardReading, GuardVerdict
from core.rollout.slices import MISSING
from core.rollout.strategies import Strategy


class NotJudged(msgspec.Struct, frozen=True, kw_only=True):
    """One thing by which the candidate was not judged, and why."""

    what: str  # "loss" or "latency", or the name of a guard, of a check, of a slice column or of one of its levels
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


def not_judged(
    plan: RolloutPlan, readings: Sequence[GuardReading] | None = None, slices: Sequence[GuardReading] = ()
) -> tuple[NotJudged, ...]:
    """List what a rollout does not judge, or has not shown so far.

    Args:
        plan: The plan.
        readings: The readings of its guards and checks so far; None before the start.
        slices: The readings of the levels of its slices so far.
    """
    found = []
    if plan.texts is not None and plan.texts.why_no_facts:
        found.append(NotJudged(what="facts", reason=plan.texts.why_no_facts))
    if plan.loss_guard is None and plan.texts is None:
        found.append(NotJudged(what="loss", reason="after a switch there is nothing to compare with"))
    if not plan.judges_latency:
        reason = "no limit is set, and the stable version has answered too few requests to derive one"
        found.append(NotJudged(what="latency", reason=reason))
    by_guard = {reading.guard: reading for reading in readings or ()}
    for guard in plan.guards if readings is not None else ():
        why = _why_open(plan, guard, by_guard.get(guard.name))
        if why is not None:
            found.append(NotJudged(what=guard.name, reason=why))
    found += _open_checks(readings or ())
    if readings is not None:
        found += _open_slices(plan, slices)
    loss = plan.loss_guard
    if readings is None and loss is not None and not loss.required and plan.outcomes_come is False:
        found.append(NotJudged(what="loss", reason="unless outcomes come; lately none did"))
    return tuple(found)


def in_a_line(found: Sequence[NotJudged]) -> str:
    """Spell what was not judged in one line; empty if everything was."""
    return f"Not judged: {', '.join(map(str, found))}." if found else ""


def _why_open(plan: RolloutPlan, guard: Guard, reading: GuardReading | None) -> str | None:
    """Return why a guard has not shown the candidate to be safe or harmful; None if it has."""
    what = "outcomes" if guard.source.needs_outcomes else "answers"
    if reading is None:
        return f"no {what} came"
    if reading.verdict is GuardVerdict.NO_DATA and guard.source.is_of_texts:
        return _without_name(reading)
    if reading.verdict is GuardVerdict.NO_DATA:
        n = min(reading.n_stable, reading.n_candidate)
        return f"too few {what} of both versions came" if n else f"no {what} came"
    if reading.verdict in (GuardVerdict.SAFE, GuardVerdict.HARMFUL):
        return None
    decides = plan.strategy is Strategy.AB and guard.name == plan.primary
    if decides and decide(reading, guard.margin).winner is not Winner.UNDECIDED:
        return None
    return _without_name(reading)


def _open_checks(readings: Sequence[GuardReading]) -> list[NotJudged]:
    """List the checks that keep the arms from being compared."""
    return [
        NotJudged(what=reading.guard, reason=_without_name(reading))
        for reading in readings
        if reading.is_check and reading.verdict in (GuardVerdict.UNEVEN, GuardVerdict.SUSPECT)
    ]


def _open_slices(plan: RolloutPlan, readings: Sequence[GuardReading]) -> list[NotJudged]:
    """List the slices without a level that both versions answered, and the levels under suspicion."""
    found = []
    for guard in plan.sliced_guards:
        judged = {
            reading.slice.column
            for reading in readings
            if reading.slice is not None
            and reading.guard == f"{guard.name} {reading.slice}"
            and reading.slice.level != MISSING
            and min(reading.n_stable, reading.n_candidate)
        }
        what = "outcomes" if guard.source.needs_outcomes else "requests"
        found += [
            NotJudged(what=f"{guard.name} by {each.column}", reason=f"no {what} with a value of it for both versions")
            for each in plan.slices
            if each.column not in judged
        ]
    found += [
        NotJudged(what=reading.guard, reason=_without_name(reading))
        for reading in readings
        if reading.verdict is GuardVerdict.SUSPECT
    ]
    return found


def _without_name(reading: GuardReading) -> str:
    return reading.reason.removeprefix(f"{reading.guard}: ")
