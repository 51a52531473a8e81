"""Metric families as a request of OTLP: gauges, cumulative sums, and histograms of explicit bounds."""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client.core import Metric

if TYPE_CHECKING:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

_NANOSECONDS = 1_000_000_000


def metrics_request(
    families: Iterable[Metric], resource: Mapping[str, str], at_seconds: float, start_seconds: float
) -> "ExportMetricsServiceRequest":
    """Return the request that tells a collector of some families.

    Args:
        families: The metrics of the process.
        resource: What describes the process, such as service.name.
        at_seconds: When they were measured, Unix time.
        start_seconds: Since when counters count, Unix time.
    Raises:
        ImportError: The extra `otel` is not installed.
    """
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    request = ExportMetricsServiceRequest()
    of_process = request.resource_metrics.add()
    _describe(of_process.resource.attributes, resource)
    scope = of_process.scope_metrics.add()
    scope.scope.name = "bondx"
    times = {
        "time_unix_nano": int(at_seconds * _NANOSECONDS),
        "start_time_unix_nano": int(start_seconds * _NANOSECONDS),
    }
    for family in families:
        if not family.samples:
            continue
        metric = scope.metrics.add(name=family.name, description=family.documentation, unit=family.unit)
        if family.type == "histogram":
            metric.histogram.aggregation_temporality = 2  # cumulative
            _add_histograms(metric.histogram.data_points, family, times)
        elif family.type == "counter":
            metric.sum.aggregation_temporality, metric.sum.is_monotonic = 2, True
            _add_numbers(metric.sum.data_points, family, times)
        else:
            _add_numbers(metric.gauge.data_points, family, {"time_unix_nano": times["time_unix_nano"]})
    return request


def _add_numbers(points: Any, family: Metric, times: Mapping[str, int]) -> None:
    for sample in family.samples:
        if sample.name.endswith("_created"):
            continue
        point = points.add(as_double=float(sample.value), **times)
        _describe(point.attributes, sample.labels)


def _add_histograms(points: Any, family: Metric, times: Mapping[str, int]) -> None:
    """Add a point for each set of labels; Prometheus counts up to each bound, OTLP between the bounds."""
    found: dict[tuple[tuple[str, str], ...], tuple[dict[float, float], dict[str, float]]] = {}
    for sample in family.samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        buckets, sums = found.setdefault(tuple(sorted(labels.items())), ({}, {}))
        if sample.name.endswith("_bucket"):
            buckets[float(sample.labels["le"])] = float(sample.value)
        else:
            sums[sample.name.rpartition("_")[2]] = float(sample.value)
    for labels_of, (buckets, sums) in found.items():
        edges = sorted(buckets)
        up_to = [buckets[edge] for edge in edges]
        between = [int(now - before) for before, now in zip([0.0, *up_to[:-1]], up_to, strict=True)]
        bounds = [edge for edge in edges if math.isfinite(edge)]
        point = points.add(
            count=int(up_to[-1]) if up_to else int(sums.get("count", 0)),
            sum=sums.get("sum", 0.0),
            bucket_counts=between,
            explicit_bounds=bounds,
            **times,
        )
        _describe(point.attributes, dict(labels_of))


def _describe(attributes: Any, labels: Mapping[str, str]) -> None:
    for name, value in labels.items():
        attributes.add(key=name).value.string_value = value
