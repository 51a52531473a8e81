"""Champion and challengers: the live version and those compared with it, by what both did on the same traffic.

A comparison is that of a rollout: a shadow answers copies of the requests, a split answers its own share. Its interval
stays valid however often one looks, so a challenger may be called better at the first look that shows it.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from core.monitoring.documents import EstimatePart, ModelMonitoring, PerformancePart, VersionMonitoring
from core.monitoring.monitoring_store import MonitoringStore
from core.registry import Registry
from core.retraining.retrainings import Retrainings
from core.rollout import Rollout, RolloutPhase, Rollouts
from core.rollout.plan import GuardSource
from core.rollout.readings import GuardReading, GuardVerdict
from core.settings import PolicySource
from core.settings.retraining import ChallengerRules
from core.state import Workspace

LIVE = "live"


class MetricReading(msgspec.Struct, frozen=True, kw_only=True):
    """A metric of a version, with an interval that stays valid at every look."""

    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    verdict: str = ""

    def sentence(self) -> str:
        """Say the metric with its interval.

        >>> MetricReading(metric="mae", value=6.1, low=5.8, high=6.4, n=900).sentence()
        'mae 6.1 (5.8 to 6.4)'
        """
        if self.value is None:
            return f"{self.metric} unknown"
        span = "" if self.low is None or self.high is None else f" ({self.low:.4g} to {self.high:.4g})"
        return f"{self.metric} {self.value:.4g}{span}"


class LossAgainstLive(msgspec.Struct, frozen=True, kw_only=True):
    """The loss of a challenger against that of the live version in one rollout."""

    live_loss: float | None
    loss: float | None
    effect: float | None  # difference, or ratio
    low: float | None
    high: float | None
    is_ratio: bool
    level: float
    n: int  # outcomes of the challenger

    @property
    def is_better(self) -> bool:
        """Whether the challenger is shown to have the lower loss."""
        return self.high is not None and self.high < self._equal

    @property
    def is_worse(self) -> bool:
        """Whether the challenger is shown to have the higher loss."""
        return self.low is not None and self.low > self._equal

    @property
    def gain(self) -> float:
        """The share of the live version's loss that the challenger saves, as seen; 0 where nothing is seen."""
        if self.effect is None:
            return 0.0
        if self.is_ratio:
            return 1.0 - self.effect
        return -self.effect / self.live_loss if self.live_loss else 0.0

    @property
    def _equal(self) -> float:
        return 1.0 if self.is_ratio else 0.0

    def sentence(self) -> str:
        """Say the comparison with its interval."""
        if self.effect is None:
            return f"no comparison yet, {self.n:,} outcomes"
        what, sign = ("ratio", "") if self.is_ratio else ("difference", "+")
        low, high = ("unbounded" if each is None else f"{each:{sign}.3g}" for each in (self.low, self.high))
        return f"loss {what} {self.effect:{sign}.3g} ({self.level:.0%} from {low} to {high}) on {self.n:,} outcomes"


class LeaderboardEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One version on the leaderboard of a model.

    Attributes:
        version: The version.
        role: "live", or how it was compared with the live version: shadow, canary, ab, blue_green.
        realised: By outcomes; None where none are known.
        estimated: Without outcomes; None where nothing is estimated.
        against_live: The comparison in its rollout; None for the live version, and where no loss was compared.
        verdict: live, better, worse, open, or not compared.
        is_proposed: Whether it is shown to be better for long enough, and nothing else decides on it.
        reason: Why it stands there, one sentence.
        rollout_id: Where it was compared; empty for the live version.
        is_active: Whether that rollout is under way.
    """

    model: str
    version: str
    role: str
    realised: MetricReading | None = None
    estimated: MetricReading | None = None
    against_live: LossAgainstLive | None = None
    verdict: str
    is_proposed: bool = False
    reason: str
    rollout_id: str = ""
    is_active: bool = False


def leaderboard(workspace: Workspace, model: str, *, now: datetime) -> tuple[LeaderboardEntry, ...]:
    """Rank the live version of a model and the versions that were compared with it, the best first.

    Args:
        workspace: The workspace.
        model: The model.
        now: The present.
    Raises:
        NotFoundError: There is no such model.
        SettingsError: The policy cannot be used.
    """
    registry = Registry(workspace)
    live = registry.production(model)
    if live is None:
        return ()
    known = set(registry.numbers(model))
    rollouts = [
        each
        for each in Rollouts(workspace).all()
        if each.model == model and each.stable == live.version and each.candidate in known
    ]
    active = Retrainings(workspace).active(model)
    return rank(
        model,
        live.version,
        rollouts,
        MonitoringStore(workspace).find(model),
        PolicySource(workspace.root).policy().for_model(model).retraining.challenger,
        now=now,
        decided_elsewhere=active.observed.challenger if active is not None else "",
    )


def rank(
    model: str,
    live: str,
    rollouts: Iterable[Rollout],
    monitoring: ModelMonitoring | None,
    rules: ChallengerRules | None,
    *,
    now: datetime,
    decided_elsewhere: str = "",
) -> tuple[LeaderboardEntry, ...]:
    """Rank versions by what their rollouts and the monitoring found; pure.

    Args:
        model: The model.
        live: Its live version.
        rollouts: Of candidates against that version, oldest first; of several of one candidate, the last counts.
        monitoring: What is known of the versions that are served.
        rules: When a challenger is proposed; None: never.
        now: The present.
        decided_elsewhere: The version of an active retraining, which decides on it.
    """
    seen = {each.version: each for each in monitoring.versions} if monitoring is not None else {}
    newest = {each.candidate: each for each in rollouts if each.candidate != live}
    champion = LeaderboardEntry(
        model=model,
        version=live,
        role=LIVE,
        realised=_realised(seen.get(live)),
        estimated=_estimated(seen.get(live)),
        verdict=LIVE,
        reason=_live_reason(seen.get(live)),
    )
    others = [_challenger(each, seen.get(each.candidate), rules, now, decided_elsewhere) for each in newest.values()]
    return tuple(sorted([champion, *others], key=_place))


def _place(standing: LeaderboardEntry) -> tuple[int, float]:
    """Order by what is shown first, and by what is seen second."""
    shown = {"better": 0, LIVE: 1, "open": 2, "not compared": 3, "worse": 4}[standing.verdict]
    return shown, 0.0 if standing.against_live is None else -standing.against_live.gain


def _challenger(
    rollout: Rollout, seen: VersionMonitoring | None, rules: ChallengerRules | None, now: datetime, elsewhere: str
) -> LeaderboardEntry:
    against = _against_live(rollout.observed.readings)
    verdict, reason = _verdict(rollout, against)
    is_proposed = False
    if verdict == "better":
        waits = _waits(rollout, against, rules, now, elsewhere)
        is_proposed = not waits
        reason = f"{reason}; {waits or 'proposed: promote it, or start a canary'}"
    return LeaderboardEntry(
        model=rollout.model,
        version=rollout.candidate,
        role=str(rollout.strategy),
        realised=_realised(seen),
        estimated=_estimated(seen),
        against_live=against,
        verdict=verdict,
        is_proposed=is_proposed,
        reason=reason,
        rollout_id=rollout.rollout_id,
        is_active=rollout.is_active,
    )


def _against_live(readings: Iterable[GuardReading]) -> LossAgainstLive | None:
    for reading in readings:
        if reading.source is GuardSource.LOSS and reading.slice is None and reading.verdict is not GuardVerdict.NO_DATA:
            return LossAgainstLive(
                live_loss=reading.stable_value,
                loss=reading.candidate_value,
                effect=reading.effect,
                low=reading.low,
                high=reading.high,
                is_ratio=reading.has_ratio,
                level=reading.level,
                n=reading.n_candidate,
            )
    return None


def _verdict(rollout: Rollout, against: LossAgainstLive | None) -> tuple[str, str]:
    name, observed = rollout.rollout_id, rollout.observed
    harm = next((each for each in observed.readings if each.verdict is GuardVerdict.HARMFUL), None)
    if harm is not None or observed.phase is RolloutPhase.ROLLED_BACK:
        return "worse", f"{name}: {harm.reason if harm is not None else 'rolled back'}"
    if against is None:
        return "not compared", f"{name} compared no losses: no outcomes of both versions are known"
    uneven = next((each for each in observed.readings if each.verdict is GuardVerdict.UNEVEN), None)
    if uneven is not None:
        return "open", f"{name}: the losses cannot be compared: {uneven.reason}"
    verdict = "better" if against.is_better else "worse" if against.is_worse else "open"
    return verdict, f"{name}: {against.sentence()}"


def _waits(
    rollout: Rollout, against: LossAgainstLive | None, rules: ChallengerRules | None, now: datetime, elsewhere: str
) -> str:
    """Say why a challenger that is shown to be better is not proposed; empty if it is."""
    if rules is None:
        return "no proposal is wanted (retraining.challenger)"
    if rollout.candidate == elsewhere:
        return "its retraining decides on it"
    observed = rollout.observed
    if rollout.is_active and rollout.strategy.promotes and not rollout.is_undecided:
        return f"its {rollout.strategy} goes live by itself"
    n = against.n if against is not None else 0
    if n < rules.min_outcomes:
        return f"{n:,} of {rules.min_outcomes:,} outcomes"
    began = observed.started_at or rollout.created_at
    hours = ((observed.ended_at or now) - began).total_seconds() / 3600
    if hours < rules.min_hours:
        return f"compared for {hours:.1f} of {rules.min_hours:g} hours"
    return ""


def _realised(seen: VersionMonitoring | None) -> MetricReading | None:
    part = seen.performance if seen is not None else None
    return None if part is None else _metric(part, part.n_outcomes)


def _estimated(seen: VersionMonitoring | None) -> MetricReading | None:
    part = seen.estimate if seen is not None else None
    return None if part is None else _metric(part, part.n_rows)


def _metric(part: PerformancePart | EstimatePart, n: int) -> MetricReading | None:
    """Return the metric that decides over all answers."""
    found = next((each for each in part.metrics if not each.window and not each.slice), None)
    if found is None:
        return None
    return MetricReading(
        metric=found.metric, value=found.value, low=found.low, high=found.high, n=n, verdict=str(part.verdict)
    )


def _live_reason(seen: VersionMonitoring | None) -> str:
    realised, estimated = _realised(seen), _estimated(seen)
    parts = [
        f"{word}: {reading.sentence()}"
        for word, reading in (("realised", realised), ("estimated", estimated))
        if reading is not None
    ]
    return "; ".join(parts) or "no outcome and no estimate is known yet"
