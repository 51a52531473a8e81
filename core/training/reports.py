"""The reports of a session, as data and as a page to read.

Epoch reports and the final report are functions of the settings alone: no clock, host, process or identifier, so two
runs of the same settings write the same bytes. Facts that differ between runs (timings, versions, the state of the
machine) are in `dashboard_metrics.json` and `system_health_report.json`.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import msgspec

from core.clock import to_iso
from core.domains.report_section import ReportSection
from core.natural_order import natural
from core.training.convergence import Judgement, expectation, quality_band
from core.training.records import EpochRecord, FinalModel, FinalRecord
from core.training.scores import EpochScores
from core.training.session import Session

N_IMPORTANT = 8
REPRODUCE = "bondx data reproduce final_report.json --out DIR"
"""The command that draws the data sets of a report again, and checks each against its hash."""
N_WHOLE = 200  # of the epochs of a dashboard


def epoch_report(record: EpochRecord, *, notice: str) -> bytes:
    """Write one epoch as JSON on one line, headed by the notice to the reader."""
    return msgspec.json.encode({"notice": notice, **msgspec.to_builtins(record)}, order="deterministic")


def final_report(
    settings: dict[str, Any],
    history: EpochScores,
    last: EpochRecord,
    final: FinalRecord,
    *,
    judgement: Judgement,
    announcements: Iterable[str],
    notice: str,
    warnings: Iterable[str] = (),
) -> dict[str, Any]:
    """Build the final report of a session.

    Args:
        settings: The session's settings.
        history: The scores of all epochs, oldest first.
        last: The last epoch.
        final: The models that ship and their one test.
        judgement: Why the session ended.
        announcements: Features that the settings switch on, but that were not carried out.
        notice: The notice shown before any figure.
        warnings: Where training differed from what the settings suggest.
    """
    quality = fmean(entry.quality_score for entry in history)
    return {
        "notice": notice,
        "end": {"reason": str(judgement.end), "explanation": judgement.reason},
        "n_epochs": len(history),
        "n_rejected_epochs": history.n_skipped,
        "best_epoch": final.best_epoch,
        "score": final.score,
        "data_quality": {
            "mean": quality,
            "band": quality_band(quality),
            "expectation": expectation(quality, settings["quality_threshold"]),
        },
        "not_done": list(announcements),
        "warnings": list(warnings),
        "models": [msgspec.to_builtins(model) for model in final.models],
        "columns": [msgspec.to_builtins(record) for record in final.selections],
        "tuning": [msgspec.to_builtins(record) for record in final.tuning],
        "ensembles": [msgspec.to_builtins(record) for record in final.ensembles],
        "sections": [msgspec.to_builtins(section) for section in final.sections],
        "panels": [msgspec.to_builtins(draw) for draw in final.draws],
        "last_draw": msgspec.to_builtins(last.draw),
        "reproduce": REPRODUCE,
        "gates_of_last_epoch": [msgspec.to_builtins(gate) for gate in last.gates],
        "history": [
            {"epoch": number, "score": entry.score, "quality_score": entry.quality_score}
            for number, entry in enumerate(history, start=1)
        ],
        "settings": settings,
    }


def final_report_json(report: dict[str, Any]) -> bytes:
    """Format the final report as JSON."""
    return _to_json(report)


def final_report_markdown(report: dict[str, Any], final: FinalRecord, last: EpochRecord, *, groups: str) -> bytes:
    """Format the final report as a page; `groups` is the domain's word for its groups."""
    end, quality = report["end"], report["data_quality"]
    lines = [
        "# Training report",
        "",
        f"> {report['notice']}",
        "",
        f"Ended after {report['n_epochs']} epochs: **{end['reason']}** ({end['explanation']}).  ",
        f"Score on the test panels (mean attainment over {len(final.models)} models): **{final.score:.4f}**. "
        f"Attainment is the share of the best attainable score on these data.  ",
        f"Data quality: {quality['mean']:.3f}, {quality['band']}; {quality['expectation']}.",
        *(f"- Warning: {sentence}" for sentence in report["warnings"]),
        *(f"- Not done: {sentence}" for sentence in report["not_done"]),
        "",
        "## Models",
        "",
        "| model | ships | way | " + " | ".join(_panels(final.models)) + " |",
        "| --- | --- | --- |" + " --- |" * len(_panels(final.models)),
        *(_model_row(model, _panels(final.models)) for model in final.models),
        "",
        f"Each cell: attainment on that test panel, with its 95 % interval over {groups}. The test panels were used "
        "once, after every choice had been made. Way: continued from the best checkpoint, or refit on many draws "
        "together, whichever scored better on the validation panel; or an ensemble, where a panel that chose nothing "
        "shows that it is better.",
        *(f"\n**Leak alarm**: {sentence}" for sentence in leaks(final)),
    ]
    for model in final.models:
        lines += ["", f"### {model.name}", "", *_model_section(model)]
    for section in final.sections:
        lines += ["", f"## {section.title}", "", section.about, "", *_table(section)]
    lines += [
        "",
        "## Data",
        "",
        f"| panel | seed | rows | {groups} | SHA-256 |",
        "| --- | ---: | ---: | ---: | --- |",
        *(
            f"| {draw.purpose} | {draw.seed} | {draw.n_rows} | {draw.n_groups} | `{draw.sha256[:16]}` |"
            for draw in (*final.draws, last.draw)
        ),
        "",
        f"`{report['reproduce']}` draws these data again, except `draws`, and checks each against its SHA-256. "
        "`--panel` and `--epoch` select others.",
        "",
        "## Quality gates of the last epoch",
        "",
        "| gate | verdict | value and threshold | measured |",
        "| --- | --- | --- | --- |",
        *(f"| {gate.name} | {gate.verdict} | {gate.reason} | {gate.basis} |" for gate in last.gates),
        "",
    ]
    return "\n".join(lines).encode()


def dashboard_metrics(
    session: Session,
    history: EpochScores,
    durations: Sequence[float],
    times: Mapping[str, Mapping[str, float]],
) -> bytes:
    """Write the state of a session for dashboards: its newest epochs, and earlier epochs at even steps.

    Args:
        session: The session.
        history: The scores of all epochs.
        durations: Seconds of the newest epochs.
        times: The training seconds of each model, by their names in the file.
    """
    observed = session.observed
    epochs = thinned(len(history))
    return _to_json(
        {
            "session_id": session.session_id,
            "name": session.name,
            "run_id": session.run_id,
            "as_of": to_iso(session.updated_at or session.created_at),
            "desired": str(session.desired),
            **msgspec.to_builtins(observed),
            "recent_epoch_seconds": [round(seconds, 4) for seconds in durations],
            **{name: {model: round(took, 4) for model, took in each.items()} for name, each in times.items()},
            "n_epochs_done": len(history),
            "history": {
                "epoch": epochs,
                "score": [history[epoch - 1].score for epoch in epochs],
                "quality_score": [history[epoch - 1].quality_score for epoch in epochs],
            },
        }
    )


def thinned(n_epochs: int) -> list[int]:
    """Choose the epochs that a dashboard draws: at most 200 earlier ones at even steps, and the newest 200.

    The step is a power of two, so that an epoch once drawn stays until the step doubles.

    >>> thinned(3)
    [1, 2, 3]
    >>> len(thinned(1_000_000)), thinned(1_000_000)[:3]
    (322, [8192, 16384, 24576])
    """
    step, first_whole = 1, max(1, n_epochs - N_WHOLE + 1)
    while (first_whole - 1) // step > N_WHOLE:
        step *= 2
    return [*range(step, first_whole, step), *range(first_whole, n_epochs + 1)]


def system_health_report(
    session: Session, resources: Mapping[str, Sequence[tuple[float, float]]], problems: int
) -> bytes:
    """Write the state of the machine and the trainer during a session.

    Args:
        session: The session.
        resources: Samples by series: unix seconds and value.
        problems: Alerts that were open when the session ended.
    """
    observed = session.observed
    return _to_json(
        {
            "session_id": session.session_id,
            "as_of": to_iso(session.updated_at or session.created_at),
            "phase": str(observed.phase),
            "n_epochs": observed.epoch,
            "n_failed_attempts": observed.n_failed_epochs,
            "n_rejected_epochs": observed.n_rejected_epochs,
            "last_failure": observed.failure,
            "trained_seconds": round(observed.trained_seconds, 3),
            "mean_epoch_seconds": round(observed.trained_seconds / observed.epoch, 4) if observed.epoch else None,
            "n_open_alerts": problems,
            "resources": spreads(resources),
        }
    )


def leaks(final: FinalRecord) -> list[str]:
    """Name the scores that beat the optimum by more than chance: the model has seen what it must not know."""
    return [
        f"{model.name} scores above the optimum on {key.removesuffix('.leak')}"
        for model in final.models
        for key, value in model.metrics.items()
        if key.endswith(".leak") and value
    ]


def spreads(resources: Mapping[str, Sequence[tuple[float, float]]]) -> dict[str, dict[str, float]]:
    """Summarise samples by series; a series without samples is left out."""
    return {series: _spread([value for _, value in samples]) for series, samples in resources.items() if samples}


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "n_samples": len(values),
        "min": min(values),
        "mean": round(sum(values) / len(values), 3),
        "max": max(values),
    }


def _table(section: ReportSection) -> list[str]:
    rows = (section.columns, tuple("---:" if right else "---" for right in section.figures), *section.rows)
    return [f"| {' | '.join(cells)} |" for cells in rows]


def _panels(models: Iterable[FinalModel]) -> list[str]:
    """Name the test panels in the order they were used."""
    names = (key.split(".")[0] for model in models for key in model.metrics if key.endswith(".attainment"))
    return list(dict.fromkeys(names))


def _model_row(model: FinalModel, panels: Sequence[str]) -> str:
    return (
        f"| {model.name} | {model.chosen} | {model.way} | "
        + " | ".join(_attainment(model, panel) for panel in panels)
        + " |"
    )


def _attainment(model: FinalModel, panel: str) -> str:
    value = model.metrics.get(f"{panel}.attainment")
    if value is None:
        return "–"
    low, high = (model.metrics.get(f"{panel}.attainment_{side}") for side in ("low", "high"))
    return f"{value:.4f}" + (f" ({low:.4f} to {high:.4f})" if low is not None and high is not None else "")


def _model_section(model: FinalModel) -> list[str]:
    important = sorted(model.importance.items(), key=lambda item: (-item[1], item[0]))[:N_IMPORTANT]
    rows = sorted(key for key in model.metrics if "attainment" not in key and not key.endswith(".leak"))
    return [
        "| metric | value |",
        "| --- | ---: |",
        *(f"| {key} | {model.metrics[key]:.5g} |" for key in rows),
        "",
        "Most important columns: " + ", ".join(f"{name} {share:.1%}" for name, share in important) + ".",
        *_slices_table(model),
    ]


def _slices_table(model: FinalModel) -> list[str]:
    """Draw the scores by slice, for a page: a row for each slice.

    The order is that of the page: a record that was read back after a crash has its slices in the order of its file.
    """
    if not model.slices:
        return []
    columns = sorted({name for scores in model.slices.values() for name in scores} - {"n_rows"})
    return [
        "",
        "By slice of the first test panel (slices of at least 30 rows):",
        "",
        "| slice | rows | " + " | ".join(columns) + " |",
        "| --- |" + " ---: |" * (len(columns) + 1),
        *(
            f"| {name} | {scores['n_rows']:.0f} | "
            + " | ".join(f"{scores[column]:.4g}" if column in scores else "–" for column in columns)
            + " |"
            for name, scores in sorted(model.slices.items(), key=lambda slice_: natural(slice_[0]))
        ),
    ]


def _to_json(document: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document, order="deterministic"), indent=2) + b"\n"
