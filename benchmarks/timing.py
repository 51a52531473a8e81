"""Durations in milliseconds, and their statistics."""

import statistics
import time
from collections.abc import Callable


def timed(act: Callable[..., object], *arguments: object) -> float:
    """Call a function once, and return its duration."""
    begin = time.perf_counter()
    act(*arguments)
    return (time.perf_counter() - begin) * 1000


def quantiles(durations: list[float]) -> dict[str, float]:
    """Return their number, median and 99th percentile."""
    ordered = sorted(durations)
    return {
        "n": len(ordered),
        "p50": round(statistics.median(ordered), 3),
        "p99": round(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 3),
    }
