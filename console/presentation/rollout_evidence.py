"""The evidence of a rollout: stable and candidate side by side, every guard, the rules, the events."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from console.presentation import rollout_slices
from console.presentation.phrases import NOTHING, clock, duration, instant, number, share
from console.presentation.rollout_progress import summary_lines
from console.presentation.rollouts import share_set, words
from core.rollout import (
    GuardReading,
    GuardSource,
    GuardVerdict,
    Rollout,
    RolloutEvent,
    RolloutPlan,
    Strategy,
)
from widgets.columns import Column
from widgets.glyphs import Glyphs
from widgets.line import Line
from widgets.rows import Cell, Row

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
_VERDICT_TONES = {
    GuardVerdict.SAFE: "good",
    GuardVerdict.EVEN: "good",
    GuardVerdict.UNEVEN: "bad",
    GuardVerdict.HARMFUL: "bad",
    GuardVerdict.SUSPECT: "warn",
    GuardVerdict.NO_DATA: "muted",
}
# The share in the row is that of the failures, which the name of the guard does not say.
_METRIC_CELLS = {
    GuardSource.FACTS: Cell("contradictory", brief="contradicts"),
    GuardSource.CUT: Cell("cut off"),
}
_EVENT_TONES = {
    "rollout.promote": "good",
    "rollout.roll_back": "bad",
    "rollout.inconclusive": "warn",
    "rollout.hold": "warn",
}


def guard_rows(rollout: Rollout, glyphs: Glyphs) -> list[Row]:
    """Draw stable and candidate side by side as rows of `GUARD_COLUMNS`: traffic first, then every metric."""
    observed = rollout.observed
    given, actual = share_set(rollout), observed.actual_share
    # How the registry routes an ended rollout's model now is not the rollout's to say.
    set_by = "share set" if rollout.is_active else "final share"
    if rollout.strategy is Strategy.SHADOW:
        traffic = [_side_by_side("copies", share(1.0, 0), share(given, 0), "of requests")]
    else:
        traffic = [
            _side_by_side(set_by, NOTHING, NOTHING, "moved in registry")
            if rollout.is_cut_short
            else _side_by_side(set_by, share(1 - given), share(given), ""),
            _side_by_side(
                "share seen",
                share(1 - actual if actual is not None else None),
                share(actual),
                f"of {observed.n_step_stable + observed.n_step_candidate:,} this step"
                if actual is not None
                else "no request yet",
            ),
        ]
    evidence = observed.evidence
    answers = _side_by_side("answers", f"{evidence.n_stable:,}", f"{evidence.n_candidate:,}", "since the start")
    differ = rollout_slices.difference_row(rollout)
    guards = [reading for reading in observed.readings if not reading.is_check]
    checks = [reading for reading in observed.readings if reading.is_check]
    worst = rollout_slices.worst_slices(rollout)
    row_of = partial(_guard_row, glyphs=glyphs, is_over=not rollout.is_active)
    judged = [*map(row_of, (*guards, *worst[:1])), *((differ,) if differ else ())]
    rest = [*map(row_of, (*checks, *worst[1:]))]
    # A small screen shows six rows before it scrolls: the worst slice and the difference must be among them.
    return [*judged, *traffic, answers, *rest] if worst or differ else [*traffic, answers, *judged, *rest]


def _side_by_side(name: str, stable: str, candidate: str, note: str) -> Row:
    cells = (Cell(name, "muted"), stable, Cell(candidate, "strong"), "", Cell(note, "muted"), "", "", "", "")
    return Row(name, cells)


def _guard_row(reading: GuardReading, *, glyphs: Glyphs, is_over: bool) -> Row:
    return Row(
        reading.guard,
        (
            # The level first, since a narrow column cuts off the end.
            _METRIC_CELLS.get(reading.source, reading.guard)
            if reading.slice is None
            else f"{reading.slice} {reading.source}",
            side_text(reading, reading.stable_value),
            Cell(side_text(reading, reading.candidate_value), "strong"),
            effect_text(reading, reading.effect),
            interval_text(reading),
            Cell(f"{reading.n_stable:,} : {reading.n_candidate:,}", "muted"),
            verdict_cell(reading, glyphs),
            duration(reading.eta_seconds),
            Cell(reading.said(is_over=is_over).removeprefix(f"{reading.guard}: "), "muted"),
        ),
    )


def verdict_cell(reading: GuardReading, glyphs: Glyphs) -> Cell:
    """Draw the verdict of a guard with a glyph, its word and a tone."""
    glyph = {
        GuardVerdict.SAFE: glyphs.passed,
        GuardVerdict.EVEN: glyphs.passed,
        GuardVerdict.UNEVEN: glyphs.failed,
        GuardVerdict.HARMFUL: glyphs.failed,
        GuardVerdict.SUSPECT: glyphs.warned,
    }.get(reading.verdict, glyphs.hollow)
    return Cell(f"{glyph} {reading.verdict}", _VERDICT_TONES.get(reading.verdict, ""))


def side_text(reading: GuardReading, value: float | None) -> str:
    """Spell one side of a metric: a rate as a percentage, a mean as a number."""
    return share(value, 2) if reading.is_rate else number(value)


def effect_text(reading: GuardReading, value: float | None) -> str:
    """Spell an effect: a multiple of the stable rate or mean, or the signed difference of the means."""
    if value is None:
        return NOTHING
    if reading.has_ratio:
        return f"{value:.2f}x"
    if reading.is_rate:
        return f"{100 * value:+.2g} pt"
    return f"{value:+.3g}" if abs(value) < 1_000 else f"{value:+,.0f}"


def interval_text(reading: GuardReading) -> str:
    """Spell the interval of an effect; a bound that the data do not set yet is left out."""
    if reading.low is None and reading.high is None:
        return NOTHING
    if reading.high is None and reading.has_ratio and effect_text(reading, reading.low) == "0.00x":
        return NOTHING  # "from 0.00x" would rule nothing out
    if reading.high is None:
        return f"from {effect_text(reading, reading.low)}"
    if reading.low is None:
        return f"to {effect_text(reading, reading.high)}"
    return f"{effect_text(reading, reading.low).removesuffix('x')} to {effect_text(reading, reading.high)}"


def event_lines(rollout: Rollout) -> list[Line]:
    """List the events under their day, newest first: time, verb, reason, and the person unless it was the engine."""
    lines, day = [], ""
    for event in reversed(rollout.observed.events):
        if (date := f"{event.at:%Y-%m-%d}") != day:
            lines.append(Line(((day := date, "muted"),)))
        lines.append(_event_line(event))
    return lines


def _event_line(event: RolloutEvent) -> Line:
    verb = words(event.verb.removeprefix("rollout."))
    who = "" if event.by == "engine" else f"  by {event.by}"
    reason = f"  {event.reason}" if event.reason else ""
    tone = _EVENT_TONES.get(event.verb, "strong")
    return Line(((f"{clock(event.at)}  ", "muted"), (verb, tone), (reason, ""), (who, "muted")))


def evidence_lines(rollout: Rollout, now: datetime, glyphs: Glyphs, *, absence: str | None) -> list[Line]:
    """Write out all the evidence of a verdict: every guard, the rules, and the events."""
    lines = summary_lines(rollout, now, glyphs, absence=absence)
    lines += [Line(), Line((("What each guard says", "title"),))]
    for reading in rollout.observed.readings:
        lines += _reading_lines(rollout, reading, glyphs)
    if not rollout.observed.readings:
        lines.append(Line((("Nothing has been judged yet.", "muted"),)))
    if rollout.is_active and rollout.expected:
        lines += [Line(), Line((("Expected at the start, in the usual traffic", "title"),))]
        lines += [Line(((line.removeprefix("Expected on "), ""),)) for line in rollout.expected]
    lines += _slice_lines(rollout, glyphs) + rollout_slices.difference_lines(rollout)
    return [*lines, Line(), Line((("Rules", "title"),)), *rule_lines(rollout), *_events(rollout)]


def detail_lines(rollout: Rollout) -> list[Line]:
    """Write out the events, then the rules."""
    return [*event_lines(rollout), Line(), Line((("Rules", "title"),)), *rule_lines(rollout)]


def _events(rollout: Rollout) -> list[Line]:
    return [Line(), Line((("Events", "title"),)), *event_lines(rollout)]


def _slice_lines(rollout: Rollout, glyphs: Glyphs) -> list[Line]:
    """Write out every level of every slice, the worst first."""
    if not rollout.plan.slices:
        return []
    n = rollout.plan.n_slice_tests
    title = Line((("By slice, the worst first", "title"), (f"  {n} comparisons share half of alpha", "muted")))
    if not rollout.observed.slices:
        return [Line(), title, Line((("No level has been seen yet.", "muted"),))]
    lines = [Line(), title]
    for reading in rollout.observed.slices:
        verdict = verdict_cell(reading, glyphs)
        effect = f"  {effect_text(reading, reading.effect)}" if reading.effect is not None else ""
        reason = reading.said(is_over=not rollout.is_active)
        lines.append(Line(((f"{verdict.text:<12}", verdict.tone), (reason, ""), (effect, "muted"))))
    return lines


def _reading_lines(rollout: Rollout, reading: GuardReading, glyphs: Glyphs) -> list[Line]:
    verdict = verdict_cell(reading, glyphs)
    head = Line(
        (
            (f"{verdict.text:<12}", verdict.tone),
            (reading.said(is_over=not rollout.is_active), ""),
            (_role(reading), "muted"),
        )
    )
    waiting = f"; {reading.n_waiting:,} outcomes of younger answers wait" if reading.n_waiting else ""
    facts = [f"samples {reading.n_stable:,} stable, {reading.n_candidate:,} candidate{waiting}"]
    if reading.effect is not None:
        what = "ratio" if reading.has_ratio else "difference"
        interval = f"{reading.level:.0%} interval {interval_text(reading)}"
        facts.insert(0, f"{what} {effect_text(reading, reading.effect)}, {interval}")
    if reading.callers_stable is not None and reading.callers_candidate is not None:
        counts = (
            f"{reading.callers_stable:,.0f} equally active callers stable, {reading.callers_candidate:,.0f} candidate"
        )
        facts.append(f"counts as {counts}")
    if reading.is_check:
        facts.append(f"evidence of a difference {share(reading.harm_share, 0)}")
        return [head, *_indented(facts)]
    proof = f"evidence of safety {share(reading.safety_share, 0)}, of harm {share(reading.harm_share, 0)}"
    if reading.eta_seconds is not None:
        proof += f"; about {duration(reading.eta_seconds)} to go"
    return [head, *_indented([*facts, proof])]


def _indented(facts: Sequence[str]) -> list[Line]:
    return [Line(((" " * 12, ""), (fact, "muted"))) for fact in facts]


def _role(reading: GuardReading) -> str:
    if reading.is_check:
        return "  (checked before losses are compared)"
    return "" if reading.required else "  (can only roll it back)"


def _settled(plan: RolloutPlan) -> str:
    if not plan.settle_seconds:
        return "outcomes are judged when they come"
    return f"safety is judged by answers older than {duration(plan.settle_seconds)}, harm by all outcomes"


def _judged_by(plan: RolloutPlan) -> list[tuple[str, str]]:
    """Say what is judged beside errors and latency: losses, or of a model of language its texts."""
    if plan.texts is None:
        return [("loss", plan.measure_of(plan.loss_guard) if plan.loss_guard else "not judged after a switch")]
    judged = [(guard.name, plan.measure_of(guard)) for guard in plan.guards if guard.source.is_of_texts]
    return [*judged, *([("facts", f"not judged: {plan.texts.why_no_facts}")] if plan.texts.why_no_facts else [])]


def rule_lines(rollout: Rollout) -> list[Line]:
    """Write out the rules, which were fixed before the first request."""
    plan = rollout.plan
    step = plan.steps[min(rollout.observed.step, plan.last_step)]
    margins = ", ".join(f"{guard.name} {guard.margin_text}" for guard in plan.guards)
    slow = next((guard for guard in plan.guards if guard.source is GuardSource.SLOW), None)
    facts = (
        ("strategy", words(plan.strategy)),
        ("step", f"at least {duration(step.dwell_seconds)} and {step.min_samples:,} answers from the candidate"),
        ("margins", margins),
        ("latency", plan.measure_of(slow) if slow else "not judged: no limit was known at the start"),
        *_judged_by(plan),
        *([("settled", _settled(plan))] if plan.needs_outcomes else []),
        *(("slices", str(each)) for each in plan.slices),
        *([("pairs", "both versions score each row; losses are compared row by row")] if plan.is_paired else []),
        ("risks", plan.risks_text),
        ("deadline", f"{duration(plan.deadline_seconds)}; then an operator decides"),
        ("started", f"{instant(rollout.created_at)} by {rollout.created_by}"),
        ("reason", rollout.reason or NOTHING),
    )
    return [Line(((f"{label:<10}", "muted"), (text, ""))) for label, text in facts]
