"""The metrics of a model at each minute, read from the recorded series."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from core.alerts.anomaly.baseline import DAY_MS, MINUTE_MS
from core.arrays import FloatArray, IntArray
from core.promql import EvaluationLimits, Expression, Matcher, SeriesSamples, SeriesSource
from core.settings.alert_anomaly import AnomalySettings

MODEL: Final = "model"

READY_MADE_METRICS: Final[Mapping[str, str]] = {
    "predictions_per_minute": "60 * sum by (model) (rate(bondx_predict_rows_total[5m]))",
    "error_ratio": "(sum by (model) (rate(bondx_predict_failures_total[5m])) or 0 * sum by (model) "
    "(rate(bondx_predict_seconds_count[5m]))) / sum by (model) (rate(bondx_predict_seconds_count[5m]))",
    "latency_p95_seconds": "histogram_quantile(0.95, sum by (model, le) (rate(bondx_predict_seconds_bucket[5m])))",
    "unfamiliar_ratio": "(sum by (model) (rate(bondx_predict_unfamiliar_values_total[5m])) or 0 * sum by (model) "
    "(rate(bondx_predict_rows_total[5m]))) / sum by (model) (rate(bondx_predict_rows_total[5m]))",
    "prediction_mean": "avg by (model) (bondx_prediction_mean)",
    "missing_ratio": "max by (model) (bondx_missing_values_ratio)",
    "drift_psi_features": 'max by (model) (bondx_drift_psi{type="feature"})',
    "drift_psi_prediction": 'max by (model) (bondx_drift_psi{type="prediction"})',
}
"""By name; a part that a model does not have counts as usual."""


@dataclass(frozen=True, slots=True)
class MetricVectors:
    """The metrics of one model at some minutes."""

    at_ms: IntArray  # (n,)
    values: FloatArray  # (n, metrics); NaN where a metric has no value


class MetricVectorReader:
    """Evaluates the metrics of one rule."""

    def __init__(self, rule: AnomalySettings, limits: EvaluationLimits | None = None) -> None:
        """Read the expressions.

        Args:
            rule: The rule.
            limits: Of each evaluation; by default those of Prometheus.
        Raises:
            PromqlError: One of them cannot be evaluated.
        """
        texts = (dict(READY_MADE_METRICS) if rule.ready_made_metrics else {}) | rule.metrics
        self.names = tuple(texts)
        self._limits = limits or EvaluationLimits()
        self._expressions = [Expression.parse(text) for text in texts.values()]

    def read(self, source: SeriesSource, start_ms: int, end_ms: int) -> dict[str, MetricVectors]:
        """Return the vectors of each model at the whole minutes from start to end.

        Raises:
            EvaluationStoppedError: The process ends.
            PromqlError: The series do not allow an expression.
            TelemetryError: The store cannot be read now.
        """
        first, last = -(-start_ms // MINUTE_MS), end_ms // MINUTE_MS
        n = last - first + 1
        if n <= 0:
            return {}
        at_ms = np.arange(first, last + 1, dtype=np.int64) * MINUTE_MS
        found: dict[str, FloatArray] = {}
        for column, expression in enumerate(self._expressions):
            budget = self._limits.begin()
            for series in expression.over(source, int(at_ms[0]), int(at_ms[-1]), MINUTE_MS, budget):
                model = dict(series.labels).get(MODEL)
                if model is None:
                    continue
                if model not in found:
                    found[model] = np.full((n, len(self.names)), np.nan)
                found[model][series.at_ms // MINUTE_MS - first, column] = series.values
        for values in found.values():
            values[~np.isfinite(values)] = np.nan
        return {model: MetricVectors(at_ms, values) for model, values in found.items()}

    def history(self, source: SeriesSource, model: str, start_ms: int, end_ms: int) -> MetricVectors:
        """Return the vectors of one model over days; a day at a time is in memory.

        Raises:
            EvaluationStoppedError: The process ends.
            PromqlError: The series do not allow an expression.
            TelemetryError: The store cannot be read now.
        """
        own, parts = _OfModel(source, model), []
        for start in range(start_ms, end_ms + 1, DAY_MS):
            part = self.read(own, start, min(start + DAY_MS - 1, end_ms)).get(model)
            if part is not None:
                is_there = ~np.isnan(part.values).all(axis=1)
                parts.append(MetricVectors(part.at_ms[is_there], part.values[is_there]))
        if not parts:
            return MetricVectors(np.empty(0, dtype=np.int64), np.empty((0, len(self.names))))
        return MetricVectors(np.concatenate([part.at_ms for part in parts]), np.concatenate([p.values for p in parts]))


class _OfModel:
    """The series of one model."""

    def __init__(self, inner: SeriesSource, model: str) -> None:
        self._inner, self._own = inner, Matcher(MODEL, "=", model)

    def select(self, matchers: Sequence[Matcher], from_ms: int, to_ms: int) -> Sequence[SeriesSamples]:
        """Return the series of the model that fulfil all matchers."""
        return self._inner.select([*matchers, self._own], from_ms, to_ms)


def watched_models(rule: AnomalySettings, models: Iterable[str]) -> list[str]:
    """Return those models that a rule watches, in their order.

    >>> watched_models(AnomalySettings(name="Odd", models=["desk_*"]), ["spread", "desk_a"])
    ['desk_a']
    """
    import fnmatch

    return sorted(model for model in models if any(fnmatch.fnmatchcase(model, each) for each in rule.models))
