"""Rollouts as rows: stable and candidate, progress, and when a decision is expected."""

from collections.abc import Sequence
from datetime import datetime

from console.presentation.cells import age_cell, duration_cell, share_cell
from console.presentation.phrases import NOTHING, share
from core.rollout import (
    DesiredRollout,
    Rollout,
    RolloutPhase,
    Strategy,
)
from widgets.columns import Column
from widgets.glyphs import Glyphs
from widgets.rows import Cell, Row

COLUMNS = (
    Column("rollout", "ROLLOUT", 7, is_key=True),
    Column("model", "MODEL", 15, flex=1, max_width=20, cut="middle"),
    Column("stable", "STABLE", 8, priority=1),
    Column("candidate", "CANDIDATE", 9),
    Column("strategy", "STRATEGY", 10, priority=4),
    Column("phase", "PHASE", 14),
    Column("step", "STEP", 4, align="right"),
    Column("share", "SHARE", 5, align="right"),
    Column("decision", "DECISION", 8, align="right", field="decision_seconds", priority=2),
    Column("age", "AGE", 4, align="right", field="created_at", priority=3),
)
PHASE_TONES = {
    RolloutPhase.RUNNING: "good",
    RolloutPhase.PAUSED: "warn",
    RolloutPhase.INCONCLUSIVE: "warn",
    RolloutPhase.PROMOTED: "good",
    RolloutPhase.ROLLED_BACK: "bad",
    RolloutPhase.ABORTED: "muted",
    RolloutPhase.FINISHED: "accent",
}


def words(name: str) -> str:
    """Spell a phase or a strategy in words.

    >>> words(RolloutPhase.ROLLED_BACK), words(Strategy.AB)
    ('rolled back', 'A/B')
    """
    return "A/B" if name == Strategy.AB else str(name).replace("_", " ")


def phase_text(rollout: Rollout) -> str:
    """Spell the phase of a rollout, or the request that it has not carried out yet."""
    phase, desired = rollout.observed.phase, rollout.desired
    if rollout.is_stuck:
        return "stuck"
    if phase.is_active:
        if desired is DesiredRollout.ABORTED:
            return "aborting"
        if desired is DesiredRollout.PROMOTE_NOW:
            return "promoting"
        if desired is DesiredRollout.PAUSED and phase is not RolloutPhase.PAUSED:
            return "held" if phase is RolloutPhase.PENDING else "holding"
        if desired is DesiredRollout.RUNNING and phase is RolloutPhase.PAUSED:
            return "resuming"
        if rollout.desired_step > rollout.observed.step:
            return "advancing"
    return "held" if phase is RolloutPhase.PAUSED else words(phase)


def phase_cell(rollout: Rollout, glyphs: Glyphs, *, absence: str | None = None) -> Cell:
    """Draw the phase with a glyph and a tone; without an engine at work a running rollout is not judged."""
    phase = rollout.observed.phase
    if absence is not None and phase_text(rollout) == words(RolloutPhase.RUNNING):
        return Cell(f"{glyphs.hollow} not judged", "warn", "not judged")
    if rollout.is_stuck:
        return Cell(f"{glyphs.failed} {phase_text(rollout)}", "bad", phase_text(rollout))
    glyph = {
        RolloutPhase.RUNNING: glyphs.dot,
        RolloutPhase.INCONCLUSIVE: glyphs.warned,
        RolloutPhase.PROMOTED: glyphs.passed,
        RolloutPhase.FINISHED: glyphs.passed,
        RolloutPhase.ROLLED_BACK: glyphs.failed,
        RolloutPhase.ABORTED: glyphs.failed,
    }.get(phase, glyphs.hollow)
    tone = "warn" if rollout.is_active and rollout.desired is DesiredRollout.ABORTED else PHASE_TONES.get(phase, "")
    return Cell(f"{glyph} {phase_text(rollout)}", tone, phase_text(rollout))


def share_set(rollout: Rollout) -> float:
    """Return the share of requests that the candidate should get now: to answer, or as copies for a shadow."""
    if rollout.strategy is Strategy.SHADOW:
        return rollout.mirror_share
    return rollout.share if rollout.is_active else rollout.observed.share


def mark(rollout: Rollout, glyphs: Glyphs) -> Cell:
    """Reduce a rollout to its candidate and the candidate's share of requests."""
    phase = phase_cell(rollout, glyphs)
    return Cell(f"{phase.text[0]} {rollout.candidate} at {share(share_set(rollout), 0)}", phase.tone)


def standing_text(rollout: Rollout, glyphs: Glyphs) -> str:
    """Describe a rollout in a sentence: its versions, its progress and its share of requests."""
    given = "copies of" if rollout.strategy is Strategy.SHADOW else "of"
    step = f"step {rollout.observed.step + 1} of {len(rollout.plan.steps)}"
    share_given = f"{share(share_set(rollout), 0)} {given} the requests"
    move = f"{words(rollout.strategy)} {rollout.stable} {glyphs.arrow} {rollout.candidate}"
    return f"{rollout.rollout_id}, {move}: {phase_text(rollout)}, {step}, {share_given}"


def active_first(rollouts: Sequence[Rollout]) -> list[Rollout]:
    """Order rollouts: active before ended, each in the order given."""
    return sorted(rollouts, key=lambda rollout: not rollout.is_active)


def rollout_rows(rollouts: Sequence[Rollout], now: datetime, glyphs: Glyphs, *, absence: str | None) -> list[Row]:
    """Draw each rollout as a row of `COLUMNS`, in the order given."""
    return [
        Row(
            rollout.rollout_id,
            (
                rollout.rollout_id,
                rollout.model,
                rollout.stable,
                Cell(rollout.candidate, "strong"),
                words(rollout.strategy),
                phase_cell(rollout, glyphs, absence=absence),
                Cell(f"{rollout.observed.step + 1}/{len(rollout.plan.steps)}", value=rollout.observed.step + 1),
                share_cell(share_set(rollout), 0),
                duration_cell(seconds_to_decision(rollout, now)) if absence is None else NOTHING,
                age_cell(rollout.created_at, now),
            ),
            "" if rollout.is_active else "muted",
        )
        for rollout in rollouts
    ]


def title(rollout: Rollout, glyphs: Glyphs, *, absence: str | None = None) -> str:
    """Name a rollout and its phase."""
    move = f"{rollout.stable} {glyphs.arrow} {rollout.candidate}"
    return f"{rollout.rollout_id} {rollout.model} {move}  {phase_cell(rollout, glyphs, absence=absence).text}"


def seconds_to_decision(rollout: Rollout, now: datetime) -> float | None:
    """Return the estimated time to the next decision; None where it is unknown or no decision is due."""
    verdict = rollout.observed.verdict
    if not rollout.is_active or rollout.is_stuck or verdict is None or verdict.eta_seconds is None:
        return None
    if rollout.observed.phase is not RolloutPhase.RUNNING or rollout.desired is DesiredRollout.PAUSED:
        return None
    return max(0.0, verdict.eta_seconds - (now - rollout.updated_at).total_seconds())
