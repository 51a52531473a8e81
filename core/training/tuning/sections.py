"""The search of parameters in the final report, which the console shows, too."""

from collections.abc import Sequence

from core.domains.report_section import ReportSection
from core.training.tuning.records import SelectionRecord, TuningRecord
from core.training.tuning.words import spelled


def tuning_sections(records: Sequence[TuningRecord], groups: str) -> tuple[ReportSection, ...]:
    """Write the verdicts as a table; none without a search."""
    if not records:
        return ()
    about = (
        "Gain: loss of the settings' recipe less that of the tuned parameters, as a share of it, with its 95 % "
        f"interval over the {groups} of a panel that chose neither. The tuned parameters are used only if the whole "
        f"interval is above zero. {' '.join(_verdict(record) for record in records)}"
    )
    columns = ("model", "trials", "loss in search", "fresh loss", "95 % interval", "gain", "gain 95 %", "used")
    return (
        ReportSection(title="Tuning", about=about, columns=columns, rows=tuple(_row(record) for record in records)),
    )


def selection_sections(records: Sequence[SelectionRecord]) -> tuple[ReportSection, ...]:
    """Write the columns of each model as a table; none without a choice."""
    if not records:
        return ()
    about = (
        "Folds: the share of the folds, of whole groups, that keep a column. Shadow: the score of the best copy that "
        f"says nothing. {' '.join(_selection_verdict(record) for record in records)}"
    )
    rows = tuple(
        (
            record.model,
            each.name,
            f"{each.score:.4f}",
            f"{each.shadow:.4f}",
            f"{each.kept_on:.0%}",
            ("kept" if record.ships else "would keep")
            if each.is_kept
            else ("dropped" if record.ships else "would drop"),
        )
        for record in records
        for each in record.columns
    )
    columns = ("model", "column", "score", "shadow", "folds", "verdict")
    return (ReportSection(title="Columns", about=about, columns=columns, rows=rows),)


def _selection_verdict(record: SelectionRecord) -> str:
    counts = f"{record.n_kept} of {record.n_columns} columns kept by {record.method.replace('_', ' ')}"
    return f"{record.model}: {counts}; {record.why.partition(': ')[0] if record.low is not None else record.why}."


def _verdict(record: TuningRecord) -> str:
    used = f" Parameters: {spelled(record.best)}." if record.ships and record.best else ""
    return f"{record.model}: {record.why.partition(': ')[0] if record.low is not None else record.why}.{used}"


def _row(record: TuningRecord) -> tuple[str, ...]:
    return (
        record.model,
        str(record.n_trials),
        _figure(record.best_loss),
        _figure(record.fresh_loss),
        _interval(record.fresh_low, record.fresh_high),
        _share(record.improvement, record),
        "–"
        if record.low is None or record.high is None
        else f"{_share(record.low, record)} to {_share(record.high, record)}",
        "tuned" if record.ships else "settings",
    )


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:.4g} to {high:.4g}"


def _share(value: float | None, record: TuningRecord) -> str:
    if value is None:
        return "–"
    return f"{value / record.fresh_given_loss:+.2%}" if record.fresh_given_loss else f"{value:+.3g}"
