"""The scores that the rules on anomalies would have given in the past."""

import numpy as np

from core.alerts.anomaly.baseline import DAY_MS, MINUTE_MS
from core.alerts.anomaly.detector import SMOOTHED_STEPS
from core.alerts.anomaly.metric_vector import MODEL, MetricVectorReader, watched_models
from core.alerts.anomaly.scoring import MOST_MODELS, fitted
from core.alerts.rule_files.anomaly_rules import SCORE
from core.arrays import FloatArray, IntArray
from core.promql import STALE, SeriesInMemory, SeriesSamples, SeriesSource
from core.settings import AlertSettings


def scored_past(settings: AlertSettings, source: SeriesSource, start_ms: int, end_ms: int) -> SeriesInMemory:
    """Score every model at every minute of a past time, each day with what the days before it taught.

    Args:
        settings: The rules.
        source: The recorded series.
        start_ms: The beginning.
        end_ms: The end.
    Returns:
        The series `bondx_anomaly_score`; a model without enough history has none.
    Raises:
        PromqlError: The series do not allow an expression.
        TelemetryError: The store cannot be read now.
    """
    scored = []
    for rule in settings.anomaly:
        reader = MetricVectorReader(rule)
        parts: dict[str, list[tuple[IntArray, FloatArray]]] = {}
        start = start_ms
        while start <= end_ms:
            end = min(end_ms, (start // DAY_MS + 1) * DAY_MS - 1)
            vectors = reader.read(source, start - (SMOOTHED_STEPS - 1) * MINUTE_MS, end)
            for model in watched_models(rule, vectors)[:MOST_MODELS]:
                history = reader.history(source, model, start - rule.history_days * DAY_MS, start - 1)
                if (detector := fitted(rule, history)) is None:
                    continue
                of_model = vectors[model]
                scores, _ = detector.scores(of_model.at_ms, of_model.values)
                is_inside = of_model.at_ms >= start
                is_there = ~np.isnan(of_model.values).all(axis=1)
                values = np.where(is_there, scores, STALE)
                parts.setdefault(model, []).append((of_model.at_ms[is_inside], values[is_inside]))
            start = end + 1
        for model, found in parts.items():
            labels = tuple(sorted({"__name__": SCORE, "rule": rule.name, MODEL: model}.items()))
            at_ms, values = np.concatenate([at for at, _ in found]), np.concatenate([each for _, each in found])
            scored.append(SeriesSamples(labels, at_ms, values))
    return SeriesInMemory(scored)
