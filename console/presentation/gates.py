"""Quality and promotion gates as rows, sentences and counts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.presentation.phrases import number
from core.quality.gate import GateResult, GateVerdict, counted, counts_things
from widgets.gate import Gate
from widgets.glyphs import Glyphs
from widgets.line import Line, section
from widgets.rows import Cell

if TYPE_CHECKING:
    from core.registry import Plan

_TONES = {GateVerdict.PASS: "good", GateVerdict.FAIL: "bad", GateVerdict.WARN: "warn"}
_ORDER = {GateVerdict.FAIL: 0, GateVerdict.WARN: 1, GateVerdict.PASS: 2}
_BROKEN = {">=": "<", "<=": ">"}


def verdict_cell(gate: GateResult, glyphs: Glyphs) -> Cell:
    """Draw a verdict with a glyph, a word and a tone."""
    glyph = {GateVerdict.PASS: glyphs.passed, GateVerdict.FAIL: glyphs.failed, GateVerdict.WARN: glyphs.warned}
    return Cell(f"{glyph[gate.verdict]} {gate.verdict}", _TONES[gate.verdict], str(gate.verdict))


def limit(gate: GateResult) -> str:
    """Spell the limit of a gate.

    >>> from core.quality.gate import judge
    >>> limit(judge("coverage", 99.0, ">=", 90.0, unit="%"))
    '>= 90%'
    """
    return f"{gate.comparison} {number(gate.threshold, '' if _counts(gate) else gate.unit)}"


def measured(gate: GateResult) -> str:
    """Spell what a gate measured.

    >>> from core.quality.gate import judge
    >>> [measured(judge("verified", n, "<=", 0.0, unit="problems")) for n in (0.0, 1.0, 3.0)]
    ['no problems', '1 problem', '3 problems']
    """
    if not _counts(gate) or gate.value not in (0, 1):
        return number(gate.value, gate.unit)
    return counted(gate.value, gate.unit)


def _bound(gate: GateResult) -> str:
    """Spell the limit behind what was measured: a count has its noun already."""
    if not _counts(gate):
        return limit(gate)
    return f"({'limit' if gate.comparison == '<=' else 'at least'} {number(gate.threshold)})"


def _counts(gate: GateResult) -> bool:
    """Return whether the unit is a noun for counted things, such as problems."""
    return counts_things(gate.unit, gate.threshold)


def worst_first(gates: Sequence[GateResult]) -> list[GateResult]:
    """Put failed gates on top; gates of one verdict keep their order."""
    return sorted(gates, key=lambda gate: _ORDER[gate.verdict])


def judged(gates: Sequence[GateResult]) -> list[Gate]:
    """Put gates into words for a `GateList`, failures first."""
    return [
        Gate(
            name=gate.name,
            verdict=gate.verdict.value,
            value=measured(gate),
            threshold=limit(gate),
            n_samples=gate.n_samples,
            reason=gate.reason if _says_more(gate) else "",
        )
        for gate in worst_first(gates)
    ]


def _says_more(gate: GateResult) -> bool:
    """Return whether the reason says more than the value and the limit beside it."""
    value, threshold = number(gate.value, gate.unit), number(gate.threshold, gate.unit)
    relations = (gate.comparison, _BROKEN[gate.comparison])
    figures = {f"{value} {relation} {threshold}" for relation in relations} | {f"{measured(gate)} {_bound(gate)}"}
    return gate.reason not in figures


def gate_lines(gates: Sequence[GateResult], glyphs: Glyphs, *, explained: bool = False) -> list[Line]:
    """Draw gates as lines for a dialog or a detail pane: verdict, name, value, limit; the reason under failures.

    Args:
        gates: The verdicts.
        glyphs: The signs of this terminal.
        explained: Show the reason and the samples under passed gates as well.
    """
    if not gates:
        return [Line((("no gates", "muted"),))]
    name_width = min(max(len(gate.name) for gate in gates), 24)
    value_width = max(len(measured(gate)) for gate in gates)
    lines = []
    for gate in worst_first(gates):
        verdict = verdict_cell(gate, glyphs)
        lines.append(
            Line(
                (
                    (f"{verdict.text:<7}", verdict.tone),
                    (f"{gate.name:<{name_width}} ", ""),
                    (f"{measured(gate):>{value_width}}", "strong"),
                    (f" {_bound(gate)}", "muted"),
                )
            )
        )
        if not gate.passed or explained:
            lines += [Line(((f"       {why}", "muted"),))] if (why := _why(gate, explained=explained)) else []
    return lines


def _why(gate: GateResult, *, explained: bool) -> str:
    """Say what a gate's line leaves out: its reason, what it rests on, and the rows that broke the rule."""
    counted_samples = f"{gate.n_samples} {gate.window.partition(' ')[0]}"  # "3 files hashed" needs no "on 3 files"
    is_said = counted_samples in gate.reason
    basis = gate.basis if (gate.n_samples or explained) and not is_said else ""
    reason = gate.reason if _says_more(gate) else ""
    return "; ".join(part for part in (reason, basis, "" if _names_all(reason, gate) else _offending(gate)) if part)


def _offending(gate: GateResult) -> str:
    """Count what broke the rule, and name the first few."""
    if not gate.n_offending:
        return ""
    noun = gate.unit if _counts(gate) and gate.value == gate.n_offending else "rows"
    noun = noun.removesuffix("s") if gate.n_offending == 1 else noun
    return f"{gate.n_offending:,} {noun}: {', '.join(gate.offending[:5])}"


def _names_all(reason: str, gate: GateResult) -> bool:
    """Return whether a reason names everything that broke the rule already."""
    return len(gate.offending) == gate.n_offending and all(each in reason for each in gate.offending)


def summary(gates: Sequence[GateResult], glyphs: Glyphs) -> Cell:
    """Count verdicts in a few characters: the worst one sets the tone."""
    if not gates:
        return Cell("–", "muted")
    n_failed = sum(gate.verdict is GateVerdict.FAIL for gate in gates)
    n_warned = sum(gate.verdict is GateVerdict.WARN for gate in gates)
    if n_failed:
        return Cell(f"{glyphs.failed} {n_failed}/{len(gates)} fail", "bad")
    if n_warned:
        return Cell(f"{glyphs.warned} {n_warned}/{len(gates)} warn", "warn")
    return Cell(f"{glyphs.passed} {len(gates)} pass", "good")


def promotion_lines(plan: "Plan", glyphs: Glyphs) -> list[Line]:
    """Write out the gates of a promotion by one stage, and who may override them.

    Args:
        plan: What promoting the version would do now.
        glyphs: The signs of this terminal.
    """
    if plan.to_stage is None:
        return [Line(((plan.refusal or "There is no higher stage.", "muted"),))]
    verdict = (f"{glyphs.passed} may", "good") if plan.allowed else (f"{glyphs.failed} may not", "bad")
    lines = [Line((verdict, (f" go from {plan.from_stage} to {plan.to_stage}", "strong")))]
    if plan.refusal and not plan.gates:
        lines.append(Line(((f"  {plan.refusal}", ""),)))
    lines += gate_lines(plan.gates, glyphs, explained=True) if plan.gates else []
    lines += [Line(((warning, "warn"),)) for warning in plan.warnings]
    if plan.gates:
        rules = f"bondx registry policy {plan.model} prints the limits; change them in the policy."
        return [*lines, *section("Who may override", (f"Nobody at promotion. {rules}",))]
    return lines
