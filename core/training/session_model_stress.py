"""The stress test at the end of a session: its validation panel, and each model against every truth of a scenario."""

from collections.abc import Iterable, Mapping

import msgspec
import pandas as pd

from core.domains.report_section import ReportSection
from core.domains.stress import LabelStressEngine
from core.explain.deny_list import DenyList
from core.models import Model
from core.monitoring.data_profile import ColumnProfile
from core.settings import TrainingSettings
from core.stress.model_figures import ModelUnderStress, StressedTraining
from core.stress.report import StressReport
from core.stress.stressed_models import StressedModel, stressed_models
from core.training.panels import SessionPanels
from core.training.session_stress import SessionStress, case_section
from core.training.version_stress import ranges_of

FIGURES = ("error", "calibration", "ranking", "loss", "attainment")
_BEYOND = 3


def final_stress(
    settings: TrainingSettings,
    models: Mapping[str, Model],
    columns: Iterable[ColumnProfile],
    panels: SessionPanels,
    validation: pd.DataFrame,
    *,
    trained: tuple[StressedTraining, ...] = (),
) -> StressReport | None:
    """Stress the validation panel, and the models that ship on rows that are new to them.

    Args:
        settings: Of the session.
        models: By name.
        columns: Of the data that they learned from.
        panels: Of the session.
        validation: The rows of the validation panel.
        trained: What stressed rows in training did to each model.
    Returns:
        None where stress testing is off.
    """
    stress = SessionStress(settings)
    report = stress.report(validation)
    if report is None or not isinstance(stress.engine, LabelStressEngine):
        return report
    ranges = DenyList.of(settings.explanation).visible(ranges_of(columns))
    held = [
        StressedModel(
            name, model, {column: ranges[column] for column in model.feature_importance() if column in ranges}
        )
        for name, model in models.items()
    ]
    chosen = [(scenario, severity) for severity, scenarios in stress.chosen() for scenario in scenarios]
    found = stressed_models(
        held,
        stress.engine,
        panels.stress_request(),
        chosen,
        checks=panels.domain.checks,
        gates=settings.quality_gates,
    )
    return msgspec.structs.replace(report, models=found, trained=trained)


def stress_sections(report: StressReport | None) -> tuple[ReportSection, ...]:
    """Write out a stress test for the final report."""
    return () if report is None else (case_section(report), *map(_section, report.models))


def _section(model: ModelUnderStress) -> ReportSection:
    rows = []
    for case in (model.calm, *model.cases):
        ratio = model.ratio(case)
        rows.append(
            (
                case.scenario,
                case.severity,
                *(f"{case.figures[name]:.4g}" if name in case.figures else "" for name in FIGURES),
                "" if ratio is None else f"{ratio:.2f}",
                " ".join(case.gates),
                ", ".join(f"{each.name} {each.share:.0%}" for each in case.beyond[:_BEYOND]),
            )
        )
    return ReportSection(
        title=f"Stress tests: {model.model}",
        about=f"{model.model} against the truth of each scenario, on {model.n_rows:,} rows new to it: the mean "
        "absolute error, also as times that of calm; calibration, the mean answer over the mean truth; the rank "
        "correlation; the gates that the rows fail; the features that leave the trained range, with the share of rows.",
        columns=("scenario", "severity", *FIGURES, "times", "gates", "beyond"),
        rows=tuple(rows),
    )
