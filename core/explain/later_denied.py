"""What was stored before some of its columns were denied, without these columns: explanations, and results of gates."""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from msgspec.structs import replace

from core.explain.deny_list import DenyList, left_out_note
from core.explain.documents import GlobalExplanation
from core.explain.masked_values import masked_effect, tells_values
from core.quality.gate import GateResult, withheld


def without_denied(report: GlobalExplanation, denied: DenyList) -> GlobalExplanation:
    """Leave out the columns that were denied after an explanation was stored.

    Their contributions cannot be added up any more. Rules and notes are texts: what names one of these columns goes as
    a whole.
    """
    names = dict.fromkeys(
        [
            *(entry.feature for entry in report.features),
            *(name for group in report.groups for name in group.features),
            *(name for pair in report.interactions for name in pair.features),
        ]
    )
    if (scale := denied.scale_of_answers(report.scale)) != report.scale:
        report = replace(report, scale=scale)
    report = _without_values(report, denied)
    hidden = {name for name in (*names, *(each.slicing for each in report.slices)) if denied.denies(name)}
    if not hidden:
        return report
    surrogate = report.surrogate
    if surrogate is not None:
        surrogate = replace(
            surrogate,
            rules=denied.silent(surrogate.rules, hidden),
            disagrees=" ".join(denied.silent([surrogate.disagrees], hidden)),
        )
    left_out = left_out_note(len(hidden.intersection(names)), len(names))
    return replace(
        report,
        features=tuple(entry for entry in report.features if entry.feature not in hidden),
        groups=tuple(group for group in report.groups if not hidden.intersection(group.features)),
        effects=tuple(effect for effect in report.effects if effect.feature not in hidden),
        slices=tuple(
            replace(each, importance={name: size for name, size in each.importance.items() if name not in hidden})
            for each in report.slices
            if each.slicing not in hidden
        ),
        surrogate=surrogate,
        interactions=tuple(pair for pair in report.interactions if not hidden.intersection(pair.features)),
        notes=(*denied.silent(report.notes, hidden), left_out),
    )


def _without_values(report: GlobalExplanation, denied: DenyList) -> GlobalExplanation:
    """Leave out the values of columns that may appear without them; each rule that tells one goes as a whole."""
    masked = [entry.feature for entry in report.features if denied.hides_values(entry.feature)]
    if not masked:
        return report

    def silent(text: str) -> bool:
        return not any(tells_values(text, name) for name in masked)

    surrogate = report.surrogate
    if surrogate is not None:
        disagrees = surrogate.disagrees if silent(surrogate.disagrees) else ""
        surrogate = replace(surrogate, rules=tuple(filter(silent, surrogate.rules)), disagrees=disagrees)
    return replace(
        report,
        effects=tuple(masked_effect(each) if denied.hides_values(each.feature) else each for each in report.effects),
        slices=tuple(each for each in report.slices if not denied.hides_values(each.slicing)),
        surrogate=surrogate,
    )


def gates_as_shown(gates: Sequence[GateResult], denied: DenyList) -> tuple[GateResult, ...]:
    """Return results of gates without the figures and the cells of columns that were denied after they were judged.

    A result of an earlier release does not list its columns. It tells its verdict alone if a word of its name or of its
    texts is denied.

    >>> from core.quality.gate import judge
    >>> found = [judge("median", 12.0, ">=", 10.0, columns=["size"]), judge("coverage", 99.0, ">=", 90.0, unit="%")]
    >>> [gate.value for gate in gates_as_shown(found, DenyList(["size"]))]
    [None, 99.0]
    """
    return tuple(_gate_as_shown(gate, denied) for gate in gates) if denied.patterns else tuple(gates)


def _gate_as_shown(gate: GateResult, denied: DenyList) -> GateResult:
    if denied.among(_words_of(gate) if gate.columns is None else gate.columns):
        return withheld(gate)
    return replace(gate, offending=()) if denied.among(gate.named_by) else gate


def _words_of(gate: GateResult) -> Iterator[str]:
    """Yield every word of a result that may name a column: `liquidity_index_median` holds `liquidity_index`."""
    parts = gate.name.split("_")
    yield from ("_".join(parts[begin:end]) for begin, end in combinations(range(len(parts) + 1), 2))
    yield from re.findall(r"\w+", " ".join((gate.reason, *gate.offending)))
