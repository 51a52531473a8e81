"""The progress of a rollout: a bar, its steps, and when the next decision is due or why that is unknown."""

from datetime import datetime

from console.presentation.keys import with_keys
from console.presentation.phrases import NOTHING, duration, instant, share
from console.presentation.rollouts import PHASE_TONES, seconds_to_decision, words
from core.rollout import (
    DesiredRollout,
    GuardVerdict,
    Rollout,
    RolloutPhase,
    Strategy,
    VerdictOutcome,
)
from core.rollout.unjudged import NotJudged, in_a_line
from core.view.snapshot import NO_ENGINE
from widgets.glyphs import Glyphs
from widgets.line import Line, Span

_DECISION_WORDS = {
    VerdictOutcome.ADVANCE: "advancing",
    VerdictOutcome.HOLD: "waiting",
    VerdictOutcome.INCONCLUSIVE: "inconclusive",
    VerdictOutcome.ROLL_BACK: "rolling back",
}


def progress(rollout: Rollout) -> tuple[str, float | None, str]:
    """Reduce a rollout to a bar: label, progress of this step, tone. The slowest condition counts."""
    observed, plan = rollout.observed, rollout.plan
    step = plan.steps[observed.step]
    label = f"step {observed.step + 1} of {len(plan.steps)}"
    label += "" if rollout.strategy is Strategy.SHADOW else f", {share(step.share, 0)}"
    if not rollout.is_active:
        tone = PHASE_TONES.get(observed.phase, "accent")
        return label, 1.0 if observed.phase in (RolloutPhase.PROMOTED, RolloutPhase.FINISHED) else None, tone
    tone = "accent" if observed.phase is RolloutPhase.RUNNING else "warn"
    if observed.step_since is None:
        return label, None, tone
    elapsed = (rollout.updated_at - observed.step_since).total_seconds()
    done = [elapsed / step.dwell_seconds] if step.dwell_seconds else []
    done += [observed.n_step_candidate / step.min_samples] if step.min_samples else []
    if observed.step == plan.last_step:
        done += [reading.safety_share for reading in observed.readings if reading.required]
    return label, min(done, default=1.0), tone


def summary_lines(rollout: Rollout, now: datetime, glyphs: Glyphs, *, absence: str | None) -> list[Line]:
    """Write out what a bar cannot show: the steps, when a decision is due or why that is unknown, and its reason."""
    lines = [steps_line(rollout, glyphs)]
    observed = rollout.observed
    if not rollout.is_active:
        ended = f"{words(observed.phase)} {instant(observed.ended_at)}"
        lines.append(Line((("ended     ", "muted"), (ended, ""), (f": {_last_reason(rollout)}", "muted"))))
        unjudged = in_a_line(rollout.not_judged) if rollout.is_live or rollout.has_finding else ""
        return [*lines, *([Line((("unjudged  ", "muted"), (unjudged, "warn")))] if unjudged else [])]
    lines.append(Line((("decision  ", "muted"), *_decision_spans(rollout, now, absence=absence))))
    if observed.verdict is not None:
        verdict = observed.verdict
        tone = {
            VerdictOutcome.ROLL_BACK: "bad",
            VerdictOutcome.INCONCLUSIVE: "warn",
            VerdictOutcome.ADVANCE: "good",
        }.get(verdict.outcome)
        word = _DECISION_WORDS[verdict.outcome]
        reason = verdict.reason.removeprefix(word) if verdict.reason.startswith(f"{word} ") else f": {verdict.reason}"
        spans = (("verdict   ", "muted"), (word, tone or "strong"))
        since = "" if absence is None else f" (as of {instant(rollout.updated_at)})"
        lines.append(Line((*spans, (reason, ""), (since, "muted"))))
    if observed.readings and (unjudged := in_a_line(_unseen(rollout))):
        lines.append(Line((("unjudged  ", "muted"), (unjudged, "warn"))))
    if observed.losses.note:
        lines.append(Line((("losses    ", "muted"), (observed.losses.note, ""))))
    if observed.experiment is not None:
        lines.append(Line((("finding   ", "muted"), (observed.experiment.reason, ""))))
    if rollout.desired is not DesiredRollout.RUNNING:
        wish = f"{words(rollout.desired)} by {rollout.desired_by}"
        wish += f": {rollout.desired_reason}" if rollout.desired_reason else ""
        lines.append(Line((("requested ", "muted"), (wish, "warn"))))
    return lines


def _unseen(rollout: Rollout) -> list[NotJudged]:
    """List what is not judged, except what is seen beside it: a guard that is still open, with its reason."""
    observed = rollout.observed
    seen = {
        reading.guard
        for reading in (*observed.readings, *observed.slices)
        if reading.verdict is not GuardVerdict.NO_DATA and (reading.required or reading.is_check or reading.slice)
    }
    return [found for found in rollout.not_judged if found.what not in seen]


def steps_line(rollout: Rollout, glyphs: Glyphs) -> Line:
    """Draw the steps in order, the current step marked; a canary ends with all traffic."""
    observed, plan = rollout.observed, rollout.plan
    spans: list[Span] = [("steps     ", "muted")]
    for index, step in enumerate(plan.steps):
        text = "copies" if rollout.strategy is Strategy.SHADOW else share(step.share, 0)
        if index < observed.step or observed.phase is RolloutPhase.PROMOTED:
            spans.append((f"{glyphs.passed} {text}", "good"))
        elif index == observed.step and rollout.is_active and observed.phase is not RolloutPhase.PENDING:
            spans.append((f"{glyphs.dot} {text}", "strong"))
        elif index == observed.step and observed.phase in (RolloutPhase.ROLLED_BACK, RolloutPhase.ABORTED):
            spans.append((f"{glyphs.failed} {text}", "bad"))
        else:
            spans.append((f"{glyphs.hollow} {text}", "muted"))
        spans.append((f" {glyphs.arrow} ", "line"))
    if rollout.strategy.promotes:
        is_live = observed.phase is RolloutPhase.PROMOTED
        spans.append((f"{glyphs.passed} live", "good") if is_live else (f"{glyphs.hollow} live", "muted"))
    else:
        has_finding = observed.phase is RolloutPhase.FINISHED
        spans.append((f"{glyphs.passed} finding", "good") if has_finding else (f"{glyphs.hollow} finding", "muted"))
    return Line(tuple(spans))


def _decision_spans(rollout: Rollout, now: datetime, *, absence: str | None) -> list[Span]:
    """Say when the next decision is due, or why that is unknown; then the deadline."""
    observed = rollout.observed
    spans: list[Span]
    if absence is not None:
        cure = "starts it" if absence == NO_ENGINE else "says what to do"
        told = with_keys("so nothing is judged; {console.command}engine")
        return [(f"unknown: {absence}, {told} {cure}", "warn")]
    if rollout.is_stuck:
        since = f" since {instant(observed.problem_since)}" if observed.problem_since is not None else ""
        return [(f"none: it cannot be judged{since}: {observed.problem}", "bad")]
    if (seconds := seconds_to_decision(rollout, now)) is not None:
        spans = [(f"in about {duration(seconds)}" if seconds >= 1 else "due now", "strong")]
    else:
        spans = [(_why_unknown(rollout), "warn" if observed.phase is RolloutPhase.INCONCLUSIVE else "")]
    if observed.deadline_at is not None and observed.phase is RolloutPhase.RUNNING:
        left = (observed.deadline_at - now).total_seconds()
        spans.append((f"; deadline in {duration(left)}" if left > 0 else "; the deadline has passed", "muted"))
        if seconds is not None and left < seconds:
            spans.append((" comes first: then an operator decides", "warn"))
    return spans


def _why_unknown(rollout: Rollout) -> str:
    observed = rollout.observed
    if rollout.desired is DesiredRollout.ABORTED:
        return "due now: it is being aborted"
    if observed.phase is RolloutPhase.PENDING:
        held = rollout.desired is DesiredRollout.PAUSED
        return "none while held" if held else "unknown until the first step opens"
    if observed.phase is RolloutPhase.PAUSED or rollout.desired is DesiredRollout.PAUSED:
        return with_keys("none while held, unless harm is shown; {rollouts.hold_or_resume} resumes it")
    if observed.phase is RolloutPhase.INCONCLUSIVE:
        return with_keys(
            "up to you: {rollouts.hold_or_resume} sets a new deadline, {rollouts.advance} advances without proof, "
            "{rollouts.abort} aborts"
        )
    if observed.verdict is None or observed.actual_share is None:
        return "unknown: no request has been answered at this step yet"
    if any(reading.verdict is GuardVerdict.NO_DATA and reading.required for reading in observed.readings):
        return "unknown: too few samples"
    return "too far off to estimate at the present rate"


def _last_reason(rollout: Rollout) -> str:
    return rollout.observed.events[-1].reason if rollout.observed.events else NOTHING
