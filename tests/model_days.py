"""Days of a model in production, minute by minute, as no part of BondX models them; and anomalies put into them.

Callers arrive at a rate with a smooth daily course, a factor for each weekday, an AR(1) course of its own (lognormal)
and overdispersed counts. Latency follows the load and has Student's t noise with 3 degrees of freedom and pauses of a
garbage collector; errors are binomial with bursts; predictions wander (AR(1)) with a daily course, and their mean is
the noisier the fewer there are; the share of missing values is beta-binomial; PSI is a slow AR(1) of its own. Now and
then nothing is scraped for some minutes.
"""

from dataclasses import dataclass

import numpy as np

METRICS = (
    "predictions_per_minute", "error_ratio", "latency_p95_seconds", "prediction_mean", "missing_ratio", "drift_psi"
)  # fmt: skip
MINUTES = 1440
START_MS = 1_772_323_200_000  # 2026-03-01, a Sunday
KINDS = (
    "errors", "slow", "traffic_gone", "traffic_surge", "predictions_shifted", "values_missing", "drift", "several"
)  # fmt: skip


@dataclass(frozen=True)
class Injected:
    """One anomaly."""

    kind: str
    start: int  # minutes
    end: int


@dataclass(frozen=True)
class ModelDays:
    """The metrics of one model, (n, metrics), and what was put into them."""

    at_ms: np.ndarray
    values: np.ndarray
    injected: tuple[Injected, ...]


def _ar(chance: np.random.Generator, n: int, phi: float, sigma: float) -> np.ndarray:
    from scipy.signal import lfilter

    noise = chance.normal(0, sigma * np.sqrt(1 - phi**2), n)
    noise[0] = chance.normal(0, sigma)
    return lfilter([1.0], [1.0, -phi], noise)


def model_days(seed: int, n_days: int, anomalies_from_day: int | None = None, a_day: int = 2) -> ModelDays:
    """Make some days.

    Args:
        seed: Of everything.
        n_days: How many.
        anomalies_from_day: From which day on there are anomalies; None: none.
        a_day: How many a day.
    """
    chance = np.random.default_rng(seed)
    n = n_days * MINUTES
    minute = np.arange(n)
    phase = 2 * np.pi * (minute % MINUTES) / MINUTES
    peak = chance.uniform(9, 16) / 24 * 2 * np.pi
    depth = chance.uniform(0.3, 1.3)
    second = chance.uniform(0.0, 0.4)
    course = np.exp(depth * np.cos(phase - peak) + second * np.cos(2 * phase - chance.uniform(0, 6)))
    factors = np.exp(chance.normal(0, 0.12, 7))
    factors[5:] *= chance.uniform(0.15, 0.9)
    weekday = (minute // MINUTES + 6) % 7
    rate = chance.uniform(30, 600) * course * factors[weekday] * np.exp(_ar(chance, n, 0.98, 0.08))

    injected = []
    gone, surge, slow = (np.ones(n) for _ in range(3))
    errors, missing, shift, drift = (np.zeros(n) for _ in range(4))
    if anomalies_from_day is not None:
        for day in range(anomalies_from_day, n_days):
            width = MINUTES // a_day
            for part in range(a_day):
                kind = KINDS[chance.integers(len(KINDS))]
                length = int(chance.integers(25, 90))
                start = day * MINUTES + part * width + int(chance.integers(30, width - length - 60))
                span = slice(start, start + length)
                injected.append(Injected(kind, start, start + length))
                if kind in ("errors", "several"):
                    errors[span] = chance.uniform(0.05, 0.3)
                if kind in ("slow", "several"):
                    slow[span] = chance.uniform(1.8, 4.0)
                if kind == "traffic_gone":
                    gone[span] = chance.uniform(0.0, 0.3)
                if kind == "traffic_surge":
                    surge[span] = chance.uniform(2.2, 5.0)
                if kind in ("predictions_shifted", "several"):
                    shift[span] = chance.choice([-1, 1]) * chance.uniform(0.8, 2.0)
                if kind == "values_missing":
                    missing[span] = chance.uniform(0.08, 0.5)
                if kind == "drift":
                    drift[span] = chance.uniform(0.2, 0.6)
    rate = rate * gone * surge
    count = chance.poisson(rate * chance.gamma(20, 1 / 20, n))
    load = rate / np.median(rate)
    latency = 0.04 * (1 + 0.25 * load) * slow * np.exp(_ar(chance, n, 0.9, 0.08) + 0.05 * chance.standard_t(3, n))
    latency *= np.where(chance.random(n) < 0.004, chance.uniform(2, 8, n), 1.0)
    base = chance.uniform(0.0005, 0.01) * np.where(chance.random(n) < 0.003, chance.uniform(3, 15, n), 1.0)
    failed = chance.binomial(count, np.minimum(1, base + errors))
    wander = _ar(chance, n, 0.995, 0.15) + 0.3 * np.sin(phase + chance.uniform(0, 6)) + shift
    noise = chance.normal(0, 1, n) / np.sqrt(np.maximum(count, 1))
    mean = chance.uniform(-50, 200) + chance.uniform(0.5, 20) * (wander + noise)
    share = chance.beta(4, 4 / chance.uniform(0.005, 0.03), n)
    values_missing = chance.binomial(count * 20, np.minimum(1, share + missing)) / np.maximum(count * 20, 1)
    psi = np.abs(0.05 + _ar(chance, n, 0.999, 0.02)) + drift
    empty = count == 0
    columns = [
        count.astype(float),
        np.where(empty, np.nan, failed / np.maximum(count, 1)),
        np.where(empty, np.nan, latency),
        np.where(empty, np.nan, mean),
        np.where(empty, np.nan, values_missing),
        psi,
    ]
    values = np.column_stack(columns)
    scraped = np.ones(n, dtype=bool)
    for gap in np.flatnonzero(chance.random(n) < 0.0005):
        scraped[gap : gap + int(chance.integers(1, 15))] = False
    at_ms = START_MS + minute * 60_000
    return ModelDays(at_ms[scraped], values[scraped], tuple(injected))
