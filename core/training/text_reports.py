"""The final report of a session that trained a model of language, as data and as a page to read.

Like the other final reports it is a function of the settings alone: no clock, host, process or identifier.
"""

from typing import Any

import msgspec

from core.quality.gate import GateResult
from core.training.convergence import Judgement
from core.training.records import FinalRecord, SessionModelFacts
from core.training.scores import EpochScores
from core.training.text_training import TextTraining


def text_final_report(
    text: TextTraining,
    history: EpochScores,
    final: FinalRecord,
    facts: SessionModelFacts,
    *,
    judgement: Judgement,
    notice: str,
) -> dict[str, Any]:
    """Build the final report.

    Args:
        text: What was trained.
        history: The scores of all evaluations, oldest first.
        final: The model and its judgement.
        facts: What the registry is told of it.
        judgement: Why the session ended.
        notice: The notice shown before any figure; empty for a user's own documents.
    """
    return {
        "notice": notice,
        "end": {"reason": str(judgement.end), "explanation": judgement.reason},
        "n_epochs": len(history),
        "best_epoch": final.best_epoch,
        "score": final.score,
        "models": [msgspec.to_builtins(model) for model in final.models],
        "sections": [msgspec.to_builtins(section) for section in final.sections],
        "documents": [msgspec.to_builtins(draw) for draw in final.draws],
        "gates": [msgspec.to_builtins(gate) for gate in facts.gates],
        "history": [{"epoch": number, "score": entry.score} for number, entry in enumerate(history, start=1)],
        "text_model": text.parameters,
    }


def text_report_markdown(report: dict[str, Any], final: FinalRecord, facts: SessionModelFacts) -> bytes:
    """Format the final report as a page."""
    end, model = report["end"], final.models[0]
    lines = [
        "# Training report",
        "",
        *([f"> {report['notice']}", ""] if report["notice"] else []),
        f"Ended after {report['n_epochs']} evaluations: **{end['reason']}** ({end['explanation']}).",
        f"{model.name} is a model of language ({model.chosen}): {facts.description}.",
    ]
    for section in final.sections:
        lines += ["", f"## {section.title}", "", section.about, "", _row(section.columns)]
        lines += [_row(["---"] * len(section.columns)), *map(_row, section.rows)]
    lines += ["", "## Figures", "", "| figure | value |", "| --- | ---: |"]
    lines += [f"| {name} | {value:.5g} |" for name, value in sorted(model.metrics.items())]
    lines += ["", "## Gates", "", "| gate | verdict | value and limit | measured |", "| --- | --- | --- | --- |"]
    lines += [_row(_gate(gate)) for gate in facts.gates]
    lines += ["", "## Documents", "", "| documents | seed | SHA-256 |", "| ---: | ---: | --- |"]
    lines += [f"| {draw.n_rows} | {draw.seed} | `{draw.sha256}` |" for draw in final.draws]
    return "\n".join([*lines, ""]).encode()


def _gate(gate: GateResult) -> list[str]:
    return [gate.name, str(gate.verdict), gate.reason, gate.basis]


def _row(cells: "list[str] | tuple[str, ...]") -> str:
    return f"| {' | '.join(cells)} |"
