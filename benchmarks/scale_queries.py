"""The queries that a console, a scrape or an engine repeats, for `bench_predictions_at_scale.py`."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from scale_stores import MODELS, ROLLOUT, SHOWN

from core.settings.telemetry import PredictionRetention
from core.telemetry import Histogram, TelemetryReader
from core.telemetry.predictions import Cursor, PredictionReader, TrafficGrain

MINUTE = TrafficGrain.MINUTE

Named = tuple[str, Callable[[], object]]


def prediction_queries(file: Path, now: datetime) -> list[Named]:
    """Return the queries of predictions, each by its asker."""
    reader, keep = PredictionReader(file), PredictionRetention()
    end = reader.end()
    recent = Cursor(store=end.store, prediction=end.prediction - 8_400, outcome=end.outcome - 1_680)
    day = {"since": now - timedelta(days=1), "now": now}
    found: list[Named] = [
        ("scrape: usage", lambda: reader.usage(keep, now)),
        ("engine: end", reader.end),
        ("engine: read the last second", lambda: reader.read(ROLLOUT, recent, settled_before=now)),
        ("engine: read from the beginning", lambda: reader.read(ROLLOUT, Cursor(store=end.store), settled_before=now)),
        ("engine: failed callers, all rows", lambda: reader.failed_units(ROLLOUT, end)),
        ("engine: slow callers, all rows", lambda: reader.failed_units(ROLLOUT, end, over_ms=8.0)),
        ("server: answers to 100 requests", lambda: reader.answers([f"request-{7 * n}" for n in range(100)])),
        ("server: reported, 100 requests", lambda: reader.reported([f"request-{7 * n}" for n in range(100)])),
        ("engine: labelled answers, 1 s", lambda: reader.labelled(recent, settled_before=now)),
        ("engine: answer counts, 1 s", lambda: reader.answer_counts(recent)),
        ("console: hourly traffic, 24 h", lambda: reader.traffic(now - timedelta(days=1), now)),
        ("health: traffic of 15 minutes", lambda: reader.traffic(now - timedelta(minutes=15), now, by=MINUTE)),
        ("plan: recent traffic", lambda: reader.recent_traffic(MODELS[0], "1.1.0", **day)),
        ("plan: latency quantile", lambda: reader.latency_quantile(MODELS[0], "1.1.0", 0.99)),
        ("plan: n_outcomes", lambda: reader.n_outcomes(MODELS[0], "1.1.0")),
        ("plan: outcome delay", lambda: reader.outcome_delay(MODELS[0], "1.1.0", now=now)),
    ]
    return found


def series_queries(file: Path, now: datetime) -> list[Named]:
    """Return the queries of time series, each by its asker."""
    reader = TelemetryReader(file, clock=lambda: now)
    names = [f"series.{number:02d}" for number in range(45)] + list(SHOWN)
    hour, week = timedelta(hours=1), timedelta(days=7)

    def hourly() -> list[tuple[float, float]]:
        found = []
        for name in names:
            whole = Histogram.merged(minute.histogram for minute in reader.minutes(name, now - hour, now))
            found.append((whole.quantile(0.5), whole.quantile(0.95)))
        return found

    return [
        ("p50 and p95 of an hour, 50 series", hourly),
        ("console: a chart of 1 h", lambda: reader.recent(SHOWN[0], 3_600)),
        ("console: a chart of 24 h", lambda: reader.recent(SHOWN[0], 86_400)),
        ("control API: 5 series of 1 h", lambda: [reader.recent(name, 3_600) for name in SHOWN]),
        ("playback: between, 10 min", lambda: reader.between(SHOWN[0], now - timedelta(minutes=10), now)),
        ("housekeeping: means of 7 days", lambda: reader.means(SHOWN[2], now - week, now)),
        ("console: newest of 50 series", lambda: [reader.latest(name) for name in names]),
        ("generation", lambda: reader.generation),
    ]
