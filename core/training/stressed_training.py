"""What stressed rows bought a session's models, and what they cost in calm.

Two refits of the session's own recipe are compared: one on its draws as they are, one on the same rows without a
shock. Both answer the rows of a panel that is new to them, in calm and under each scenario, against the scenario's own
truth. Eight further pairs, each trained on a random half of the groups, say how much of a change is the chance of the
training. All intervals of a model hold at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.arrays import AnyArray, FloatArray
from core.domains.report_section import ReportSection
from core.domains.stress import LabelStressEngine, StressScenario, shock_at
from core.intervals import retrained_interval
from core.intervals.units import ERROR_RATE
from core.models import Model, PanelLike
from core.progress import begins
from core.seeds import derive_seed
from core.settings import TrainingSettings
from core.stress.model_figures import CALM, ErrorChange, StressedTraining
from core.training.model_set import ModelSet
from core.training.panels import Draw, SessionPanels, rows_of_panel
from core.training.session_stress import SessionStress

REFIT = "refit"
N_HALVES = 8


@dataclass(frozen=True, slots=True)
class _Pair:
    """Models by name that learned from stressed rows, and from the same rows in calm."""

    after: Mapping[str, Model]
    before: Mapping[str, Model]

    def errors(self, name: str, panel: PanelLike, group_column: str | None) -> "_Errors | None":
        """Return the errors of both models of a name; None if it has no truth, or no row to judge."""
        model = self.after[name]
        rows = model.judged_rows(panel.frame)
        if not len(rows) or (expected := model.expected_answers(panel, rows)) is None:
            return None
        truth = np.asarray(expected, dtype=np.float64)
        after, before = (
            np.abs(np.asarray(each.predict(rows), dtype=np.float64) - truth) for each in (model, self.before[name])
        )
        group = np.arange(len(rows)) if group_column is None else rows[group_column].to_numpy()
        return _Errors(after, before, group)


@dataclass(frozen=True, slots=True)
class _Errors:
    """The absolute error of each judged row of two models, and its group, each of shape (n,)."""

    after: FloatArray
    before: FloatArray
    group: AnyArray

    @property
    def change(self) -> float:
        """The change of the mean error."""
        return float(self.after.mean() - self.before.mean())


def stressed_training(
    settings: TrainingSettings, refitted: Mapping[str, Model], pool: Draw, panels: SessionPanels
) -> tuple[StressedTraining, ...]:
    """Compare models that learned from stressed rows with models that learned from the same rows in calm.

    Args:
        settings: Of the session.
        refitted: By name, trained on the pool with the seed of a refit.
        pool: The draws of the epochs.
        panels: Of the session.
    Returns:
        One for each model whose answers have a known truth; nothing where no row was stressed.
    """
    stress = SessionStress(settings)
    if pool.without_stress is None or not isinstance(stress.engine, LabelStressEngine):
        return ()
    pair, halves = _pairs(settings, refitted, pool, panels)
    chosen = [(scenario, severity) for severity, scenarios in stress.chosen() for scenario in scenarios]
    request, group_column = panels.stress_request(), panels.domain.group_column
    tail = 1 - ERROR_RATE / 2 / (len(chosen) + 1)
    found: dict[str, list[ErrorChange]] = {name: [] for name in refitted}
    n_rows: dict[str, int] = {}
    moments: list[tuple[StressScenario | None, str]] = [(None, ""), *chosen]
    for scenario, severity in moments:
        key = CALM if scenario is None else f"{scenario.name}/{severity}"
        begins(f"drawing {request.n_rows:,} rows under {key}")
        shock = (
            stress.engine.shock()
            if scenario is None
            else shock_at(stress.engine, scenario, severity, scenario.steps[-1].month)
        )
        panel = stress.engine.stressed_panel(request, shock)
        for name in refitted:
            if (errors := pair.errors(name, panel, group_column)) is None:
                continue
            n_rows[name] = len(errors.group)
            of_halves = [each.change for half in halves if (each := half.errors(name, panel, group_column)) is not None]
            interval = retrained_interval(
                errors.after - errors.before, errors.group, np.asarray(of_halves, dtype=np.float64), tail=tail
            )
            found[name].append(
                ErrorChange(
                    scenario=CALM if scenario is None else scenario.name,
                    family="" if scenario is None else scenario.family,
                    severity=severity,
                    error=float(errors.after.mean()),
                    error_without=float(errors.before.mean()),
                    low=None if interval is None else interval.low,
                    high=None if interval is None else interval.high,
                    n_learned=pool.record.stressed.get(key, 0),
                )
            )
    return tuple(
        StressedTraining(
            model=name,
            n_rows=n_rows[name],
            n_learned=pool.record.n_rows,
            n_stressed=sum(pool.record.stressed.values()),
            calm=changes[0],
            cases=tuple(changes[1:]),
        )
        for name, changes in found.items()
        if len(changes) == len(moments)
    )


def _pairs(
    settings: TrainingSettings, refitted: Mapping[str, Model], pool: Draw, panels: SessionPanels
) -> tuple[_Pair, list[_Pair]]:
    """Train the models of the comparison: those on all rows in calm, and pairs on halves of the groups."""
    seed = derive_seed(settings.random_seed, REFIT)

    def learned(panel: PanelLike) -> Mapping[str, Model]:
        model_set = ModelSet(settings)
        model_set.learn(panel, seed=seed)
        return model_set.models

    begins("the refit without stressed rows")
    pair = _Pair(refitted, learned(pool.calm))
    code = panels.group_codes(pool.calm.frame)
    n_groups, halves = int(code.max(initial=-1)) + 1, []
    for number in range(N_HALVES if n_groups > 1 else 0):
        begins(f"refits on half {number + 1} of {N_HALVES} of the groups")
        order = np.random.default_rng(derive_seed(settings.random_seed, "halves of a refit", number))
        keep = np.isin(code, order.permutation(n_groups)[: n_groups // 2])
        halves.append(_Pair(learned(rows_of_panel(pool.panel, keep)), learned(rows_of_panel(pool.calm, keep))))
    return pair, halves


def training_section(trained: StressedTraining) -> ReportSection:
    """Write out what stressed rows bought and cost a model, for the final report."""
    return ReportSection(
        title=f"Stressed rows in training: {trained.model}",
        about=f"{trained.n_stressed:,} of {trained.n_learned:,} rows were drawn under scenarios. Two refits of "
        f"{trained.model} are compared, with these rows and with the same rows in calm, by their mean absolute error "
        f"against the truth on {trained.n_rows:,} rows new to both. The intervals of the change hold at once with "
        "95 %, for other judged rows and other training rows; a scenario that moves nothing the model reads is as "
        f"calm: {trained.words}.",
        columns=("scenario", "severity", "learned rows", "without", "with", "change", "interval", "verdict"),
        rows=tuple(
            (
                case.scenario,
                case.severity,
                f"{case.n_learned:,}",
                f"{case.error_without:.4g}",
                f"{case.error:.4g}",
                f"{case.change:+.1%}",
                case.interval_words,
                case.verdict,
            )
            for case in (trained.calm, *trained.cases)
        ),
    )
