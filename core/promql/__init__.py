"""PromQL: parse and evaluate expressions over a source of series, and expand the templates of alerts."""

from core.promql.budget import EvaluationBudget, EvaluationLimits, EvaluationStoppedError
from core.promql.errors import PromqlError
from core.promql.expression import Expression
from core.promql.series import STALE, Matcher, SeriesInMemory, SeriesLabels, SeriesSamples, SeriesSource, VectorSample
from core.promql.templates import check_template, expand

__all__ = [
    "STALE",
    "EvaluationBudget",
    "EvaluationLimits",
    "EvaluationStoppedError",
    "Expression",
    "Matcher",
    "PromqlError",
    "SeriesInMemory",
    "SeriesLabels",
    "SeriesSamples",
    "SeriesSource",
    "VectorSample",
    "check_template",
    "expand",
]
