"""The metrics that a model reports, checked where the engine receives them: a plug-in may return anything."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from core.arrays import AnyArray, BoolArray
from core.errors import RefusedError
from core.models import Attainment, Model, PanelLike
from core.models.interface import table_of
from core.models.standard_scores import standard_scores

log = logging.getLogger(__name__)


class UnusableMetricError(RefusedError):
    """A model returned something that is not a metric."""

    def __init__(self, domain: str, model: str, member: str, problem: str) -> None:
        super().__init__(
            f"The model {model!r} of the domain {domain!r}: `{member}` {problem}. Correct the model, then start a new "
            "session."
        )


def measured(model: Model, name: str, panel: PanelLike, *, domain: str) -> dict[str, float]:
    """Evaluate a model, and return its metrics as plain floats.

    Args:
        model: The model.
        name: Its name in the settings.
        panel: A panel it was not trained on.
        domain: The name of its domain.
    Returns:
        The metrics; NaN or infinity where one could not be measured, or where a loss has diverged.
    Raises:
        UnusableMetricError: It did not return a mapping of names to numbers.
    """
    return measured_with_answers(model, name, panel, domain=domain)[0]


def measured_with_answers(
    model: Model, name: str, panel: PanelLike, *, domain: str
) -> tuple[dict[str, float], "Answers | None"]:
    """Evaluate a model as `measured` does; return the answers behind its standard scores, too, if it has any.

    Raises:
        UnusableMetricError: It did not return a mapping of names to numbers.
    """
    figures, answers = _evaluated(model, name, panel, domain=domain), answers_of(model, panel)
    return _with_standard(figures, answers), answers


def measured_with_interval(model: Model, name: str, panel: PanelLike, *, seed: int, domain: str) -> dict[str, float]:
    """Measure every metric on a test panel, and the interval of the attainment.

    Args:
        model: The model.
        name: Its name in the settings.
        panel: The test panel.
        seed: The seed of the resampling.
        domain: The name of its domain.
    Raises:
        UnusableMetricError: The model returned something that is not a metric.
    """
    figures = _evaluated(model, name, panel, domain=domain)
    attainment = model.attainment(panel, seed=seed)
    if attainment is None:
        return finite(_with_standard(figures, answers_of(model, panel)))
    if not isinstance(attainment, Attainment):
        raise UnusableMetricError(
            domain,
            name,
            "attainment",
            f"returned {type(attainment).__name__}; it must return a core.models.Attainment or None",
        )
    figures |= {
        "attainment": attainment.attainment,
        "attainment_low": attainment.low,
        "attainment_high": attainment.high,
        "gini_attainment": attainment.gini,
        "optimum": attainment.optimum,
        "leak": float(attainment.leak),
    }
    return finite(_with_standard(figures, answers_of(model, panel)))


def plain(told: Mapping[str, Any], name: str, member: str, *, domain: str) -> dict[str, Any]:
    """Turn the numbers of numpy in what a model tells of itself into Python's, which JSON can write.

    Args:
        told: What its `member` returned.
        name: The model's name in the settings.
        member: The method.
        domain: The name of its domain.
    Raises:
        UnusableMetricError: It holds something that JSON cannot write.
    """

    def as_number(value: object) -> object:
        if isinstance(value, np.generic):
            return value.item()
        raise UnusableMetricError(
            domain, name, member, f"returned a {type(value).__name__}; it must return plain JSON values"
        )

    built: dict[str, Any] = msgspec.to_builtins(told, enc_hook=as_number)
    return built


def _evaluated(model: Model, name: str, panel: PanelLike, *, domain: str) -> dict[str, float]:
    figures = model.evaluate(panel)
    if not isinstance(figures, Mapping):
        raise UnusableMetricError(
            domain, name, "evaluate", f"returned {type(figures).__name__}; it must return a dict of metrics by name"
        )
    metrics: dict[str, float] = {}
    for metric, value in figures.items():
        if not isinstance(metric, str):
            raise UnusableMetricError(domain, name, "evaluate", f"named a metric {metric!r}; a name must be a string")
        if not isinstance(value, Real):  # numpy's numbers are Real, too
            raise UnusableMetricError(
                domain, name, "evaluate", f"returned {value!r} as {metric}; a metric must be a number"
            )
        metrics[metric] = float(value)
    return metrics


def _with_standard(metrics: Mapping[str, float], answers: "Answers | None") -> dict[str, float]:
    """Add the standard scores behind a model's own metrics, since lists with room for a few show the first."""
    standard = {} if answers is None else answers.scores()
    return {**metrics, **{name: score for name, score in standard.items() if name not in metrics}}


@dataclass(frozen=True, slots=True)
class Answers:
    """A model's answers to the rows of a panel that are judged."""

    task: str
    rows: pd.DataFrame
    actual: AnyArray
    answer: AnyArray
    decided: BoolArray | None

    def scores(self, part: BoolArray | slice = slice(None)) -> dict[str, float]:
        """Measure the standard scores of all rows, or of some."""
        decided = None if self.decided is None else self.decided[part]
        return standard_scores(self.task, self.actual[part], self.answer[part], decided)


def answers_of(model: Model, panel: PanelLike) -> Answers | None:
    """Return a model's answers for the standard scores; None if it has no label, no task or no answers."""
    try:
        rows = model.judged_rows(table_of(panel))
        answer = np.asarray(model.predict(rows))
        return Answers(model.task, rows, rows[model.label].to_numpy(), answer, model.decide(answer))
    except Exception:  # a plug-in need not have them: its own metrics decide whether it is usable
        log.debug("no standard scores of %s", type(model).__name__, exc_info=True)
        return None


def finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """Leave out the metrics that are NaN or infinite: JSON has no spelling for them.

    >>> finite({"loss": float("nan"), "auc": 0.9})
    {'auc': 0.9}
    """
    return {metric: value for metric, value in metrics.items() if math.isfinite(value)}
