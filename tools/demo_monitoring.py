"""The monitoring of the demo workspace: one model whose inputs have moved, one that is well, one without traffic."""

import math
from datetime import datetime, timedelta

from core.monitoring.documents import (
    BinShares,
    DriftPart,
    EstimatePart,
    HealthChange,
    HealthReason,
    HealthState,
    MetricPoint,
    ModelMonitoring,
    MonitoredColumn,
    MonitoredMetric,
    PerformancePart,
    QuantilePair,
    TrafficPart,
    VersionHealth,
    VersionMonitoring,
)
from core.monitoring.monitoring_store import MonitoringStore
from core.monitoring.verdicts import DriftType, DriftVerdict, PerformanceVerdict
from core.registry import Registry
from core.state import Workspace

N_BINS = 10
_QUIET = (
    ("rating_rank", 0.22, 0.004),
    ("duration", 0.17, 0.006),
    ("coupon_pct", 0.11, 0.003),
    ("issue_size_musd", 0.07, 0.008),
    ("sector", 0.06, 0.002),
    ("covenant_score", 0.03, 0.011),
)


def monitor_demo(workspace: Workspace, now: datetime) -> None:
    """Write what monitoring found of the live versions of the demo."""
    live = {model.model: model.production for model in Registry(workspace).models() if model.production}
    documents = []
    for model, version in live.items():
        make = {"spread": _moved, "downgrade": _well}.get(model)
        found = _silent(model, version, now) if make is None else make(version, now)
        documents.append(ModelMonitoring(model=model, versions=(found,), updated_at=now))
    MonitoringStore(workspace).write(documents)


def _moved(version: str, now: datetime) -> VersionMonitoring:
    since = now - timedelta(minutes=47)
    spread_out = QuantilePair(p=0.5, reference=61.2, current=48.7)
    quantiles = (
        QuantilePair(p=0.05, reference=22.4, current=14.9),
        spread_out,
        QuantilePair(p=0.95, reference=93.1, current=84.0),
    )
    edges = tuple(float(edge) for edge in range(0, 101, 10))
    then = (0.03, 0.05, 0.08, 0.11, 0.13, 0.15, 0.15, 0.13, 0.10, 0.07)
    liquid = MonitoredColumn(
        name="liquidity_index",
        type=DriftType.FEATURE,
        verdict=DriftVerdict.ALARM,
        reason="its distribution has moved: mean 58.9 to 47.2 (-0.52 sd)",
        evidence=1.0,
        n=28_410,
        psi=0.31,
        ks=0.21,
        chi_square=4120.0,
        jensen_shannon=0.19,
        wasserstein=11.7,
        importance=0.24,
        changed_at=since,
        changed_from=since - timedelta(minutes=2),
        changed_until=since + timedelta(minutes=3),
        group="1",
        slice="sector = Energy",
        trend=tuple(0.01 + 0.3 / (1 + math.exp(6 - step)) for step in range(14)),
        trend_seconds=300.0,
        shares=BinShares(
            edges=edges, reference=then, current=(0.07, 0.10, 0.14, 0.16, 0.16, 0.13, 0.10, 0.07, 0.04, 0.03)
        ),
        quantiles=quantiles,
    )
    asked = MonitoredColumn(
        name="bid_ask_bps",
        type=DriftType.FEATURE,
        verdict=DriftVerdict.WATCH,
        reason="its distribution may have moved: mean 21.4 to 24.9 (+0.18 sd)",
        evidence=0.81,
        n=28_410,
        psi=0.08,
        ks=0.09,
        importance=0.10,
        changed_at=since + timedelta(minutes=4),
        group="1",
        trend=tuple(0.01 + 0.07 / (1 + math.exp(7 - step)) for step in range(14)),
        trend_seconds=300.0,
        shares=BinShares(edges=edges, reference=then, current=then[::-1]),
    )
    answers = MonitoredColumn(
        name="spread_bps",
        type=DriftType.PREDICTION,
        verdict=DriftVerdict.WATCH,
        reason="the predictions may have moved: mean 142 to 157 (+0.22 sd)",
        evidence=0.74,
        n=28_410,
        psi=0.06,
        changed_at=since + timedelta(minutes=3),
        trend=tuple(0.01 + 0.05 / (1 + math.exp(8 - step)) for step in range(14)),
        trend_seconds=300.0,
    )
    reasons = (
        HealthReason(
            source="drift",
            state=HealthState.DEGRADED,
            text="liquidity_index has moved by 0.52 sd since 02:17; it carries 24% of the model",
            weight=2.1,
        ),
        HealthReason(
            source="estimate",
            state=HealthState.DEGRADED,
            text="the error is estimated at 15.1 bps, 13.4 on held-out rows",
            weight=1.2,
        ),
    )
    return VersionMonitoring(
        version=version,
        role="stable",
        live_since=now - timedelta(hours=4),
        health=VersionHealth(
            state=HealthState.DEGRADED,
            since=now - timedelta(minutes=41),
            reasons=reasons,
            changes=(
                HealthChange(at=now - timedelta(hours=3, minutes=50), state=HealthState.HEALTHY),
                HealthChange(at=now - timedelta(minutes=41), state=HealthState.DEGRADED),
            ),
        ),
        traffic=_traffic(now, 9120, 3),
        drift=DriftPart(
            as_of=now,
            verdict=DriftVerdict.ALARM,
            n_rows=143_200,
            since=now - timedelta(hours=4),
            columns=(liquid, asked, answers, *_quiet(28_410)),
            false_alarm_days=30.0,
            prediction_move="The predictions moved by +15 bps; 12 of them follow from liquidity_index.",
        ),
        performance=PerformancePart(
            as_of=now,
            verdict=PerformanceVerdict.OPEN,
            reason="the mean absolute error lies between 12.9 and 14.8 bps; 13.4 on held-out rows",
            n_outcomes=1840,
            awaited_share=0.94,
            n_needed=2600,
            metrics=(_metric("mae", 13.8, 12.9, 14.8, 13.4, now, PerformanceVerdict.OPEN),),
        ),
        estimate=EstimatePart(
            as_of=now,
            method="direct loss model",
            verdict=PerformanceVerdict.FELL,
            reason="the error is estimated at 15.1 bps",
            n_rows=28_410,
            metrics=(_metric("mae", 15.1, 14.2, 16.0, 13.4, now, PerformanceVerdict.FELL),),
            blind_to="a changed relation between inputs and outcomes",
        ),
    )


def _well(version: str, now: datetime) -> VersionMonitoring:
    return VersionMonitoring(
        version=version,
        role="stable",
        live_since=now - timedelta(hours=4),
        health=VersionHealth(state=HealthState.HEALTHY, since=now - timedelta(hours=3, minutes=40)),
        traffic=_traffic(now, 4920, 0),
        drift=DriftPart(
            as_of=now,
            verdict=DriftVerdict.STABLE,
            n_rows=71_300,
            since=now - timedelta(hours=4),
            columns=_quiet(71_300),
            false_alarm_days=30.0,
        ),
        performance=PerformancePart(
            as_of=now,
            verdict=PerformanceVerdict.HOLDS,
            reason="the log loss lies between 0.226 and 0.236; 0.231 on held-out rows",
            n_outcomes=22_910,
            awaited_share=0.31,
            metrics=(_metric("log_loss", 0.231, 0.226, 0.236, 0.231, now, PerformanceVerdict.HOLDS),),
        ),
    )


def _silent(model: str, version: str, now: datetime) -> VersionMonitoring:
    no_profile = (
        f"{model} {version}: it has no profile of the data that it learned from: it was registered from a folder, "
        "imported, or made by an earlier release. Make one of that data: "
        f"bondx drift profile {model} --version {version} --data FILE"
    )
    missing = ("no request has come for 2 hours", f"drift: {no_profile}")
    health = VersionHealth(since=now - timedelta(hours=2), missing=missing)
    return VersionMonitoring(version=version, role="stable", health=health, no_profile=no_profile)


def _traffic(now: datetime, n_requests: int, n_failed: int) -> TrafficPart:
    return TrafficPart(
        as_of=now,
        minutes=15,
        n_requests=n_requests,
        n_failed=n_failed,
        p50_ms=1.1,
        p95_ms=3.8,
        usual_p95_ms=3.6,
        last_at=now,
    )


def _quiet(n: int) -> tuple[MonitoredColumn, ...]:
    return tuple(
        MonitoredColumn(
            name=name,
            type=DriftType.FEATURE,
            verdict=DriftVerdict.STABLE,
            reason="it has not moved by what matters",
            evidence=0.1 + psi * 10,
            n=n,
            psi=psi,
            importance=importance,
            trend=tuple(psi * (1 + 0.5 * math.sin(step * 1.3 + len(name))) for step in range(14)),
            trend_seconds=300.0,
        )
        for name, importance, psi in _QUIET
    )


def _metric(
    name: str, value: float, low: float, high: float, reference: float, now: datetime, verdict: PerformanceVerdict
) -> MonitoredMetric:
    """Make a metric whose course ends at its value, its band narrowing."""
    points = tuple(
        MetricPoint(
            at=now - timedelta(hours=23 - hour),
            value=value - (value - reference) * (23 - hour) / 23 + 0.01 * reference * math.sin(hour),
            low=value - (value - low) * (1 + (23 - hour) / 12),
            high=value + (high - value) * (1 + (23 - hour) / 12),
            n=80 * (hour + 1),
        )
        for hour in range(24)
    )
    return MonitoredMetric(
        metric=name, value=value, low=low, high=high, n=1920, verdict=verdict, reference=reference, points=points
    )
