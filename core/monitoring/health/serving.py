"""Reasons from serving: a version that no server can load, silence, failed requests, slow answers."""

import math
from datetime import datetime, timedelta

from core.monitoring.documents import HealthState, TrafficPart
from core.monitoring.health.facts import MOST_WEIGHT, HealthFacts, JudgedSource, wrong
from core.settings.health import HealthPolicy

LEVEL = 1e-4
"""The probability that a look takes an error share at its limit for one above it. A version is looked at once a minute
over overlapping windows, about a hundred of which in a day share no request: one wrong state in a hundred days."""
SILENT_FACTOR = 3.0
"""A version is silent once it had no request for this many times the longest gap of its last week."""


def judge_serving(facts: HealthFacts, rules: HealthPolicy) -> JudgedSource:
    """Say whether the version is loaded and asked."""
    if facts.unserved:
        return wrong("serving", HealthState.FAILING, MOST_WEIGHT, f"No server can load it: {facts.unserved}")
    traffic = facts.traffic
    if traffic is None or traffic.last_at is None:
        return JudgedSource(missing="requests: none has been recorded of this version")
    gap = facts.now - traffic.last_at
    if traffic.usual_gap_seconds is None:
        is_quiet = gap > timedelta(minutes=rules.window_minutes)
        return JudgedSource(missing=f"requests: none since {_clock(traffic.last_at)}") if is_quiet else JudgedSource()
    limit = max(SILENT_FACTOR * timedelta(seconds=traffic.usual_gap_seconds), timedelta(minutes=rules.window_minutes))
    if gap <= limit:
        return JudgedSource()
    usual = duration(traffic.usual_gap_seconds)
    text = (
        f"No request since {_clock(traffic.last_at)}, for {duration(gap.total_seconds())}; the longest gap of the "
        f"last week was {usual}. Its server or its callers are gone"
    )
    return wrong("serving", HealthState.DEGRADED, gap / limit, text)


def judge_errors(facts: HealthFacts, rules: HealthPolicy) -> JudgedSource:
    """Say whether too many requests fail."""
    traffic = facts.traffic
    if traffic is None:
        return JudgedSource(missing="errors: no request has been recorded")
    n, n_failed = traffic.n_requests, traffic.n_failed
    for limit, state in (
        (rules.failing_error_share, HealthState.FAILING),
        (rules.error_share, HealthState.DEGRADED),
    ):
        if is_certainly_above(n_failed, n, limit):
            text = (
                f"{n_failed:,} of {n:,} requests failed in {duration(traffic.minutes * 60)} ({n_failed / n:.1%}), "
                f"above {limit:.1%}"
            )
            return wrong("errors", state, n_failed / n / limit, text)
    return _enough(traffic, rules, "errors")


def judge_latency(facts: HealthFacts, rules: HealthPolicy) -> JudgedSource:
    """Say whether answers are slow."""
    traffic = facts.traffic
    if traffic is None or traffic.p95_ms is None:
        return JudgedSource(missing="latency: no answer has been recorded")
    if (few := _enough(traffic, rules, "latency")).missing:
        return few
    limit, of = rules.p95_ms, "the limit of the policy"
    if limit is None:
        if traffic.usual_p95_ms is None:
            return JudgedSource(missing="latency: less than an hour of answers to compare with")
        limit = max(rules.latency_factor * traffic.usual_p95_ms, rules.latency_floor_ms)
        of = f"usually {_ms(traffic.usual_p95_ms)}"
    if traffic.p95_ms <= limit:
        return JudgedSource()
    text = f"p95 latency {_ms(traffic.p95_ms)} in {duration(traffic.minutes * 60)}, above {_ms(limit)} ({of})"
    return wrong("latency", HealthState.DEGRADED, traffic.p95_ms / limit, text)


def is_certainly_above(n_hit: int, n: int, share: float, level: float = LEVEL) -> bool:
    """Whether a share is above a limit, by more than chance would do at the limit.

    Args:
        n_hit: How many of the n were counted.
        n: Of how many.
        share: The limit, above 0 and at most 1.
        level: The largest probability of a wrong yes.
    Source:
        The bound of Chernoff on the tail of the binomial distribution, P(X >= k) <= exp(-n KL(k/n || p)): Hoeffding,
        Journal of the American Statistical Association 58(301), 1963, theorem 1.

    >>> is_certainly_above(8, 100, 0.01), is_certainly_above(7, 100, 0.01), is_certainly_above(1, 1, 0.01)
    (True, False, False)
    """
    if n == 0 or n_hit / n <= share:
        return False
    found = n_hit / n
    distance = found * math.log(found / share)
    if found < 1:
        distance += (1 - found) * math.log((1 - found) / (1 - share))
    return n * distance >= -math.log(level)


def duration(seconds: float) -> str:
    """Spell a length of time.

    >>> duration(60), duration(900), duration(7200), duration(200_000)
    ('1 minute', '15 minutes', '2 hours', '2 days')
    """
    for unit, length in (("day", 86_400), ("hour", 3600)):
        if seconds >= 2 * length or (seconds >= length and seconds % length == 0):
            return _counted(int(seconds // length), unit)
    return _counted(max(1, round(seconds / 60)), "minute")


def _counted(n: int, unit: str) -> str:
    return f"{n} {unit}" if n == 1 else f"{n} {unit}s"


def _enough(traffic: TrafficPart, rules: HealthPolicy, source: str) -> JudgedSource:
    if traffic.n_requests >= rules.min_requests:
        return JudgedSource()
    return JudgedSource(
        missing=f"{source}: {traffic.n_requests} requests in {duration(traffic.minutes * 60)}, of "
        f"{rules.min_requests} needed"
    )


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _ms(value: float) -> str:
    return f"{value:.3g} ms" if value < 1000 else f"{value:,.0f} ms"
