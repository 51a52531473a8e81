"""The series of a process about its own spans."""

from prometheus_client.core import CounterMetricFamily

from core.metrics import catalogue


def span_family(n_sent: int, n_lost: int) -> CounterMetricFamily:
    """Return what became of spans.

    Args:
        n_sent: How many a collector has taken.
        n_lost: How many it has not.
    """
    family = catalogue.TRACE_SPANS.family()
    family.add_metric(("sent",), n_sent)
    family.add_metric(("lost",), n_lost)
    return family
