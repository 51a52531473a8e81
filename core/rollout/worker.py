"""The engine's turn: read the served requests, judge them, take the next step.

Everything a verdict is based on is in the rollout's working memory, with the cursor up to which predictions were read.
So an engine that follows a killed one continues from it and comes to the same evidence.
"""

import logging
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial

import msgspec

from core.actor import Actor
from core.alerts import Alerts
from core.clock import Clock, utc_now
from core.errors import CoreError
from core.registry import Registry
from core.rollout.collector import Collector
from core.rollout.guard_reader import read_guards, read_levels
from core.rollout.judgement import RolloutVerdict, StepStanding, VerdictOutcome, experiment_of, judge
from core.rollout.progress import RolloutChange, begin, end, next_change, with_event
from core.rollout.readings import GuardVerdict, Pace
from core.rollout.rollout import END, DesiredRollout, ObservedRollout, Rollout, RolloutPhase
from core.rollout.rollout_alerts import RolloutAlerts
from core.rollout.rollout_records import REFUSALS
from core.rollout.rollouts import Rollouts
from core.rollout.source import PredictionSource
from core.rollout.strategies import Strategy
from core.rollout.unjudged import not_judged
from core.rollout.working_memory import WorkingMemory
from core.state import StaleRevisionError, Workspace
from core.telemetry.predictions import Cursor, PredictionReader
from core.telemetry.tracing import NO_TRACES, Attribute, OpenSpan, Traces

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
SAVE_EVERY = timedelta(seconds=3)
SAVE_CURSOR_EVERY = timedelta(minutes=1)  # when only other traffic was read
_SETTLED_AFTER = timedelta(seconds=3)
_BATCHES_A_TICK = 10


class RolloutWorker:
    """Advances the active rollouts of a workspace; one thread of the one engine calls `tick`."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        source: PredictionSource | None = None,
        registry: Registry | None = None,
        alerts: Alerts | None = None,
        actor: Actor | None = None,
        clock: Clock = utc_now,
        traces: Traces = NO_TRACES,
    ) -> None:
        """Prepare to advance rollouts.

        Args:
            workspace: The workspace.
            source: Where predictions are read; by default the workspace's store.
            registry: Where the candidate goes live.
            alerts: Where alerts are raised; the engine passes its own.
            actor: In whose name steps are recorded; the engine's by default.
            clock: The time of document changes; verdicts take their time from `tick`.
            traces: Takes the spans of steps and promotions.
        """
        self._registry = registry or Registry(workspace, clock=clock)
        self._rollouts = Rollouts(workspace, registry=self._registry, clock=clock)
        self._source: PredictionSource = source or PredictionReader(workspace.predictions_file)
        self._memory = WorkingMemory(workspace)
        self._calls = RolloutAlerts(alerts or Alerts(workspace, clock=clock))
        self._has_caught_up = False
        self._traces = traces
        self._actor = actor or Actor.engine()
        self._collectors: dict[str, tuple[Cursor, Collector]] = {}
        self._pending: dict[str, ObservedRollout] = {}  # observed since the document was last written
        self._saved_at: dict[str, datetime] = {}
        self._uneven: dict[str, bool] = {}  # as the alert says
        self._failures: dict[str, str] = {}  # the error that keeps a rollout from being judged, reported once
        self._settled: set[str] = set()  # whose alerts were resolved, since the candidate is live another way
        self._unstored: set[str] = set()  # whose evidence could not be written, or read, until it is written again

    def tick(self, now: datetime) -> list[RolloutChange]:
        """Advance every active rollout as far as possible.

        A rollout that cannot be advanced does not keep the others waiting.

        Returns:
            The steps that were taken.
        """
        changes = []
        rollouts, unreadable = self._rollouts.readable()
        self._catch_up(rollouts, now)
        self._settle_alerts(rollouts, now)
        for rollout_id, problem in unreadable.items():
            self._report(rollout_id, problem, partial(self._calls.unreadable, rollout_id, problem, now))
        for rollout in rollouts:
            if not rollout.is_active:
                self._forget(rollout.rollout_id)
                self._unstored.discard(rollout.rollout_id)
                self._uneven.pop(rollout.rollout_id, None)
                continue
            try:
                if (change := self._drive(rollout, now)) is not None:
                    log.info("%s: %s: %s", rollout.rollout_id, change.verb, change.reason)
                    changes.append(change)
                self._work_again(rollout, now)
            except StaleRevisionError:  # it was changed by someone else first: read it again at the next tick
                self._forget(rollout.rollout_id)
            except Exception as error:  # whatever is wrong with one, people must see it and the others must go on
                self._forget(rollout.rollout_id)
                self._stick(rollout, error, now)
        return changes

    def _stick(self, rollout: Rollout, error: Exception, now: datetime) -> None:
        """Show that a rollout cannot be judged, in its document and by an alert; it is tried again at every tick."""
        is_expected = isinstance(error, CoreError | OSError)
        problem = str(error) if is_expected else f"internal error, see the engine's log: {error!r}"
        self._report(rollout.rollout_id, problem, partial(self._calls.stuck, rollout, problem, now))
        if rollout.observed.problem == problem:
            return
        since = rollout.observed.problem_since or now
        try:
            observed = msgspec.structs.replace(rollout.observed, problem=problem, problem_since=since)
            self._rollouts.save(rollout, observed)
        except (CoreError, OSError):  # the state file is the cause: it is named by every reader of it
            log.exception("could not store that %s cannot be judged", rollout.rollout_id)

    def _report(self, rollout_id: str, problem: str, alert: Callable[[], None]) -> None:
        """Log and alert once, not at every tick."""
        if self._failures.get(rollout_id) == problem:
            return
        log.error(
            "could not judge %s; it keeps its share: %s", rollout_id, problem, exc_info=sys.exc_info()[0] is not None
        )
        try:
            alert()
        except (CoreError, OSError):  # tried again at the next tick
            log.exception("could not raise the alert about %s", rollout_id)
        else:
            self._failures[rollout_id] = problem

    def _work_again(self, rollout: Rollout, now: datetime) -> None:
        """Clear the state and the alert of a rollout that could not be judged and now can."""
        if rollout.rollout_id in self._unstored:
            return
        failed = self._failures.pop(rollout.rollout_id, None)
        if rollout.observed.problem is None and failed is None:
            return
        current = self._rollouts.get(rollout.rollout_id)
        if current.observed.problem is not None:
            seen = self._pending.pop(rollout.rollout_id, current.observed)
            self._rollouts.save(current, msgspec.structs.replace(seen, problem=None, problem_since=None))
            self._saved_at[rollout.rollout_id] = now
        self._calls.work_again(rollout, now)
        log.info("%s can be judged again", rollout.rollout_id)

    def _drive(self, rollout: Rollout, now: datetime) -> RolloutChange | None:
        if rollout.observed.phase is RolloutPhase.PENDING and rollout.desired is DesiredRollout.PAUSED:
            return None  # held before its first step: it waits without traffic
        began_ns = time.time_ns()
        if (change := self._without_evidence(rollout, now)) is not None:
            return self._traced(rollout, change, now, began_ns)
        observed = self._held_unless_stored(rollout, self._observe(rollout, now))
        verdict = observed.verdict
        change = next_change(rollout, observed, verdict, now=now) if verdict else None
        if change is not None:
            return self._traced(rollout, change, now, began_ns)
        self._tell_uneven(rollout, observed, now)
        self._save_now_and_then(rollout, observed, now)
        return None

    def _held_unless_stored(self, rollout: Rollout, observed: ObservedRollout) -> ObservedRollout:
        """Take no candidate further on evidence that is lost with the engine; harm still takes it back."""
        is_further = observed.verdict is not None and observed.verdict.outcome is VerdictOutcome.ADVANCE
        if not is_further or rollout.rollout_id not in self._unstored:
            return observed
        reason = "it goes no further while its evidence cannot be stored"
        return msgspec.structs.replace(observed, verdict=RolloutVerdict(outcome=VerdictOutcome.HOLD, reason=reason))

    def _tell_uneven(self, rollout: Rollout, observed: ObservedRollout, now: datetime) -> None:
        """Alert once when the arms cannot be compared, and clear the alert when they can."""
        is_uneven = any(reading.verdict is GuardVerdict.UNEVEN for reading in observed.readings)
        if self._uneven.get(rollout.rollout_id) == is_uneven:
            return
        try:
            self._calls.checked(rollout, observed.readings, now)
        except (CoreError, OSError):  # tried again at the next tick
            log.exception("could not raise the alert about %s", rollout.rollout_id)
        else:
            self._uneven[rollout.rollout_id] = is_uneven

    def _without_evidence(self, rollout: Rollout, now: datetime) -> RolloutChange | None:
        """Decide whatever does not depend on the served requests."""
        observed = self._pending.get(rollout.rollout_id, rollout.observed)
        live = self._registry.production(rollout.model)
        if live is not None and live.version == rollout.candidate:
            reason = f"{rollout.candidate} went live another way"
            return end(observed, RolloutPhase.PROMOTED, END, reason, now=now)
        if live is None or live.version != rollout.stable:
            found = live.version if live else "no version"
            reason = f"{found} is in Production instead of {rollout.stable}, so there is nothing to compare with"
            return end(observed, RolloutPhase.ABORTED, END, reason, now=now)
        if rollout.desired is DesiredRollout.ABORTED:  # also while predictions cannot be read
            return next_change(rollout, observed, RolloutVerdict(outcome=VerdictOutcome.HOLD, reason=""), now=now)
        if (refusal := self._rollouts.refusal_to_continue(rollout)) is not None:
            return end(observed, RolloutPhase.ROLLED_BACK, "rollout.roll_back", refusal, now=now)
        if observed.phase is not RolloutPhase.PENDING:
            return None
        return begin(rollout, self._source.end(), now=now)

    def _observe(self, rollout: Rollout, now: datetime) -> ObservedRollout:
        """Read new predictions, and judge the evidence so far."""
        observed = self._pending.get(rollout.rollout_id, rollout.observed)
        # The desired half is the document's; the observed half may be newer here.
        if rollout.rollout_id not in self._collectors:
            observed = self._recall(rollout, observed, now)
        cursor, collector = self._collectors[rollout.rollout_id]
        n_before = observed.evidence.n_stable + observed.evidence.n_candidate
        for _ in range(_BATCHES_A_TICK):
            batch = self._source.read(
                rollout.rollout_id,
                cursor,
                settled_before=now - _SETTLED_AFTER,
                paired=rollout.plan.is_paired,
                with_served=rollout.strategy is not Strategy.SHADOW,
                loss=rollout.plan.loss,
            )
            collector.add(batch)
            cursor = batch.cursor
            if batch.is_last:
                break
        self._collectors[rollout.rollout_id] = cursor, collector
        evidence = collector.evidence
        n = evidence.n_stable + evidence.n_candidate
        started_at, step_since, deadline_at = observed.started_at, observed.step_since, observed.deadline_at
        if started_at is None or step_since is None or deadline_at is None:
            raise ValueError(f"{rollout.rollout_id} is {observed.phase} and was never begun")
        share = 0.5 if rollout.strategy is Strategy.SHADOW else observed.share
        pace = Pace(share=share, n_requests=n, seconds=(now - started_at).total_seconds())
        sums, settled = collector.sums, collector.settled
        n_reported = collector.losses.n_reported
        readings = read_guards(rollout.plan, evidence, sums, pace, settled=settled, n_reported=n_reported)
        # Many comparisons, and the same as before unless something was read.
        is_as_before = cursor == observed.cursor
        slices = (
            observed.slices if is_as_before else read_levels(rollout.plan, sums, settled=settled, n_reported=n_reported)
        )
        seen = msgspec.structs.replace(
            observed,
            evidence=evidence,
            cursor=cursor,
            readings=readings,
            slices=slices,
            disagreement=collector.differences.summary(),
            experiment=experiment_of(rollout.plan, readings),
            losses=collector.losses,
            not_judged=not_judged(rollout.plan, readings, slices),
            last_answer_at=now if n > n_before else observed.last_answer_at,
        )
        standing = StepStanding(
            step=seen.step,
            step_since=step_since,
            n_step_candidate=seen.n_step_candidate,
            deadline_at=deadline_at,
            held=rollout.desired is DesiredRollout.PAUSED,
        )
        return msgspec.structs.replace(seen, verdict=judge(rollout.plan, standing, (*readings, *slices), now=now))

    def _recall(self, rollout: Rollout, observed: ObservedRollout, now: datetime) -> ObservedRollout:
        """Continue from the working memory; if it is lost, collect everything again and say so."""
        recalled = self._memory.recall(rollout, self._source)
        self._collectors[rollout.rollout_id] = recalled.cursor, recalled.collector
        if not recalled.problem:
            return observed
        log.warning("collecting the evidence of %s again: %s", rollout.rollout_id, recalled.problem)
        reason = f"evidence is collected again from the stored predictions: {recalled.problem}"
        if observed.problem is not None:  # perhaps for the same cause: a file in its place shows that it is gone
            self._unstored.add(rollout.rollout_id)
        told = next((event for event in reversed(observed.events) if event.verb == "rollout.recollect"), None)
        if observed.problem is not None and told is not None and told.reason == reason:
            return observed  # the cause lasts, and one event names it
        return with_event(observed, "rollout.recollect", reason, now=now)

    def _traced(self, rollout: Rollout, change: RolloutChange, now: datetime, began_ns: int) -> RolloutChange:
        """Take a step in a span that began with the reading of its evidence; reasons stay out: people write in them."""
        evidence = change.observed.evidence
        told: Mapping[str, Attribute] = {
            "bondx.rollout": rollout.rollout_id,
            "bondx.model": rollout.model,
            "bondx.candidate": rollout.candidate,
            "bondx.stable": rollout.stable,
            "bondx.requests": evidence.n_stable + evidence.n_candidate,
        }
        with self._traces.span("rollout.step", told, start_ns=began_ns) as span:
            taken = self._take(rollout, change, now, span)
            observed = taken.observed
            span.tell({"bondx.decision": taken.verb, "bondx.phase": str(observed.phase), "bondx.step": observed.step})
            span.tell({"bondx.share": float(observed.share)})
        return taken

    def _take(self, rollout: Rollout, change: RolloutChange, now: datetime, span: OpenSpan) -> RolloutChange:
        if change.promotes:
            told = {"bondx.model": rollout.model, "bondx.candidate": rollout.candidate}
            try:
                with self._traces.span("rollout.promote", told, part_of=span):
                    taken = self._rollouts.promote(rollout, change, actor=self._actor)
            except REFUSALS as refusal:
                reason = f"the promotion was refused: {refusal}"
                observed = msgspec.structs.replace(change.observed, events=change.observed.events[:-1])
                change = end(observed, RolloutPhase.ROLLED_BACK, "rollout.roll_back", reason, now=now)
                taken = self._rollouts.observe(rollout, change, actor=self._actor)
        else:
            taken = self._rollouts.observe(rollout, change, actor=self._actor)
        self._pending.pop(rollout.rollout_id, None)
        self._saved_at[rollout.rollout_id] = now
        if not taken.is_active:
            self._memory.forget(taken.rollout_id)
        if taken.is_active and rollout.rollout_id in self._collectors:
            self._store_evidence(taken, now)  # the step is taken anyway
        try:
            self._calls.step_taken(taken, now)
        except (CoreError, OSError):
            log.exception("could not raise the alert about %s", rollout.rollout_id)
        return change

    def _store_evidence(self, rollout: Rollout, now: datetime) -> str | None:
        """Write the working memory of a rollout; judging goes on without it, and people are told.

        Returns:
            Why it could not be written, or None.
        """
        try:
            self._memory.save(rollout, *self._collectors[rollout.rollout_id])
        except (CoreError, OSError) as error:
            self._unstored.add(rollout.rollout_id)
            problem = f"its evidence cannot be stored, so it goes no further: {error}"
            self._report(rollout.rollout_id, problem, partial(self._calls.stuck, rollout, problem, now))
            return problem
        self._unstored.discard(rollout.rollout_id)
        return None

    def _catch_up(self, rollouts: list[Rollout], now: datetime) -> None:
        """Raise the alerts that the previous engine did not raise, once."""
        if self._has_caught_up:
            return
        self._has_caught_up = True
        for rollout in rollouts:
            if not rollout.is_active:  # it may have been aborted while no engine was running
                self._memory.forget(rollout.rollout_id)
        try:
            self._calls.catch_up(rollouts, now)
        except (CoreError, OSError):  # alerts that cannot be written must not stop rollouts
            log.exception("could not raise the alerts about earlier rollouts")

    def _settle_alerts(self, rollouts: list[Rollout], now: datetime) -> None:
        """Resolve the alerts of rollouts whose candidate went live another way after they had ended, once for each."""
        ended = [rollout for rollout in rollouts if not rollout.is_active and not rollout.is_live]
        ended = [rollout for rollout in ended if rollout.rollout_id not in self._settled]
        if not ended:
            return
        try:
            live = {model.model: model.production for model in self._registry.models()}
            for rollout in ended:
                if live.get(rollout.model) == rollout.candidate:
                    self._calls.went_live(rollout, now)
                    self._settled.add(rollout.rollout_id)
        except (CoreError, OSError):  # tried again at the next tick
            log.exception("could not resolve the alerts of earlier rollouts")

    def _save_now_and_then(self, rollout: Rollout, observed: ObservedRollout, now: datetime) -> None:
        """Store progress now and then, not with every request: the next engine continues from the document."""
        since = abs(now - self._saved_at.setdefault(rollout.rollout_id, now))  # a clock may be set back
        before = rollout.observed
        is_news = (observed.evidence, observed.verdict) != (before.evidence, before.verdict)
        is_cursor_due = observed.cursor != before.cursor and since >= SAVE_CURSOR_EVERY
        is_unstored = rollout.rollout_id in self._unstored
        if not is_cursor_due and not (since >= SAVE_EVERY and (is_news or is_unstored)):
            self._pending[rollout.rollout_id] = observed
            return
        if (problem := self._store_evidence(rollout, now)) is not None:
            observed = msgspec.structs.replace(observed, problem=problem, problem_since=observed.problem_since or now)
        self._saved_at[rollout.rollout_id] = now
        if is_cursor_due or is_news or observed.problem != before.problem:
            self._rollouts.save(rollout, observed)
            self._pending.pop(rollout.rollout_id, None)
        else:
            self._pending[rollout.rollout_id] = observed

    def _forget(self, rollout_id: str) -> None:
        self._collectors.pop(rollout_id, None)
        self._pending.pop(rollout_id, None)
        self._saved_at.pop(rollout_id, None)
