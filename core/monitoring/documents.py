"""The monitoring of each model as a document: what every face shows, written by the engine alone.

A document holds what is shown, and no more: it is written again whenever that changes, and playback keeps each of its
states. What a watcher must remember beside it is a state of its own (`core.monitoring.watch`). Nothing heavy is
imported here, since the console and `bondx status` start from it.
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

from core.monitoring.verdicts import DriftType, DriftVerdict, PerformanceVerdict


class HealthState(StrEnum):
    """How well a live version does its work."""

    HEALTHY = "healthy"
    UNKNOWN = "unknown"  # too little is known of it
    DEGRADED = "degraded"  # it works, and needs a person
    FAILING = "failing"  # its answers cannot be relied on


class HealthReason(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One reason for a state of health."""

    source: str  # serving, errors, performance, labels, estimate, drift, quality, latency, staleness
    state: HealthState
    text: str  # one sentence
    weight: float  # how far beyond its limit; the heaviest reason comes first


class HealthChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state of health since an instant."""

    at: datetime
    state: HealthState


class VersionHealth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The health of one live version."""

    state: HealthState = msgspec.field(default_factory=lambda: HealthState.UNKNOWN)  # written though it is the default
    since: datetime | None = None
    reasons: tuple[HealthReason, ...] = ()  # in the order of their weight
    missing: tuple[str, ...] = ()  # what is not known of it, a clause each
    changes: tuple[HealthChange, ...] = ()  # the newest changes, oldest first


class BinShares(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The distribution of one column, then and now, in the same bins."""

    edges: tuple[float, ...] = ()  # of numbers: one more than bins
    levels: tuple[str, ...] = ()  # of a category: one a bin
    reference: tuple[float, ...] = ()  # shares
    current: tuple[float, ...] = ()


class QuantilePair(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One quantile of a column, then and now."""

    p: float
    reference: float
    current: float


class MonitoredColumn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How one column has moved: a feature, the predictions, the outcomes or the errors."""

    name: str
    type: DriftType
    verdict: DriftVerdict
    reason: str
    evidence: float = 0.0  # as a share of what decides: 1 decides
    n: int = 0  # rows of the current distribution, or whatever `unit` names
    unit: str = "row"  # what is counted: "caller" of prompts
    psi: float | None = None  # nats
    ks: float | None = None
    chi_square: float | None = None
    jensen_shannon: float | None = None
    wasserstein: float | None = None  # in the unit of the column
    importance: float | None = None  # share of the model's importance
    changed_at: datetime | None = None  # when the move began, as estimated
    changed_from: datetime | None = None  # the interval of that estimate
    changed_until: datetime | None = None
    changed_with: str = ""  # the version that was live when it changed, if another one was
    changed_before_live: bool = False  # it had moved already when the version went live; when, is not known
    group: str = ""  # the columns that moved together with it have the same group
    slice: str = ""  # where it moved most: "sector = Energy"
    trend: tuple[float | None, ...] = ()  # of the psi, oldest first, the newest is now
    trend_seconds: float = 3600.0  # between two values of the trend
    shares: BinShares | None = None
    quantiles: tuple[QuantilePair, ...] = ()
    is_denied: bool = False  # its share of the model and its values must not appear

    @property
    def awaits_rows(self) -> bool:
        """Whether there is nothing to judge yet: no row today or yesterday, and no move before."""
        return self.n == 0 and self.verdict is DriftVerdict.INCONCLUSIVE


class DriftPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The sequential verdict on what a version was asked and answered."""

    as_of: datetime  # the end of the newest minute that was counted
    verdict: DriftVerdict
    n_rows: int = 0  # counted since `since`
    since: datetime | None = None
    prediction_mean: float | None = None  # of the last minutes; None without numbers in them
    missing_share: float | None = None  # of the cells of the features in the last minutes; None without rows
    columns: tuple[MonitoredColumn, ...] = ()  # the largest effect first
    denied_shares: dict[DriftVerdict, float] = {}  # of the model, those of denied columns with a verdict together
    false_alarm_days: float | None = None  # mean days to a false alarm of this model
    prediction_move: str = ""  # how the predictions moved because of it
    notes: tuple[str, ...] = ()


class MetricPoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A metric in one window."""

    at: datetime  # the end of the window
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


class MonitoredMetric(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A metric of performance with its interval."""

    metric: str  # "mae", "auc"
    value: float | None = None
    low: float | None = None  # of the interval, valid however often one looks
    high: float | None = None
    n: int = 0
    verdict: PerformanceVerdict = PerformanceVerdict.OPEN
    reason: str = ""
    reference: float | None = None  # on held-out rows
    reference_low: float | None = None
    reference_high: float | None = None
    higher_is_better: bool = False
    window: str = ""  # hour, day, week, or empty for all
    slice: str = ""
    points: tuple[MetricPoint, ...] = ()  # its course, oldest first


class PerformancePart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How well a version did, of the answers whose outcomes are known."""

    as_of: datetime
    verdict: PerformanceVerdict = PerformanceVerdict.OPEN
    reason: str = ""
    n_outcomes: int = 0
    awaited_share: float | None = None  # of the answers, those still without an outcome
    holds_today: bool = False  # a verdict that holds is of the last day, too, and rests on most of its outcomes
    n_needed: int | None = None  # outcomes in all that would settle an open verdict
    margin: float | None = None  # by which share the metric may be worse than held out without having fallen
    windows: tuple[str, ...] = ()  # that are judged beside the whole life
    metrics: tuple[MonitoredMetric, ...] = ()  # the metric that decides first
    worst_slice: MonitoredMetric | None = None  # corrected for having looked at all of them
    notes: tuple[str, ...] = ()


class EstimatePart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How well a version is likely to do, estimated without outcomes; without metrics, `reason` says why not."""

    as_of: datetime
    method: str = ""
    verdict: PerformanceVerdict = PerformanceVerdict.OPEN
    reason: str = ""
    n_rows: int = 0
    metrics: tuple[MonitoredMetric, ...] = ()
    blind_to: str = ""  # what the estimate cannot see
    scored: tuple[MonitoredMetric, ...] = ()  # earlier estimates beside what came of them
    notes: tuple[str, ...] = ()


class LabelsPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the outcomes of a few wanted requests prove of all that were drawn from."""

    as_of: datetime
    draw: str  # "spread@1.4.0/1"
    asked_at: datetime
    asked_by: str
    verdict: PerformanceVerdict = PerformanceVerdict.OPEN
    reason: str = ""
    by_when: str = ""  # how many more outcomes decide, and when they will be there, in words
    loss: str = ""  # "absolute error"
    value: float | None = None  # the mean loss of all rows that were drawn from
    low: float | None = None  # of the interval, valid however often one looks
    high: float | None = None
    reference: float = 0.0  # the mean loss of the held-out rows
    n_rows: int = 0  # drawn from
    n_wanted: int = 0  # rows asked for
    n_outcomes: int = 0  # of these, rows whose outcomes are known
    n_draws: int = 0  # draws that count: those before the first without an outcome
    n_needed: int | None = None  # further outcomes that are expected to decide
    expected_at: datetime | None = None  # when they will be there, at the rate so far
    n_expired: int = 0  # wanted rows whose predictions expired before an outcome came
    notes: tuple[str, ...] = ()


class TrafficPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a version answered lately, how fast, and how often it failed."""

    as_of: datetime
    minutes: int = 0  # of the window
    n_requests: int = 0  # in the window
    n_failed: int = 0
    p50_ms: float | None = None  # in half of its minutes it was lower
    p95_ms: float | None = None
    usual_p95_ms: float | None = None  # over the day before the window
    last_at: datetime | None = None  # the last minute with a request
    usual_gap_seconds: float | None = None  # the longest time without a request in a week; None: less than a week seen
    requests: tuple[int, ...] = ()  # by hour over the last day, oldest first


class VersionMonitoring(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is known of one live version; each watcher writes the field that has its name."""

    version: str
    role: Literal["stable", "candidate"]
    live_since: datetime | None = None
    health: VersionHealth = msgspec.field(default_factory=VersionHealth)  # always written
    traffic: TrafficPart | None = None
    drift: DriftPart | None = None
    performance: PerformancePart | None = None
    estimate: EstimatePart | None = None
    labels: LabelsPart | None = None
    failures: dict[str, str] = {}  # by watcher, why it could not look
    no_profile: str = ""  # why there is no profile of what it learned from, and what to do; empty if there is


class EarlierVersion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What was last known of a version that is no longer live: a rollback may bring it back."""

    version: str
    live_until: datetime
    health: VersionHealth
    moved: tuple[MonitoredColumn, ...] = ()  # columns on watch or in alarm when it left, without their distributions


class ModelMonitoring(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The monitoring of one model; the stable version comes first."""

    model: str
    versions: tuple[VersionMonitoring, ...]
    earlier: tuple[EarlierVersion, ...] = ()  # the newest versions that are no longer live, the last one first
    updated_at: datetime
    format: Literal[1] = 1
    revision: int = 0

    @property
    def live(self) -> VersionMonitoring:
        """The version that answers, beside a candidate that is being judged."""
        return self.versions[0]

    @property
    def health(self) -> VersionHealth:
        """The health of the model is that of its stable version: a candidate is judged by its rollout."""
        return self.live.health


class LastEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """The engine's last estimate of a live version."""

    model: str
    version: str
    estimate: EstimatePart


class DriftPage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An alert of drift that has fired."""

    at: datetime
    model: str
    version: str
    is_true: bool = False  # a person has acknowledged or resolved it: the move was there


class DriftBudget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many false alarms of drift the workspace accepts in 30 days, and how many may have been false."""

    name: Literal["drift"] = "drift"
    acceptable: float
    fired: tuple[DriftPage, ...] = ()  # within the last 30 days, oldest first
    spent: int = 0  # of these, the alerts that may be false
    left: float = 0.0
    spent_by: dict[str, int] = {}  # the same by model, the most first
    shares: dict[str, float] = {}  # by watched model, the false alarms in 30 days that its verdict allows itself
    updated_at: datetime
    format: Literal[1] = 1
    revision: int = 0
