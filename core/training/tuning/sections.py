"""The search of parameters in the final report, which the console shows, too."""

from collections.abc import Sequence

from core.domains.report_section import ReportSection
from core.training.tuning.records import TuningRecord
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


def _verdict(record: TuningRecord) -> str:
    used = f" ParameterValues: {spelled(record.best)}." if record.ships and record.best else ""
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
