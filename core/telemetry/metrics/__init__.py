"""Recorded series with labels, as if scraped by a Prometheus: `writer.py` stores a scrape, `reader.py` reads."""

from core.telemetry.metrics.reader import MetricReader
from core.telemetry.metrics.samples import STALE, RecordedLabels, RecordedSeries, SeriesMatcher
from core.telemetry.metrics.writer import MetricWriter

__all__ = ["STALE", "MetricReader", "MetricWriter", "RecordedLabels", "RecordedSeries", "SeriesMatcher"]
