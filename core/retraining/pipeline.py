"""The state machine of retrainings: desired and observed -> the next step. It is driven by one thread of the engine.

Whatever it does is written down first or can be found again, so that a new pipeline continues from the documents after
the engine was killed at any instant.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from core.actor import Actor
from core.alerts import Alerts
from core.backoff import BackOff
from core.clock import Clock
from core.clock import in_words as at_in_words
from core.errors import CoreError
from core.retraining.child_run import StepChild
from core.retraining.deploying import Deployment
from core.retraining.document import (
    DesiredRetraining,
    ObservedRetraining,
    Retraining,
    RetrainingPhase,
    RetrainingStep,
    StepName,
    StepState,
)
from core.retraining.facts import known_models
from core.retraining.proposals import Proposals
from core.retraining.results import StepResult, folder_of, forget_result, read_result, remove_folder
from core.retraining.retrainings import Retrainings
from core.retraining.watching import TriggerWatch
from core.settings import PolicySource, SettingsError
from core.settings.retraining import RetrainingPolicy
from core.state import Workspace

log = logging.getLogger(__name__)

FAILED, WAITING = "retraining_failed", "retraining_waiting"
CHILD_SECONDS = 0.1
ACTIVE_SECONDS = 1.0
LOOK_SECONDS = 15.0
"""How often triggers are looked at."""
_NOTE_EVERY = timedelta(seconds=10)
KEPT_FOLDERS = 5
LONGEST_WAIT = timedelta(days=1)


class Pipeline:
    """Takes the next step of every active retraining, and starts retrainings whose triggers are due."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        alerts: Alerts,
        actor: Actor,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            workspace: The workspace.
            alerts: Its alerts.
            actor: The engine.
            clock: The time.
            monotonic: Seconds of a clock that is never set back, for the limits of steps.
        """
        self._workspace = workspace
        self._alerts = alerts
        self._actor = actor
        self._clock = clock
        self._monotonic = monotonic
        self._retrainings = Retrainings(workspace, clock=clock)
        self._deployment = Deployment(workspace, actor=actor, clock=clock)
        self._policy = PolicySource(workspace.root)
        self._child: StepChild | None = None
        self._looked_at: datetime | None = None
        self._triggers = TriggerWatch(workspace, self._rules, retrainings=self._retrainings, actor=actor)
        self._proposals = Proposals(workspace, alerts)
        self._noted_at: dict[str, datetime] = {}

    @property
    def child_pid(self) -> int | None:
        """The process id of the step that computes now, if there is one."""
        return None if self._child is None else self._child.pid

    def close(self) -> None:
        """End the step that computes; the next pipeline performs it again."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def tick(self) -> float:
        """Take the steps that are due; return in how many seconds the next may be."""
        now = self._clock()
        if self._looked_at is None or not timedelta(0) <= now - self._looked_at < timedelta(seconds=LOOK_SECONDS):
            self._looked_at = now
            self._triggers.look(now)
            self._proposals.look(now)
        active = [each for each in self._retrainings.all() if each.is_active]
        for found in sorted(active, key=lambda each: -each.priority):  # stable: of equals, the oldest first
            try:
                self._advance(found, now)
            except CoreError as error:
                log.warning("%s: %s", found.retraining_id, error)
                self._note(found, str(error), now)
        if self._child is not None:
            return CHILD_SECONDS
        return ACTIVE_SECONDS if active else LOOK_SECONDS

    def _rules(self) -> dict[str, RetrainingPolicy]:
        """Return the rules of each live model; none while the policy is unusable, of which the engine has an alert."""
        try:
            policy = self._policy.policy()
        except SettingsError:
            return {}
        return {model: policy.for_model(model).retraining for model in known_models(self._workspace)}

    # Steps

    def _advance(self, found: Retraining, now: datetime) -> None:
        observed = found.observed
        if found.desired is DesiredRetraining.CANCELLED and observed.phase is not RetrainingPhase.RESTORING:
            self._end_child(found)
            why = f": {found.desired_reason}" if found.desired_reason else ""
            self._restoring(found, RetrainingPhase.CANCELLED, f"{found.desired_by} cancelled it{why}")
            return
        if observed.phase is RetrainingPhase.RESTORING:
            self._restore(found, now)
            return
        if found.desired is DesiredRetraining.HELD:
            if self._is_computing(found):  # it may end, and no further step begins
                self._heard(found, now)
            self._hold(self._retrainings.get(found.retraining_id))
            self._watch_harm(self._retrainings.get(found.retraining_id), now)
            return
        if observed.phase is RetrainingPhase.HELD:
            self._deployment.steer(found, held=False)
            found = self._observe(found, "retraining.resumed", f"{found.desired_by} resumed it", phase=_running(found))
        if self._is_computing(found):
            self._heard(found, now)
            return
        if self._is_computed_before(found, now):
            return
        step = found.observed.current
        if step is None:
            self._finish(found, RetrainingPhase.DONE, found.observed.steps[-1].reason)
        elif step.name.computes:
            self._compute(found, step, now)
        else:
            {StepName.REGISTER: self._register, StepName.ROLLOUT: self._roll_out, StepName.WATCH: self._watch}[
                step.name
            ](found, step, now)

    def _is_computing(self, found: Retraining) -> bool:
        return self._child is not None and self._child.retraining_id == found.retraining_id

    def _is_computed_before(self, found: Retraining, now: datetime) -> bool:
        """Take the result that a step of an earlier engine left, if it left one."""
        step = found.observed.current
        if step is None or not step.name.computes or step.state is not StepState.RUNNING or self._is_computing(found):
            return False
        result = read_result(self._workspace, found.retraining_id, step.name)
        if result is None:
            return False
        self._take(found, step, result, now)
        return True

    def _heard(self, found: Retraining, now: datetime) -> None:
        """Take the result of the running child, if it has one."""
        assert self._child is not None
        result = self._child.result()
        if result is None:
            if (part := self._child.progress) and found.observed.phase is RetrainingPhase.RUNNING:
                self._note(found, f"{self._child.step} is running: {part}", now)
            return
        step = found.observed.step(self._child.step)
        self._child.kill()  # its group, too: a command may have left a process behind
        self._child = None
        self._take(found, step, result, now)

    def _compute(self, found: Retraining, step: RetrainingStep, now: datetime) -> None:
        if _must_wait(step, now):
            return
        if self._child is not None:
            self._note(found, f"waiting: {self._child.retraining_id} computes", now)
            return
        if self._deployment.live(found.model) != found.observed.champion:
            live = self._deployment.live(found.model) or "no version"
            self._stop(found, step, f"{live} went live meanwhile, so there is nothing to compare with", now)
            return
        forget_result(
            self._workspace, found.retraining_id, step.name
        )  # of an earlier attempt: not taken for this one's
        started = step.started_at or now
        step = msgspec.structs.replace(step, state=StepState.RUNNING, started_at=started, next_attempt_at=None)
        found = self._observe(
            found,
            f"retraining.{step.name}",
            f"attempt {step.n_failures + 1}",
            phase=RetrainingPhase.RUNNING,
            reason=f"{step.name} is running",
            started_at=found.observed.started_at or now,
            steps=_with(found.observed, step),
        )
        try:
            self._child = StepChild(self._workspace, found, step.name, monotonic=self._monotonic)
        except (OSError, CoreError) as error:
            self._failed(found, step, f"its process cannot be started: {error}", now)

    def _take(self, found: Retraining, step: RetrainingStep, result: StepResult, now: datetime) -> None:
        seconds = round((step.seconds or 0.0) + result.seconds, 3)
        peak = max(step.peak_memory_mb or 0, result.peak_memory_mb)
        step = msgspec.structs.replace(step, seconds=seconds, peak_memory_mb=peak, evidence=result.evidence)
        match result.outcome:
            case "done":
                self._done(found, step, result.reason, now, run_id=result.run_id or found.observed.run_id)
            case "stopped":
                self._stop(found, step, result.reason, now)
            case "failed":
                self._failed(found, step, result.reason, now)

    def _done(self, found: Retraining, step: RetrainingStep, reason: str, now: datetime, **observed: object) -> None:
        step = msgspec.structs.replace(
            step, state=StepState.DONE, ended_at=now, started_at=step.started_at or now, reason=reason
        )
        self._observe(
            found,
            f"retraining.{step.name}.done",
            reason,
            reason=f"{step.name}: {reason}",
            steps=_with(found.observed, step),
            **observed,
        )

    def _stop(self, found: Retraining, step: RetrainingStep, reason: str, now: datetime) -> None:
        """End a retraining whose rows or version did not pass: the live version stays."""
        step = msgspec.structs.replace(step, state=StepState.STOPPED, ended_at=now, reason=reason)
        self._finish(found, RetrainingPhase.REJECTED, f"{step.name}: {reason}", steps=_with(found.observed, step))

    def _failed(self, found: Retraining, step: RetrainingStep, reason: str, now: datetime) -> None:
        policy, n_failures = found.policy, step.n_failures + 1
        step = msgspec.structs.replace(step, state=StepState.FAILED, n_failures=n_failures, reason=reason)
        if n_failures > policy.max_retries:
            step = msgspec.structs.replace(step, ended_at=now)
            self._finish(
                found,
                RetrainingPhase.FAILED,
                f"{step.name} broke off {n_failures} times: {reason}",
                steps=_with(found.observed, step),
            )
            return
        longest = LONGEST_WAIT.total_seconds()
        pause = BackOff(first_seconds=policy.retry_seconds, most_seconds=longest).wait_seconds(n_failures)
        again = now + timedelta(seconds=pause)
        step = msgspec.structs.replace(step, next_attempt_at=again)
        self._observe(
            found,
            f"retraining.{step.name}.failed",
            reason,
            reason=f"{step.name} broke off: {reason}; again at {at_in_words(again)}",
            steps=_with(found.observed, step),
        )

    def _register(self, found: Retraining, step: RetrainingStep, now: datetime) -> None:
        if _must_wait(step, now):
            return
        try:
            version = self._deployment.register(found)
        except (CoreError, OSError, msgspec.DecodeError) as error:
            self._failed(found, step, str(error), now)
            return
        reason = f"{version.key} registered, with {found.observed.champion} as its parent"
        self._done(found, step, reason, now, challenger=version.version)

    def _roll_out(self, found: Retraining, step: RetrainingStep, now: datetime) -> None:
        observed, live = found.observed, self._deployment.live(found.model)
        if live not in (observed.champion, observed.challenger):
            self._stop(found, step, f"{live or 'no version'} went live meanwhile", now)
            return
        rollout = self._deployment.rollout_of(found)
        if rollout is None and live == observed.challenger:
            self._done(found, step, f"{live} is live", now, promoted_at=now)
            return
        if rollout is None:
            self._begin(found, step, now)
            return
        if observed.rollout_id != rollout.rollout_id:  # an earlier engine started it, and was killed before it said so
            self._rolling(found, step, rollout.rollout_id, now)
            return
        until = found.policy.blackout_until(now)
        self._deployment.keep_still(found, None if until is None else f"blackout until {at_in_words(until)}")
        standing = self._deployment.judge(found, may_promote=until is None)
        if standing.verdict is None:
            self._note(found, standing.reason, now)
        elif standing.verdict:
            self._done(found, step, standing.reason, now, promoted_at=now)
        else:
            self._stop(found, step, standing.reason, now)

    def _begin(self, found: Retraining, step: RetrainingStep, now: datetime) -> None:
        challenger = found.observed.challenger
        if lacking := found.n_approvals_lacking:
            if found.observed.phase is not RetrainingPhase.AWAITING_APPROVAL:
                persons = "1 person" if lacking == 1 else f"{lacking} persons"
                validated = found.observed.step(StepName.VALIDATE).reason
                reason = f"{challenger} awaits the approval of {persons}; {validated}"
                self._alert(WAITING, found, f"{found.model} {reason}", now)
                self._observe(
                    found, "retraining.propose", reason, phase=RetrainingPhase.AWAITING_APPROVAL, reason=reason
                )
            return
        if (until := found.policy.blackout_until(now)) is not None:
            self._note(found, f"{challenger} waits: blackout until {at_in_words(until)}", now)
            return
        try:
            rollout = self._deployment.begin(found)
        except CoreError as error:
            reason = f"{challenger} cannot meet traffic: {error}"
            self._alert(WAITING, found, f"{found.model} {reason}", now)
            self._note(found, reason, now)
            return
        self._rolling(found, step, rollout.rollout_id, now)

    def _rolling(self, found: Retraining, step: RetrainingStep, rollout_id: str, now: datetime) -> None:
        reason = f"{rollout_id} decides on {found.observed.challenger}"
        step = msgspec.structs.replace(
            step,
            state=StepState.RUNNING,
            started_at=step.started_at or now,
            reason=reason,
            evidence={"rollout": rollout_id},
        )
        self._clear(WAITING, found, now, f"{rollout_id} was started")
        self._observe(
            found,
            "retraining.rollout",
            reason,
            phase=RetrainingPhase.RUNNING,
            reason=reason,
            rollout_id=rollout_id,
            before=self._deployment.performance_of(found.model, found.observed.champion) or found.observed.before,
            steps=_with(found.observed, step),
        )

    def _watch(self, found: Retraining, step: RetrainingStep, now: datetime) -> None:
        if found.observed.promoted_at is not None and found.observed.promoted_at > now:
            why = f"the clock was set back to {at_in_words(now)}: the watch restarts"
            found = self._observe(found, "retraining.watch", why, promoted_at=now)
        standing = self._deployment.watch(found, now)
        if standing.verdict is None:
            self._note(found, standing.reason, now)
        elif standing.verdict:
            self._done(found, step, standing.reason, now)
        else:
            self._take_back(found, step, standing.reason, now)

    def _hold(self, found: Retraining) -> None:
        if found.observed.phase is RetrainingPhase.HELD or not found.is_active:
            return
        self._deployment.steer(found, held=True)
        why = f": {found.desired_reason}" if found.desired_reason else ""
        reason = f"held by {found.desired_by}{why}"
        self._observe(found, "retraining.held", reason, phase=RetrainingPhase.HELD, reason=reason)

    def _watch_harm(self, found: Retraining, now: datetime) -> None:
        """Take a version back that fails while its retraining is held: a hold keeps nothing harmful live."""
        step = found.observed.current
        if step is None or step.name is not StepName.WATCH:
            return
        standing = self._deployment.watch(found, now)
        if standing.verdict is False:
            self._take_back(found, step, standing.reason, now)

    # The end

    def _take_back(self, found: Retraining, step: RetrainingStep, reason: str, now: datetime) -> None:
        step = msgspec.structs.replace(step, state=StepState.STOPPED, ended_at=now, reason=reason)
        self._restoring(found, RetrainingPhase.RESTORED, reason, steps=_with(found.observed, step))

    def _restoring(self, found: Retraining, ends_as: RetrainingPhase, reason: str, **observed: object) -> None:
        self._observe(
            found,
            "retraining.restore",
            reason,
            phase=RetrainingPhase.RESTORING,
            reason=reason,
            ends_as=ends_as,
            **observed,
        )

    def _restore(self, found: Retraining, now: datetime) -> None:
        observed = found.observed
        done = self._deployment.restore(found, f"{found.retraining_id}: {observed.reason}"[:900])
        if done:
            ends_as = observed.ends_as or RetrainingPhase.RESTORED
            if observed.challenger and self._deployment.live(found.model) == observed.challenger:
                ends_as = RetrainingPhase.FAILED  # there is no way back to the earlier version
            self._finish(found, ends_as, f"{observed.reason}; {done}")

    def _finish(self, found: Retraining, phase: RetrainingPhase, reason: str, **observed: object) -> None:
        now = self._clock()
        # Alerts come first: an engine that is killed in between does both again, and neither is forgotten.
        self._clear(WAITING, found, now, f"it has ended: {reason}")
        if phase is RetrainingPhase.DONE:
            self._clear(FAILED, found, now, f"{found.retraining_id} succeeded")
        elif phase is not RetrainingPhase.CANCELLED:
            self._alert(FAILED, found, f"{found.retraining_id} of {found.model}: {reason}", now)
        self._observe(found, f"retraining.{phase}", reason, phase=phase, reason=reason, ended_at=now, **observed)
        self._tidy()

    def _tidy(self) -> None:
        """Remove the rows of old retrainings, and of those whose documents are gone."""
        ended = [each.retraining_id for each in self._retrainings.all() if not each.is_active]
        keep = {each.retraining_id for each in self._retrainings.all()} - set(ended[:-KEPT_FOLDERS])
        place = folder_of(self._workspace, "x").parent
        for folder in place.iterdir() if place.is_dir() else ():
            if folder.name not in keep:
                remove_folder(self._workspace, folder.name)

    def _end_child(self, found: Retraining) -> None:
        if self._child is not None and self._child.retraining_id == found.retraining_id:
            self.close()

    # What is written

    def _observe(self, found: Retraining, verb: str, because: str, **observed: object) -> Retraining:
        return self._retrainings.observe(
            found.retraining_id, verb, actor=self._actor, because=because, observed=observed
        )

    def _note(self, found: Retraining, reason: str, now: datetime) -> None:
        before = self._noted_at.get(found.retraining_id)
        if found.observed.reason == reason or (before is not None and timedelta(0) <= now - before < _NOTE_EVERY):
            return
        self._noted_at[found.retraining_id] = now
        self._retrainings.note(found.retraining_id, reason)

    def _alert(self, rule: str, found: Retraining, summary: str, now: datetime) -> None:
        self._alerts.fire(rule, labels={"model": found.model}, summary=summary, now=now)

    def _clear(self, rule: str, found: Retraining, now: datetime, reason: str) -> None:
        self._alerts.clear(rule, labels={"model": found.model}, now=now, reason=reason)


def _with(observed: ObservedRetraining, step: RetrainingStep) -> tuple[RetrainingStep, ...]:
    return tuple(step if each.name is step.name else each for each in observed.steps)


def _must_wait(step: RetrainingStep, now: datetime) -> bool:
    """Whether a step that broke off waits; a time that lies farther ahead than any wait is of a wrong clock."""
    return step.next_attempt_at is not None and timedelta(0) < step.next_attempt_at - now <= LONGEST_WAIT


def _running(found: Retraining) -> RetrainingPhase:
    """Return the phase after a hold: a retraining that has not begun is queued again."""
    has_begun = any(step.state is not StepState.WAITING for step in found.observed.steps)
    return RetrainingPhase.RUNNING if has_begun else RetrainingPhase.QUEUED
