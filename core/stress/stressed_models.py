"""Models under stress: their error, calibration and ranking against the truth of each scenario.

The domain draws a panel, and draws it again under each shock: covariates move, and labels and truth follow the laws of
the generator. What a model says is held against that truth, never against another model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from scipy.stats import rankdata

from core.domains.stress import LabelStressEngine, StressScenario, shock_at
from core.progress import begins
from core.quality.report import assess
from core.settings.quality import QualityGates
from core.stress.model_figures import CALM, FeatureBeyond, ModelCase, ModelUnderStress

if TYPE_CHECKING:
    import pandas as pd

    from core.arrays import FloatArray
    from core.domains.domain import DrawRequest
    from core.models.interface import Model, PanelLike
    from core.quality import CheckSet

_GROUPS = 10  # of rows by their answer, for the error of calibration
_MOST_FEATURES = 10


class ColumnRange(msgspec.Struct, frozen=True):
    """What a column held in the data that a model learned from: the least and greatest number, or the levels."""

    least: float | None = None
    most: float | None = None
    levels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StressedModel:
    """A trained model that is to be stressed.

    Attributes:
        name: Such as "spread@1.2.0".
        model: The model.
        ranges: Of the columns that it learned from.
    """

    name: str
    model: "Model"
    ranges: Mapping[str, ColumnRange]


def stressed_models(
    models: Sequence[StressedModel],
    engine: LabelStressEngine,
    request: "DrawRequest",
    scenarios: Sequence[tuple[StressScenario, str]],
    *,
    checks: "CheckSet",
    gates: QualityGates | None = None,
) -> tuple[ModelUnderStress, ...]:
    """Stress models, deterministically.

    Args:
        models: They judge the same panels.
        engine: Of their domain.
        request: For the panel.
        scenarios: Each with a severity. The shock is that of its last blow, with what is left of those before.
        checks: The quality checks of the domain.
        gates: Their thresholds.
    """
    cases: dict[str, list[ModelCase]] = {each.name: [] for each in models}
    calm_shares: dict[str, dict[str, float]] = {}
    counts: dict[str, int] = {}
    moments = [(None, ""), *scenarios]
    for scenario, severity in moments:
        named = CALM if scenario is None else f"{scenario.name}/{severity}"
        begins(f"drawing {request.n_rows:,} rows under {named}")
        shock = engine.shock() if scenario is None else shock_at(engine, scenario, severity, scenario.steps[-1].month)
        panel = engine.stressed_panel(request, shock)
        report = assess(panel.frame, checks, gates, source=named)
        failed = tuple(gate.name for gate in report.gates if gate.blocks)
        for each in models:
            figures, rows = model_figures(each.model, panel)
            shares = shares_beyond(rows, each.ranges)
            calm = calm_shares.setdefault(each.name, shares)
            counts.setdefault(each.name, len(rows))
            cases[each.name].append(
                ModelCase(
                    scenario=CALM if scenario is None else scenario.name,
                    family="" if scenario is None else scenario.family,
                    severity=severity,
                    figures=figures,
                    gates=failed,
                    beyond=_left(shares, calm),
                )
            )
    name = f"{request.n_rows:,} rows, seed {request.session_seed}"
    return tuple(
        ModelUnderStress(
            model=each.name,
            panel=name,
            n_rows=counts[each.name],
            calm=cases[each.name][0],
            cases=tuple(cases[each.name][1:]),
        )
        for each in models
    )


def model_figures(model: "Model", panel: "PanelLike") -> tuple[dict[str, float], "pd.DataFrame"]:
    """Return the figures of a model on a panel, and the rows that it is judged on."""
    rows = model.judged_rows(panel.frame)
    figures = {name: float(value) for name, value in model.evaluate(panel).items() if np.isfinite(value)}
    expected = model.expected_answers(panel, rows)
    if expected is not None:
        answer = np.asarray(model.predict(rows), dtype=np.float64)
        return truth_figures(answer, np.asarray(expected, dtype=np.float64)) | figures, rows
    # An optimum that no truth of these rows gives is one of the unstressed law.
    return {name: value for name, value in figures.items() if "optimum" not in name and name != "attainment"}, rows


def truth_figures(answer: "FloatArray", expected: "FloatArray") -> dict[str, float]:
    """Compare answers with the best possible ones, both of shape (n,).

    >>> found = truth_figures(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    >>> {name: round(value, 3) for name, value in found.items()}
    {'error': 2.0, 'bias': -2.0, 'calibration': 0.5, 'calibration_error': 0.5, 'ranking': 1.0}
    """
    miss, scale = answer - expected, float(np.abs(expected).mean())
    order = np.argsort(answer, kind="stable")
    groups = np.array_split(miss[order], min(_GROUPS, len(miss)))
    found = {"error": float(np.abs(miss).mean()), "bias": float(miss.mean())}
    if scale > 0:
        found["calibration"] = float(answer.mean() / expected.mean())
        found["calibration_error"] = sum(abs(float(part.sum())) for part in groups) / len(miss) / scale
    ranks = rankdata(answer), rankdata(expected)
    if all(float(np.ptp(each)) > 0 for each in ranks):
        found["ranking"] = float(np.corrcoef(*ranks)[0, 1])
    return found


def shares_beyond(rows: "pd.DataFrame", ranges: Mapping[str, ColumnRange]) -> dict[str, float]:
    """Return the share of rows in which each column is outside its range; empty cells are inside."""
    found: dict[str, float] = {}
    for name, known in ranges.items():
        if name not in rows or not len(rows):
            continue
        if known.levels:
            values = rows[name].astype(object)
            found[name] = float((values.notna() & ~values.astype(str).isin(known.levels)).mean())
        elif known.least is not None and known.most is not None:
            numbers = rows[name].to_numpy(dtype=np.float64)
            found[name] = float(((numbers < known.least) | (numbers > known.most)).mean())
    return found


def _left(shares: Mapping[str, float], calm: Mapping[str, float]) -> tuple[FeatureBeyond, ...]:
    left = [FeatureBeyond(name, share, calm.get(name, 0.0)) for name, share in shares.items()]
    left = [each for each in left if each.share > each.share_calm]
    return tuple(sorted(left, key=lambda each: (each.share_calm - each.share, each.name))[:_MOST_FEATURES])
