"""Rollouts as rows, facts and evidence: stable and candidate side by side, and when a decision may be expected."""

from collections.abc import Sequence
from datetime import datetime

from console.presentation.phrases import NOTHING, age, duration, instant, number, share
from core.rollout import (
    DesiredRollout,
    GuardReading,
    GuardSource,
    GuardVerdict,
    Rollout,
    RolloutEvent,
    RolloutPhase,
    Strategy,
    VerdictOutcome,
)
from widgets.glyphs import Glyphs
from widgets.line import Line, Span
from widgets.live_table import Cell, Column, Row

COLUMNS = (
    Column("rollout", "ROLLOUT", 7),
    Column("model", "MODEL", 15, flex=1, max_width=20),
    Column("stable", "STABLE", 8, priority=1),
    Column("candidate", "CANDIDATE", 9),
    Column("strategy", "STRATEGY", 10, priority=4),
    Column("phase", "PHASE", 14),
    Column("step", "STEP", 4, align="right"),
    Column("share", "SHARE", 5, align="right"),
    Column("decision", "DECISION", 8, align="right", priority=2),
    Column("age", "AGE", 4, align="right", priority=3),
)
GUARD_COLUMNS = (
    Column("metric", "METRIC", 12, flex=1, max_width=16),
    Column("stable", "STABLE", 9, align="right"),
    Column("candidate", "CANDIDATE", 9, align="right"),
    Column("effect", "EFFECT", 8, align="right"),
    Column("interval", "INTERVAL", 18, align="right"),
    Column("samples", "SAMPLES", 17, align="right", priority=2),
    Column("verdict", "VERDICT", 11),
    Column("eta", "ETA", 7, align="right", priority=1),
    Column("reason", "REASON", 30, flex=3, priority=3),
)
_PHASE_TONES = {
    RolloutPhase.RUNNING: "good",
    RolloutPhase.PAUSED: "warn",
    RolloutPhase.INCONCLUSIVE: "warn",
    RolloutPhase.PROMOTED: "good",
    RolloutPhase.ROLLED_BACK: "bad",
    RolloutPhase.ABORTED: "muted",
    RolloutPhase.FINISHED: "accent",
}
_VERDICT_TONES = {
    GuardVerdict.SAFE: "good",
    GuardVerdict.HARMFUL: "bad",
    GuardVerdict.SUSPECT: "warn",
    GuardVerdict.NO_DATA: "muted",
}
_EVENT_TONES = {
    "rollout.promote": "good",
    "rollout.roll_back": "bad",
    "rollout.inconclusive": "warn",
    "rollout.hold": "warn",
}
_DECISION_WORDS = {
    VerdictOutcome.ADVANCE: "goes on",
    VerdictOutcome.HOLD: "waits",
    VerdictOutcome.INCONCLUSIVE: "waits for a person",
    VerdictOutcome.ROLL_BACK: "takes it back",
}


def words(name: str) -> str:
    """Spell the name of a phase or a strategy as people write it.

    >>> words(RolloutPhase.ROLLED_BACK), words(Strategy.AB)
    ('rolled back', 'A/B')
    """
    return "A/B" if name == Strategy.AB else str(name).replace("_", " ")


def phase_text(rollout: Rollout) -> str:
    """Say where a rollout stands, or what it is asked for and has not done yet."""
    phase, desired = rollout.observed.phase, rollout.desired
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


def phase_cell(rollout: Rollout, glyphs: Glyphs) -> Cell:
    """Say it with a glyph and a tone."""
    phase = rollout.observed.phase
    glyph = {
        RolloutPhase.RUNNING: glyphs.dot,
        RolloutPhase.INCONCLUSIVE: glyphs.warned,
        RolloutPhase.PROMOTED: glyphs.passed,
        RolloutPhase.FINISHED: glyphs.passed,
        RolloutPhase.ROLLED_BACK: glyphs.failed,
        RolloutPhase.ABORTED: glyphs.failed,
    }.get(phase, glyphs.hollow)
    tone = "warn" if rollout.is_active and rollout.desired is DesiredRollout.ABORTED else _PHASE_TONES.get(phase, "")
    return Cell(f"{glyph} {phase_text(rollout)}", tone)


def share_set(rollout: Rollout) -> float:
    """Return the share of requests that the candidate is to be given now: answers, or copies for a shadow."""
    if rollout.strategy is Strategy.SHADOW:
        return rollout.mirror_share
    return rollout.share if rollout.is_active else rollout.observed.share


def mark(rollout: Rollout, glyphs: Glyphs) -> Cell:
    """Reduce a rollout to its candidate and the share of requests that it is given."""
    phase = phase_cell(rollout, glyphs)
    return Cell(f"{phase.text[0]} {rollout.candidate} at {share(share_set(rollout), 0)}", phase.tone)


def standing_text(rollout: Rollout, glyphs: Glyphs) -> str:
    """Say in a sentence what a rollout does: from which version to which, how far it is, and how much it is given."""
    given = "copies of" if rollout.strategy is Strategy.SHADOW else "of"
    step = f"step {rollout.observed.step + 1} of {len(rollout.plan.steps)}"
    share_given = f"{share(share_set(rollout), 0)} {given} the requests"
    move = f"{words(rollout.strategy)} {rollout.stable} {glyphs.arrow} {rollout.candidate}"
    return f"{rollout.rollout_id}, {move}: {phase_text(rollout)}, {step}, {share_given}"


def rollout_rows(rollouts: Sequence[Rollout], now: datetime, glyphs: Glyphs, *, has_engine: bool) -> list[Row]:
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
                phase_cell(rollout, glyphs),
                f"{rollout.observed.step + 1}/{len(rollout.plan.steps)}",
                share(share_set(rollout), 0),
                duration(seconds_to_decision(rollout, now)) if has_engine else NOTHING,
                age(rollout.created_at, now),
            ),
            "" if rollout.is_active else "muted",
        )
        for rollout in rollouts
    ]


def title(rollout: Rollout, glyphs: Glyphs) -> str:
    """Name a rollout and say where it stands."""
    move = f"{rollout.stable} {glyphs.arrow} {rollout.candidate}"
    return f"{rollout.rollout_id} {rollout.model} {move}  {phase_cell(rollout, glyphs).text}"


def seconds_to_decision(rollout: Rollout, now: datetime) -> float | None:
    """Return the time to the next decision, as far as one can tell; None where nobody can, or none is due."""
    verdict = rollout.observed.verdict
    if not rollout.is_active or verdict is None or verdict.eta_seconds is None:
        return None
    if rollout.observed.phase is not RolloutPhase.RUNNING or rollout.desired is DesiredRollout.PAUSED:
        return None
    return max(0.0, verdict.eta_seconds - (now - rollout.updated_at).total_seconds())


def progress(rollout: Rollout) -> tuple[str, float | None, str]:
    """Reduce a rollout to a bar: label, how far this step is, tone. The slowest of what is awaited counts."""
    observed, plan = rollout.observed, rollout.plan
    step = plan.steps[observed.step]
    label = f"step {observed.step + 1} of {len(plan.steps)}"
    label += "" if rollout.strategy is Strategy.SHADOW else f", {share(step.share, 0)}"
    if not rollout.is_active:
        tone = _PHASE_TONES.get(observed.phase, "accent")
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


def summary_lines(rollout: Rollout, now: datetime, glyphs: Glyphs, *, has_engine: bool) -> list[Line]:
    """Say what a bar cannot: the steps, when a decision is due or why nobody knows, and what it rests on."""
    lines = [steps_line(rollout, glyphs)]
    observed = rollout.observed
    if not rollout.is_active:
        ended = f"{words(observed.phase)} {instant(observed.ended_at)}"
        return [*lines, Line((("ended     ", "muted"), (ended, ""), (f": {_last_reason(rollout)}", "muted")))]
    lines.append(Line((("decision  ", "muted"), *_decision_spans(rollout, now, has_engine=has_engine))))
    if observed.verdict is not None:
        verdict = observed.verdict
        tone = {
            VerdictOutcome.ROLL_BACK: "bad",
            VerdictOutcome.INCONCLUSIVE: "warn",
            VerdictOutcome.ADVANCE: "good",
        }.get(verdict.outcome)
        spans = (("verdict   ", "muted"), (_DECISION_WORDS[verdict.outcome], tone or "strong"))
        since = "" if has_engine else f" (as of {instant(rollout.updated_at)})"
        lines.append(Line((*spans, (f": {verdict.reason}", ""), (since, "muted"))))
    if observed.experiment is not None:
        lines.append(Line((("finding   ", "muted"), (observed.experiment.reason, ""))))
    if rollout.desired is not DesiredRollout.RUNNING:
        reason = f": {rollout.desired_reason}" if rollout.desired_reason else ""
        wish = f"{words(rollout.desired)} by {rollout.desired_by}{reason}"
        lines.append(Line((("asked     ", "muted"), (wish, "warn"))))
    return lines


def steps_line(rollout: Rollout, glyphs: Glyphs) -> Line:
    """Draw the steps one after another, the present one marked; at the end of a canary stands all traffic."""
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


def _decision_spans(rollout: Rollout, now: datetime, *, has_engine: bool) -> list[Span]:
    """Say when the next decision is due, or why nobody can tell; then the deadline."""
    observed = rollout.observed
    spans: list[Span]
    if not has_engine:
        return [("not known: no engine runs on this workspace, so nothing is judged; :engine starts one", "warn")]
    if (seconds := seconds_to_decision(rollout, now)) is not None:
        spans = [(f"in about {duration(seconds)}" if seconds >= 1 else "due now", "strong")]
    else:
        spans = [(_why_nobody_knows(rollout), "warn" if observed.phase is RolloutPhase.INCONCLUSIVE else "")]
    if observed.deadline_at is not None and observed.phase is RolloutPhase.RUNNING:
        left = (observed.deadline_at - now).total_seconds()
        spans.append((f"; deadline in {duration(left)}" if left > 0 else "; the deadline has passed", "muted"))
        if seconds is not None and left < seconds:
            spans.append((" comes first: then it waits for a person", "warn"))
    return spans


def _why_nobody_knows(rollout: Rollout) -> str:
    observed = rollout.observed
    if rollout.desired is DesiredRollout.ABORTED:
        return "due now: it is being aborted"
    if observed.phase is RolloutPhase.PENDING:
        held = rollout.desired is DesiredRollout.PAUSED
        return "none while it is held" if held else "not known before the first step is open"
    if observed.phase is RolloutPhase.PAUSED or rollout.desired is DesiredRollout.PAUSED:
        return "none while it is held, unless harm is shown; H lets it go on"
    if observed.phase is RolloutPhase.INCONCLUSIVE:
        return "waits for a person: H gives it a new deadline, P goes on without proof, A aborts"
    if observed.verdict is None or observed.actual_share is None:
        return "not known: no request has been answered at this step yet"
    if any(reading.verdict is GuardVerdict.NO_DATA and reading.required for reading in observed.readings):
        return "not known: too few samples to tell"
    return "not in sight at the present rate"


def _last_reason(rollout: Rollout) -> str:
    return rollout.observed.events[-1].reason if rollout.observed.events else NOTHING


def guard_rows(rollout: Rollout, glyphs: Glyphs) -> list[Row]:
    """Draw stable and candidate side by side as rows of `GUARD_COLUMNS`: traffic first, then every metric."""
    observed = rollout.observed
    given, actual = share_set(rollout), observed.actual_share
    if rollout.strategy is Strategy.SHADOW:
        traffic = [_side_by_side("copies", share(1.0, 0), share(given, 0), "of requests")]
    else:
        traffic = [
            _side_by_side("share set", share(1 - given), share(given), ""),
            _side_by_side(
                "share actual",
                share(1 - actual if actual is not None else None),
                share(actual),
                f"of {observed.n_step_stable + observed.n_step_candidate:,} this step"
                if actual is not None
                else "no request yet",
            ),
        ]
    evidence = observed.evidence
    answers = _side_by_side("answers", f"{evidence.n_stable:,}", f"{evidence.n_candidate:,}", "since the start")
    return [*traffic, answers, *(_guard_row(reading, glyphs) for reading in observed.readings)]


def _side_by_side(name: str, stable: str, candidate: str, note: str) -> Row:
    cells = (Cell(name, "muted"), stable, Cell(candidate, "strong"), "", Cell(note, "muted"), "", "", "", "")
    return Row(name, cells)


def _guard_row(reading: GuardReading, glyphs: Glyphs) -> Row:
    return Row(
        reading.guard,
        (
            reading.guard,
            side_text(reading, reading.stable_value),
            Cell(side_text(reading, reading.candidate_value), "strong"),
            effect_text(reading, reading.effect),
            interval_text(reading),
            Cell(f"{reading.n_stable:,} : {reading.n_candidate:,}", "muted"),
            verdict_cell(reading, glyphs),
            duration(reading.eta_seconds),
            Cell(reading.reason.removeprefix(f"{reading.guard}: "), "muted"),
        ),
    )


def verdict_cell(reading: GuardReading, glyphs: Glyphs) -> Cell:
    """Say what a guard says with a glyph, its word and a tone."""
    glyph = {
        GuardVerdict.SAFE: glyphs.passed,
        GuardVerdict.HARMFUL: glyphs.failed,
        GuardVerdict.SUSPECT: glyphs.warned,
    }.get(reading.verdict, glyphs.hollow)
    return Cell(f"{glyph} {reading.verdict}", _VERDICT_TONES.get(reading.verdict, ""))


def side_text(reading: GuardReading, value: float | None) -> str:
    """Spell one side of a metric: a rate as a percentage, a mean as a number."""
    return share(value, 2) if reading.is_rate else number(value)


def effect_text(reading: GuardReading, value: float | None) -> str:
    """Spell an effect: how many times the stable rate, or the difference of the means with its sign."""
    if value is None:
        return NOTHING
    if reading.is_rate:
        return f"{value:.2f}x"
    return f"{value:+.3g}" if abs(value) < 1_000 else f"{value:+,.0f}"


def interval_text(reading: GuardReading) -> str:
    """Spell the interval of an effect; a bound that the data do not set yet is left out."""
    if reading.low is None and reading.high is None:
        return NOTHING
    if reading.high is None and reading.is_rate and effect_text(reading, reading.low) == "0.00x":
        return NOTHING  # "from 0.00x" would rule nothing out
    if reading.high is None:
        return f"from {effect_text(reading, reading.low)}"
    if reading.low is None:
        return f"to {effect_text(reading, reading.high)}"
    return f"{effect_text(reading, reading.low).removesuffix('x')} to {effect_text(reading, reading.high)}"


def event_lines(rollout: Rollout) -> list[Line]:
    """Write out what happened, newest first: when, what, why, and whose doing it was unless it was the engine's."""
    return [_event_line(event) for event in reversed(rollout.observed.events)]


def _event_line(event: RolloutEvent) -> Line:
    verb = words(event.verb.removeprefix("rollout."))
    who = "" if event.by == "engine" else f"  by {event.by}"
    reason = f"  {event.reason}" if event.reason else ""
    tone = _EVENT_TONES.get(event.verb, "strong")
    return Line(((f"{event.at:%d %H:%M}Z  ", "muted"), (verb, tone), (reason, ""), (who, "muted")))


def evidence_lines(rollout: Rollout, now: datetime, glyphs: Glyphs, *, has_engine: bool) -> list[Line]:
    """Write out everything that a verdict rests on: what every guard says, the rules, and what happened."""
    lines = summary_lines(rollout, now, glyphs, has_engine=has_engine)
    lines += [Line(), Line((("What each guard says", "title"),))]
    for reading in rollout.observed.readings:
        lines += _reading_lines(rollout, reading, glyphs)
    if not rollout.observed.readings:
        lines.append(Line((("Nothing has been judged yet.", "muted"),)))
    return [*lines, Line(), Line((("Rules", "title"),)), *rule_lines(rollout), *_events(rollout)]


def detail_lines(rollout: Rollout) -> list[Line]:
    """Write out what happened, then the rules."""
    return [*event_lines(rollout), Line(), Line((("Rules", "title"),)), *rule_lines(rollout)]


def _events(rollout: Rollout) -> list[Line]:
    return [Line(), Line((("Events", "title"),)), *event_lines(rollout)]


def _reading_lines(rollout: Rollout, reading: GuardReading, glyphs: Glyphs) -> list[Line]:
    verdict = verdict_cell(reading, glyphs)
    head = Line(
        (
            (f"{verdict.text:<12}", verdict.tone),
            (reading.reason, ""),
            ("" if reading.required else "  (can only take it back)", "muted"),
        )
    )
    facts = [f"samples {reading.n_stable:,} stable, {reading.n_candidate:,} candidate"]
    if reading.effect is not None:
        what = "ratio" if reading.is_rate else "difference"
        interval = f"{reading.level:.0%} interval {interval_text(reading)}"
        facts.insert(0, f"{what} {effect_text(reading, reading.effect)}, {interval}")
    proof = f"proof of safety {share(reading.safety_share, 0)}, of harm {share(reading.harm_share, 0)} of what it takes"
    if reading.eta_seconds is not None:
        proof += f"; about {duration(reading.eta_seconds)} to go"
    indent = " " * 12
    return [head, *(Line(((f"{indent}", ""), (fact, "muted"))) for fact in (*facts, proof))]


def rule_lines(rollout: Rollout) -> list[Line]:
    """Write out what was decided before the first request."""
    plan = rollout.plan
    step = plan.steps[min(rollout.observed.step, plan.last_step)]
    margins = ", ".join(
        guard.name
        + (f" (later than {guard.limit:g} ms)" if guard.source is GuardSource.SLOW else "")
        + f" below {guard.margin:g}x"
        for guard in plan.guards
    )
    facts = (
        ("strategy", words(plan.strategy)),
        ("step", f"at least {duration(step.dwell_seconds)} and {step.min_samples:,} answers of the candidate"),
        ("margins", margins),
        *([] if plan.judges_latency else [("latency", "not judged: at the start no limit was known")]),
        ("risks", f"a good one is taken back {plan.alpha:.1%} of the time at most, a bad one passes {plan.beta:.1%}"),
        ("deadline", f"{duration(plan.deadline_seconds)}; then it waits for a person"),
        ("started", f"{instant(rollout.created_at)} by {rollout.created_by}"),
        ("reason", rollout.reason or NOTHING),
    )
    return [Line(((f"{label:<10}", "muted"), (text, ""))) for label, text in facts]
