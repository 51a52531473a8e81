"""The steps that move versions: registration, rollout, watch, and the way back. Each may be performed again.

A crash between two documents leaves a version or a rollout that the retraining does not know yet. Both are found again:
a version by its run, a rollout by its candidate.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.actor import Actor
from core.clock import Clock
from core.clock import in_words as at_in_words
from core.errors import CoreError
from core.monitoring.documents import HealthState, PerformancePart
from core.monitoring.monitoring_store import MonitoringStore
from core.monitoring.verdicts import PerformanceVerdict
from core.registry import ModelVersion, Registry, Stage
from core.retraining.document import MetricBefore, Retraining
from core.retraining.results import folder_of, read_card
from core.rollout import Rollout, RolloutPhase, Rollouts
from core.rollout.judgement import VerdictOutcome
from core.rollout.rollout import DesiredRollout
from core.rollout.strategies import Strategy
from core.state import Workspace

_NEWEST_FIRST = ("day", "week", "")
_LEAST_OUTCOMES = 100  # of a window: the interval of fewer is too wide to show that a version did better
STRATEGIES = {"canary": Strategy.CANARY, "shadow": Strategy.SHADOW}


@dataclass(frozen=True, slots=True)
class DeploymentStanding:
    """How a rollout or a watch stands.

    Attributes:
        verdict: None: it goes on; True: it ended well; False: it ended otherwise.
        reason: Why, one sentence.
    """

    verdict: bool | None
    reason: str


class Deployment:
    """Moves the versions of one workspace for its retrainings."""

    def __init__(self, workspace: Workspace, *, actor: Actor, clock: Clock) -> None:
        """Prepare.

        Args:
            workspace: The workspace.
            actor: The engine.
            clock: The time.
        """
        self._workspace = workspace
        self._registry = Registry(workspace, clock=clock)
        self._rollouts = Rollouts(workspace, clock=clock)
        self._actor = actor
        self._clock = clock

    def live(self, model: str) -> str:
        """Return the number of the live version; empty if there is none."""
        found = self._registry.production(model)
        return "" if found is None else found.version

    def register(self, retraining: Retraining) -> ModelVersion:
        """Register the trained folder as the next version; of the same run and bytes there is one version only.

        Raises:
            CoreError: It cannot be registered.
            OSError: The trained folder cannot be read.
        """
        folder = folder_of(self._workspace, retraining.retraining_id)
        card = read_card(folder)
        return self._registry.register(
            retraining.model,
            folder / card.folder,
            metrics=card.metrics,
            lineage=card.lineage,
            gates=card.gates,
            actor=self._actor,
            run_id=card.run_id,
            bump="auto",
            parents=(retraining.observed.champion,),
            description=card.description,
            reason=f"{retraining.retraining_id}: {retraining.cause}",
        )

    def rollout_of(self, retraining: Retraining) -> Rollout | None:
        """Return the newest rollout of the new version, if there is one.

        The retraining made the version, so every rollout of it is later, whatever a clock that was set back says.
        """
        challenger = retraining.observed.challenger
        found = [
            rollout
            for rollout in self._rollouts.all()
            if (rollout.model, rollout.candidate) == (retraining.model, challenger)
        ]
        return found[-1] if found else None

    def begin(self, retraining: Retraining) -> Rollout:
        """Stage the new version, and start its rollout.

        Raises:
            CoreError: A rule forbids it now; the message says which.
        """
        model, challenger = retraining.model, retraining.observed.challenger
        strategy = STRATEGIES[retraining.policy.strategy]
        reason = f"{retraining.retraining_id}: {retraining.cause}"
        if self._registry.get(model, challenger).stage is Stage.DEVELOPMENT:
            plan = self._registry.plan_promotion(model, challenger, Stage.STAGING, actor=self._actor)
            self._registry.apply(plan, actor=self._actor, reason=reason)
        proposal = self._rollouts.plan(model, challenger, strategy, actor=self._actor)
        return self._rollouts.start(proposal, actor=self._actor, reason=reason)

    def steer(self, retraining: Retraining, *, held: bool) -> None:
        """Hold or resume the rollout as the retraining is held or not; what a person asked of the rollout stays."""
        rollout = self.rollout_of(retraining)
        if rollout is None or not rollout.is_active:
            return
        if held and rollout.desired is DesiredRollout.RUNNING:
            self._rollouts.hold(rollout.rollout_id, actor=self._actor, reason=f"{retraining.retraining_id} is held")
        elif not held and rollout.desired is DesiredRollout.PAUSED and self._is_ours(rollout):
            self._rollouts.resume(rollout.rollout_id, actor=self._actor, reason=f"{retraining.retraining_id} goes on")

    def keep_still(self, retraining: Retraining, why: str | None) -> None:
        """Hold a rollout that would go live in a blackout, and resume it afterwards, unless a person steered it since.

        Args:
            retraining: The retraining.
            why: Which blackout; None outside of one.
        """
        rollout = self.rollout_of(retraining)
        if rollout is None or not rollout.is_active or not rollout.strategy.promotes or not self._is_ours(rollout):
            return
        if why is not None and rollout.desired is DesiredRollout.RUNNING:
            self._rollouts.hold(rollout.rollout_id, actor=self._actor, reason=why)
        elif why is None and rollout.desired is DesiredRollout.PAUSED:
            self._rollouts.resume(rollout.rollout_id, actor=self._actor, reason="the blackout is over")

    def _is_ours(self, rollout: Rollout) -> bool:
        return rollout.desired_by == str(self._actor)

    def judge(self, retraining: Retraining, *, may_promote: bool = True) -> DeploymentStanding:
        """Say how the rollout stands; a shadow that ended well is followed by the promotion.

        Args:
            retraining: The retraining.
            may_promote: Whether a version may go live now; not in a blackout.
        """
        rollout = self.rollout_of(retraining)
        if rollout is None:
            return DeploymentStanding(False, "its rollout is gone")
        name, observed = rollout.rollout_id, rollout.observed
        last = observed.events[-1].reason if observed.events else ""
        match observed.phase:
            case RolloutPhase.PROMOTED:
                return DeploymentStanding(True, f"{name} promoted {rollout.candidate}: {last}")
            case RolloutPhase.FINISHED:
                verdict = observed.verdict
                if verdict is not None and verdict.outcome is VerdictOutcome.ADVANCE:
                    if not may_promote and self.live(retraining.model) != rollout.candidate:
                        return DeploymentStanding(None, f"{name} found {rollout.candidate} safe; a blackout is on")
                    return self._promote(retraining, f"{name} found {rollout.candidate} safe: {verdict.reason}")
                return DeploymentStanding(False, f"{name} did not find {rollout.candidate} safe: {last}")
            case RolloutPhase.ROLLED_BACK | RolloutPhase.ABORTED:
                if self.live(retraining.model) == rollout.candidate:
                    return DeploymentStanding(True, f"{rollout.candidate} went live another way: {last}")
                what = "rolled back" if observed.phase is RolloutPhase.ROLLED_BACK else "aborted"
                return DeploymentStanding(False, f"{name} was {what}: {last}")
        share = f"{observed.share:.0%} of the requests"
        why = f": {observed.verdict.reason}" if observed.verdict is not None else ""
        waits = "; an operator must decide" if rollout.is_undecided else ""
        return DeploymentStanding(None, f"{name} is {observed.phase}, {share}{why}{waits}")

    def _promote(self, retraining: Retraining, why: str) -> DeploymentStanding:
        model, challenger = retraining.model, retraining.observed.challenger
        if self.live(model) == challenger:
            return DeploymentStanding(True, why)
        if self.live(model) != retraining.observed.champion:
            return DeploymentStanding(False, f"{self.live(model) or 'no version'} went live meanwhile")
        try:
            plans = self._registry.plan_promotions(model, challenger, Stage.PRODUCTION, actor=self._actor)
            self._registry.apply_all(plans, actor=self._actor, reason=f"{retraining.retraining_id}: {why}")
        except CoreError as error:
            return DeploymentStanding(None, f"{why}; it cannot go live: {error}")
        return DeploymentStanding(True, why)

    def watch(self, retraining: Retraining, now: datetime) -> DeploymentStanding:
        """Say how the new live version does, until the time of the policy has passed."""
        model, challenger = retraining.model, retraining.observed.challenger
        live = self.live(model)
        if live != challenger:
            return DeploymentStanding(True, f"{live or 'no version'} went live meanwhile; nothing is left to watch")
        found = MonitoringStore(self._workspace).find(model)
        seen = found.live if found is not None and found.live.version == challenger else None
        seen_reason = ""
        if seen is not None and retraining.policy.rollback_on_failure:
            if seen.health.state is HealthState.FAILING:
                why = seen.health.reasons[0].text if seen.health.reasons else "its health is failing"
                return DeploymentStanding(False, f"{challenger} is failing: {why}")
            if seen.performance is not None and seen.performance.verdict is PerformanceVerdict.FELL:
                why = f"{challenger} does worse than when it was tested: {seen.performance.reason}"
                champion = retraining.observed.champion
                if (no_better := did_no_better(seen.performance, retraining.observed.before, champion)) is None:
                    return DeploymentStanding(False, why)
                seen_reason = f"; {why}, but {no_better}"
        since = retraining.observed.promoted_at or now
        until = since + timedelta(minutes=retraining.policy.watch_minutes)
        state = "nothing is known of it yet" if seen is None else f"its health is {seen.health.state}"
        state += seen_reason
        if now < until:
            return DeploymentStanding(None, f"watching {challenger} until {at_in_words(until)}: {state}")
        return DeploymentStanding(
            True, f"{challenger} was watched for {retraining.policy.watch_minutes:g} minutes: {state}"
        )

    def performance_of(self, model: str, version: str) -> tuple[MetricBefore, ...]:
        """Return what a live version did by outcomes: the metric that decides, over all its time and its windows."""
        found = MonitoringStore(self._workspace).find(model)
        if found is None or found.live.version != version or found.live.performance is None:
            return ()
        return metrics_before(found.live.performance)

    def restore(self, retraining: Retraining, reason: str) -> str:
        """Bring back the version and the traffic of before, unless somebody has moved on; say what was done.

        Raises:
            CoreError: It cannot be done now; it must be tried again.
        """
        model, champion = retraining.model, retraining.observed.champion
        challenger = retraining.observed.challenger
        rollout = self.rollout_of(retraining) if challenger else None
        if rollout is not None and rollout.is_active:
            if rollout.desired is not DesiredRollout.ABORTED:
                self._rollouts.abort(rollout.rollout_id, actor=self._actor, reason=reason)
            return ""  # it ends at the rollout worker's next turn; the document already gives it no traffic
        live = self.live(model)
        if not challenger or live == champion:
            return f"{champion} answers all requests"
        if live != challenger:
            return f"{live or 'no version'} went live meanwhile and was left alone"
        plan = self._registry.plan_rollback(model)
        if plan.version != champion:
            return (
                f"{challenger} stays live: a rollback would lead to {plan.version or 'no version'}, not to {champion}"
            )
        self._registry.apply(plan, actor=self._actor, reason=reason)
        return f"{champion} answers all requests again"


def metrics_before(part: PerformancePart) -> tuple[MetricBefore, ...]:
    """Keep the metric that decides, over all the time of a version and over its windows."""
    deciding = next((each.metric for each in part.metrics if not each.slice), None)
    return tuple(
        MetricBefore(
            metric=each.metric,
            value=each.value,
            low=each.low,
            high=each.high,
            n=each.n,
            window=each.window,
            higher_is_better=each.higher_is_better,
        )
        for each in part.metrics
        if each.metric == deciding
        and not each.slice
        and each.value is not None
        and each.low is not None
        and each.high is not None
    )


def did_no_better(part: PerformancePart, before: tuple[MetricBefore, ...], champion: str) -> str | None:
    """Say that the earlier version is not shown to have done better lately: then the way back leads to nothing better.

    Both intervals are valid at every look; where they do not overlap, the earlier version did better.

    Args:
        part: What the new version did, by outcomes.
        before: What the earlier version did just before.
        champion: The earlier version.
    Returns:
        None if it did better, or if nothing is known of it: then the new version is taken back.
    """
    now = {each.metric: each for each in metrics_before(part) if not each.window}
    for window in _NEWEST_FIRST:
        for each in before:
            found = now.get(each.metric)
            if each.window != window or found is None or (window and each.n < _LEAST_OUTCOMES):
                continue
            is_worse = found.high < each.low if each.higher_is_better else found.low > each.high
            if is_worse:
                return None
            when = f"in its last {window}" if window else "while it was live"
            return f"{champion} is not shown to have done better: {each.metric} {each.value:.4g} {when}"
    return None
