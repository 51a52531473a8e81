"""Retrainings as rows, and one of them as a line of steps with their reasons, figures and costs."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from console.presentation.cells import age_cell, duration_cell
from console.presentation.keys import with_keys
from console.presentation.phrases import NOTHING, counted, duration, instant, number
from core.retraining.document import (
    DesiredRetraining,
    Retraining,
    RetrainingPhase,
    RetrainingStep,
    StepState,
    in_words,
)
from widgets.columns import Column
from widgets.glyphs import Glyphs
from widgets.line import Line, Span, section
from widgets.rows import Cell, Row

if TYPE_CHECKING:
    from core.retraining.triggers import RetrainingPlan

NONE_YET = "No retraining yet."
NO_LIVE_MODEL = "No model is live, so no model is retrained. Promote a version first."
COLUMNS = (
    Column("retraining", "RETRAINING", 10, is_key=True),
    Column("model", "MODEL", 15, flex=1, max_width=20, cut="middle"),
    Column("live", "LIVE", 8, priority=1),
    Column("new", "NEW", 8, priority=2),
    Column("trigger", "TRIGGER", 11, priority=3),
    Column("phase", "PHASE", 19),
    Column("step", "STEP", 8),
    Column("age", "AGE", 4, align="right", field="created_at"),
)
STEP_COLUMNS = (
    Column("step", "STEP", 8, is_key=True),
    Column("state", "STATE", 10),
    Column("took", "TOOK", 6, align="right", field="seconds", priority=1),
    Column("memory", "MEMORY", 8, align="right", field="peak_memory_mb", priority=3),
    Column("reason", "WHY", 20, flex=1),
)
_PHASE_TONES = {
    RetrainingPhase.RUNNING: "good",
    RetrainingPhase.HELD: "warn",
    RetrainingPhase.AWAITING_APPROVAL: "warn",
    RetrainingPhase.RESTORING: "warn",
    RetrainingPhase.DONE: "good",
    RetrainingPhase.REJECTED: "bad",
    RetrainingPhase.RESTORED: "bad",
    RetrainingPhase.FAILED: "bad",
    RetrainingPhase.CANCELLED: "muted",
}


def active_first(retrainings: Sequence[Retraining]) -> list[Retraining]:
    """Order retrainings: those that await a person, then active before ended, each in the order given."""
    return sorted(retrainings, key=lambda each: (not awaits_a_person(each), not each.is_active))


def awaits_a_person(retraining: Retraining) -> bool:
    """Whether it goes no further until somebody approves."""
    return retraining.observed.phase is RetrainingPhase.AWAITING_APPROVAL and retraining.n_approvals_lacking > 0


def waiting_mark(retraining: Retraining, glyphs: Glyphs) -> Cell:
    """Reduce a retraining that awaits approval to its new version."""
    return Cell(f"{glyphs.warned} approve {retraining.observed.challenger or retraining.retraining_id}", "warn")


def phase_text(retraining: Retraining) -> str:
    """Spell the phase, or the request that the engine has not carried out yet."""
    phase, desired = retraining.observed.phase, retraining.desired
    if phase.is_active and phase is not RetrainingPhase.RESTORING:
        if desired is DesiredRetraining.CANCELLED:
            return "cancelling"
        if desired is DesiredRetraining.HELD and phase is not RetrainingPhase.HELD:
            return "holding"
        if desired is DesiredRetraining.RUNNING and phase is RetrainingPhase.HELD:
            return "resuming"
    return in_words(phase)


def phase_cell(retraining: Retraining, glyphs: Glyphs, *, absence: str | None) -> Cell:
    """Draw the phase with a glyph and a tone; without an engine at work nothing goes on."""
    phase, text = retraining.observed.phase, phase_text(retraining)
    if absence is not None and phase in (RetrainingPhase.RUNNING, RetrainingPhase.QUEUED):
        return Cell(f"{glyphs.hollow} no engine", "warn", "no engine")
    glyph = {
        RetrainingPhase.RUNNING: glyphs.dot,
        RetrainingPhase.AWAITING_APPROVAL: glyphs.warned,
        RetrainingPhase.DONE: glyphs.passed,
        RetrainingPhase.REJECTED: glyphs.failed,
        RetrainingPhase.RESTORED: glyphs.failed,
        RetrainingPhase.FAILED: glyphs.failed,
        RetrainingPhase.CANCELLED: glyphs.failed,
    }.get(phase, glyphs.hollow)
    return Cell(f"{glyph} {text}", _PHASE_TONES.get(phase, ""), text)


def retraining_rows(
    retrainings: Sequence[Retraining], now: datetime, glyphs: Glyphs, *, absence: str | None
) -> list[Row]:
    """Draw each retraining as a row of `COLUMNS`, in the order given."""
    return [
        Row(
            each.retraining_id,
            (
                each.retraining_id,
                each.model,
                each.observed.champion,
                Cell(each.observed.challenger or NOTHING, "strong"),
                str(each.trigger),
                phase_cell(each, glyphs, absence=absence),
                _step_text(each),
                age_cell(each.created_at, now),
            ),
            "" if each.is_active else "muted",
        )
        for each in retrainings
    ]


def _step_text(retraining: Retraining) -> str:
    """Name the step that it is at, or the step that ended it."""
    current = retraining.observed.current
    return NOTHING if current is None else str(current.name)


def title(retraining: Retraining, glyphs: Glyphs, *, absence: str | None) -> str:
    """Name a retraining, its versions and its phase."""
    observed = retraining.observed
    move = f" {glyphs.arrow} {observed.challenger}" if observed.challenger else ""
    phase = phase_cell(retraining, glyphs, absence=absence).text
    return f"{retraining.retraining_id} {retraining.model} {observed.champion}{move}  {phase}"


def pipeline_line(retraining: Retraining, glyphs: Glyphs) -> Line:
    """Draw the steps in order, each with the sign of its state."""
    spans: list[Span] = []
    for step in retraining.observed.steps:
        if spans:
            spans.append(("  ", ""))
        sign, tone = _sign(step, glyphs)
        spans.append((f"{sign} {step.name}", tone))
    return Line(tuple(spans))


def _sign(step: RetrainingStep, glyphs: Glyphs) -> tuple[str, str]:
    return {
        StepState.DONE: (glyphs.passed, "good"),
        StepState.RUNNING: (glyphs.dot, "strong"),
        StepState.STOPPED: (glyphs.failed, "bad"),
        StepState.FAILED: (glyphs.warned, "warn"),
    }.get(step.state, (glyphs.hollow, "muted"))


def summary_lines(retraining: Retraining, now: datetime, glyphs: Glyphs, *, absence: str | None) -> list[Line]:
    """Write out what triggered it, where it stands and why, and what a person can do about it."""
    observed, current = retraining.observed, retraining.observed.current
    facts = [pipeline_line(retraining, glyphs), _fact("cause", retraining.cause)]
    if observed.reason:
        tone = _PHASE_TONES.get(observed.phase, "") if observed.phase is not RetrainingPhase.RUNNING else ""
        since = "" if absence is None else f" (as of {instant(retraining.updated_at)}: {absence})"
        facts.append(_fact("now" if retraining.is_active else "ended", observed.reason + since, tone))
    if current is not None and current.next_attempt_at is not None and retraining.is_active:
        left = max((current.next_attempt_at - now).total_seconds(), 0.0)
        failures = counted(current.n_failures, "failure")
        facts.append(_fact("again", f"{current.name} in {duration(left)}, after {failures}", "warn"))
    if awaits_a_person(retraining):
        wanted = f"{len(retraining.approvals)} of {retraining.policy.n_approvals} approved"
        facts.append(_fact("approval", with_keys(f"{wanted}; {{retrainings.approve}} approves it"), "warn"))
    if retraining.is_active and retraining.desired is not DesiredRetraining.RUNNING:
        why = f": {retraining.desired_reason}" if retraining.desired_reason else ""
        facts.append(_fact("requested", f"{retraining.desired} by {retraining.desired_by}{why}", "warn"))
    return facts


def _fact(name: str, text: str, tone: str = "") -> Line:
    return Line(((f"{name:<10}", "muted"), (text, tone)))


def step_rows(retraining: Retraining, glyphs: Glyphs) -> list[Row]:
    """Draw each step as a row of `STEP_COLUMNS`."""
    rows = []
    for step in retraining.observed.steps:
        sign, tone = _sign(step, glyphs)
        memory = NOTHING if step.peak_memory_mb is None else f"{step.peak_memory_mb:,} MB"
        state = Cell(f"{sign} {step.state}", tone, str(step.state))
        cells = (
            str(step.name),
            state,
            duration_cell(step.seconds),
            Cell(memory, value=step.peak_memory_mb),
            Cell(step.reason or NOTHING, "" if step.reason else "muted"),
        )
        rows.append(Row(str(step.name), cells))
    return rows


def detail_lines(retraining: Retraining) -> list[Line]:
    """Write out what was decided, the newest first."""
    lines = [Line((("No event yet.", "muted"),))] if not retraining.observed.events else []
    for event in reversed(retraining.observed.events):
        lines.append(Line(((f"{instant(event.at)}  ", "muted"), (event.verb.removeprefix("retraining."), "strong"))))
        lines.append(Line(((f"  {event.reason}", ""), (f"  {event.by}", "muted"))))
    return lines


def evidence_lines(retraining: Retraining, glyphs: Glyphs, plan: "RetrainingPlan | None") -> list[Line]:
    """Write out every step with its times, reason and figures; who approved; and when the next one is due.

    Args:
        retraining: The retraining.
        glyphs: The signs of this terminal.
        plan: What would happen to its model now; None if that cannot be said.
    """
    observed = retraining.observed
    lines = [pipeline_line(retraining, glyphs), _fact("cause", retraining.cause)]
    if observed.reason:
        lines.append(_fact("state", f"{phase_text(retraining)}: {observed.reason}"))
    for step in observed.steps:
        lines += _step_lines(step, glyphs)
    words = [
        f"{each.by}, {instant(each.at)}{f': {each.reason}' if each.reason else ''}" for each in retraining.approvals
    ]
    lines += section(f"Approvals, {len(words)} of {retraining.policy.n_approvals}", words or ("none",))
    where = (("run", observed.run_id), ("rollout", observed.rollout_id), ("rows up to", instant(retraining.as_of)))
    lines += section("Where this is from", [f"{name:<11}{value}" for name, value in where if value])
    if plan is not None:
        lines += section("The next retraining of this model", plan_sentences(plan))
    return lines


def plan_sentences(plan: "RetrainingPlan") -> list[str]:
    """Say when the next retraining of a model is due, and why not now."""
    due = [f"due: {plan.cause}"] if plan.is_due else []
    looked = [reading.reason for reading in plan.triggers if not reading.is_due]
    next_at = [f"next by the clock: {instant(plan.next_at)}"] if plan.next_at is not None else []
    blockers = [f"why not now: {blocker}" for blocker in plan.blockers]
    nothing = [] if due or looked or not plan.enabled else ["no trigger is set: only a person starts one"]
    return [*due, *looked, *next_at, *blockers, *nothing]


def plan_lines(plans: "Sequence[RetrainingPlan]", glyphs: Glyphs) -> list[Line]:
    """Write out for each model when the next retraining is due and why not now, and of a single one what it would do.

    Args:
        plans: The plans.
        glyphs: The signs of this terminal.
    """
    if not plans:
        return [Line(((NO_LIVE_MODEL, "muted"),))]
    lines: list[Line] = []
    for plan in plans:
        sign, tone, said = (glyphs.hollow, "muted", "not due")
        if not plan.enabled:
            said = "off"
        elif plan.starts:
            sign, tone, said = (glyphs.passed, "good", "starts at the engine's next look")
        elif plan.is_due:
            sign, tone, said = (glyphs.warned, "warn", "due, and waits")
        live = plan.live or "no live version"
        spans = ((f"{sign} {plan.model}  ", "strong"), (f"{live}  ", "muted"), (said, tone))
        lines += [*([Line()] if lines else []), Line(spans)]
        lines += [Line(((f"  {sentence}", ""),)) for sentence in plan_sentences(plan)]
        if plan.n_samples is not None:
            lines.append(Line(((f"  {plan.n_samples:,} of {plan.n_needed:,} labelled rows in the window", ""),)))
    return lines + (section("What a retraining would do", plans[0].would) if len(plans) == 1 else [])


def _step_lines(step: RetrainingStep, glyphs: Glyphs) -> list[Line]:
    sign, tone = _sign(step, glyphs)
    times = " to ".join(instant(at) for at in (step.started_at, step.ended_at) if at is not None)
    cost = ", ".join(
        filter(
            None,
            (
                "" if step.seconds is None else duration(step.seconds),
                "" if step.peak_memory_mb is None else f"{step.peak_memory_mb:,} MB",
                counted(step.n_failures, "failure") if step.n_failures else "",
            ),
        )
    )
    about = "  ".join(filter(None, (times, cost)))
    lines = [Line(), Line(((f"{sign} {step.name}", tone or "strong"), (f"  {step.state}  {about}".rstrip(), "muted")))]
    lines += [Line(((f"  {step.reason}", ""),))] if step.reason else []
    return lines + [Line(((f"    {name:<26}", "muted"), (text, ""))) for name, text in _figures(step.evidence)]


def _figures(evidence: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Spell figures by their names, nested ones by their paths."""
    for name, value in evidence.items():
        path = f"{before}{name}"
        if isinstance(value, Mapping):
            yield from _figures(value, f"{path}.")
        elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
            for place, each in enumerate(value, 1):
                yield from _figures(each if isinstance(each, Mapping) else {"": each}, f"{path}.{place}.")
        elif isinstance(value, list):
            yield path, ", ".join(_spelled(each) for each in value) or NOTHING
        else:
            yield path, _spelled(value)


def _spelled(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no"}.get(value, NOTHING) if value is not None else NOTHING
    return number(value) if isinstance(value, float) else str(value)
