"""The rollouts of a workspace, with the verbs of people and of the engine.

They live in the registry's own file, so that the end of a canary, its version going live and the record of both are
one transaction.
"""

import logging
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from core.actor import Actor
from core.explain.deny_list import DenyList
from core.governance import audited, require_access
from core.losses import AnswerForm, LossRule
from core.registry.language_models import grammar_of, is_language_model
from core.registry.planning import reason_against
from core.registry.stages import Stage
from core.registry.trial_child import TrialFailedError
from core.rollout.answers import form_of_version
from core.rollout.errors import RolloutActiveError, RolloutRefusedError
from core.rollout.expectation_text import verdict_lines
from core.rollout.plan import RolloutPlan, TextRules, loss_rule, make_plan
from core.rollout.planner import RolloutProposal, propose, refusal_of
from core.rollout.progress import end
from core.rollout.read_columns import read_columns
from core.rollout.rollout import (
    END,
    DesiredRollout,
    ObservedRollout,
    Rollout,
    RolloutEvent,
    RolloutPhase,
    state_in_words,
)
from core.rollout.rollout_records import DATABASE, TABLE, RolloutRecords, rollout_number, summary_of
from core.rollout.slices import Slice, make_slices
from core.rollout.strategies import Strategy
from core.rollout.stricter import newly_refused
from core.rollout.usual_traffic import UsualTraffic, usual_traffic
from core.settings.policy import CanaryPolicy
from core.state import StaleRevisionError, read_lease
from core.tables.errors import TableError
from core.telemetry import TelemetryError
from core.telemetry.predictions import OutcomeDelay, PredictionReader
from core.text_limits import MAX_COMPOSED, require_reason

log = logging.getLogger(__name__)

_USUAL_PAST = timedelta(days=7)
_LEAST_LATENCIES = 500  # a 99th percentile of fewer is a guess
_LEAST_OUTCOMES = 20  # fewer may be a trial of the door

_NOT_OPEN = "its first step is not open yet; once an engine has opened it, it can be advanced and promoted"
_VERBS = {
    DesiredRollout.RUNNING: "rollout.resume",
    DesiredRollout.PAUSED: "rollout.hold",
    DesiredRollout.ABORTED: "rollout.abort",
    DesiredRollout.PROMOTE_NOW: "rollout.promote_now",
}


class _Lately(NamedTuple):
    """What a plan takes from the stable version; None where it is unknown."""

    p99_ms: float | None = None
    answers: AnswerForm | None = None
    outcomes_come: bool | None = None
    delay: OutcomeDelay | None = None


class Rollouts(RolloutRecords):
    """Rollouts by id. Cheap to make; safe to share between threads.

    People change the *desired* half (`start`, `request` and its short forms), the engine the *observed* half
    (`observe`, `promote`). Only an abort without a running engine writes both.
    """

    def plan(
        self,
        model: str,
        candidate: str,
        strategy: Strategy = Strategy.CANARY,
        policy: CanaryPolicy | RolloutPlan | None = None,
        *,
        share: float | None = None,
        actor: Actor | None = None,
    ) -> RolloutProposal:
        """Say what starting a rollout would do; a refusal is an answer, not an error.

        Args:
            model: The model.
            candidate: The version that gets traffic.
            strategy: How traffic moves.
            policy: The rules, or a complete plan; by default the model's rules of the policy.
            share: As `make_plan` takes it.
            actor: Who will start it, if known: it goes live in their name, so their own approval does not count.
        Raises:
            ModelNotFoundError: Nothing was registered under this name.
            VersionNotFoundError: The model has no such version.
            RolloutRefusedError: The share does not fit the rules, or a slice column is not one that both versions read.
            SettingsError: The workspace's policy cannot be used.
        """
        rules = self._policy.policy().for_model(model)
        usual = self._usual_traffic(model, loss_rule(rules.canary))
        if not isinstance(policy, RolloutPlan):
            canary = policy or rules.canary
            lately = self._lately(model)
            texts = self._texts(model, candidate) if strategy is Strategy.CANARY else None
            try:
                policy = make_plan(
                    strategy,
                    canary,
                    share=share,
                    stable_p99_ms=lately.p99_ms,
                    answers=lately.answers,
                    outcomes_come=lately.outcomes_come,
                    delay=lately.delay,
                    slices=self._slices(model, candidate, strategy, canary) if texts is None else (),
                    texts=texts,
                    difference_tolerance=None if usual is None else usual.difference_tolerance,
                )
            except ValueError as error:
                raise RolloutRefusedError(f"No {strategy.value} rollout of {model} {candidate}: {error}.") from error
        live, version = self._registry.production(model), self._registry.get(model, candidate)
        refused = () if live is None else newly_refused(self._workspace, live, version)
        proposal = propose(
            self._registry,
            model,
            candidate,
            policy,
            self.active(model),
            actor=actor,
            usual=usual,
            refused_newly=refused,
        )
        return msgspec.structs.replace(
            proposal, policy_sha256=rules.sha256, policy_files=tuple(file.name for file in self._policy.files())
        )

    def start(self, proposal: RolloutProposal, *, actor: Actor, reason: str = "") -> Rollout:
        """Start a proposed rollout; the engine opens the first step at its next turn.

        Raises:
            RolloutActiveError: Someone else started a rollout of this model first.
            RolloutRefusedError: A rule forbids it, or another version has gone live since the proposal.
        """
        now = self._clock()
        model, stage = proposal.model, Stage.PRODUCTION
        require_access(self._workspace, actor, "rollout.start", model=model, stage=stage, clock=self._clock)
        unservable = self._unservable(proposal) if proposal.allowed else None
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            if (active := self.active(proposal.model)) is not None:
                raise RolloutActiveError(active)
            if unservable is not None:
                raise RolloutRefusedError(unservable)
            if not proposal.allowed:
                raise RolloutRefusedError(proposal.refusal or "")
            version = self._registry.get(proposal.model, proposal.candidate)
            live = self._registry.production(proposal.model)
            refusal = refusal_of(version, live, proposal.plan.strategy, None)
            if refusal is None and proposal.plan.strategy.serves:
                refusal = self._registry.lacking_approvals(proposal.model, proposal.candidate, actor=actor)
            if refusal is not None:
                raise RolloutRefusedError(refusal)
            if live is None or live.version != proposal.stable:
                raise RolloutRefusedError(
                    f"{proposal.model} {live.version if live else 'nothing'} is in Production now, not "
                    f"{proposal.stable}. Review the plan again."
                )
            number = max((rollout_number(rollout.rollout_id) for rollout in self._documents.all()), default=0) + 1
            event = RolloutEvent(at=now, verb="rollout.start", reason=reason, step=0, share=0.0, by=str(actor))
            rollout = self._documents.insert(
                Rollout(
                    rollout_id=f"ro-{number:04d}",
                    model=proposal.model,
                    stable=proposal.stable,
                    candidate=proposal.candidate,
                    plan=proposal.plan,
                    created_at=now,
                    created_by=str(actor),
                    starters=tuple(sorted(actor.persons)),
                    policy_sha256=proposal.policy_sha256,
                    policy_files=proposal.policy_files,
                    reason=reason,
                    expected=tuple(verdict_lines(proposal.expected)),
                    desired_by=str(actor),
                    desired_at=now,
                    observed=ObservedRollout(events=(event,)),
                    updated_at=now,
                    updated_by=str(actor),
                )
            )
            self._write_holds(rollout.model)
            change.record(
                "rollout.start",
                rollout.rollout_id,
                after={
                    "model": rollout.model,
                    "stable": rollout.stable,
                    "candidate": rollout.candidate,
                    "plan": rollout.plan,
                    "policy_sha256": rollout.policy_sha256,
                },
                model=rollout.model,
                stage=Stage.PRODUCTION,
            )
        return rollout

    def _unservable(self, proposal: RolloutProposal) -> str | None:
        """Say why the candidate cannot answer requests; before the transaction, since it may be tried first."""
        numbers = (proposal.stable, proposal.candidate)
        if not any(self._registry.holds_model(proposal.model, number) for number in numbers):
            return None  # another program serves this model, and reports what it answers
        try:
            problem = self._registry.try_version(proposal.model, proposal.candidate)
        except TrialFailedError as error:  # this machine's fault
            log.warning("%s %s: %s", proposal.model, proposal.candidate, error)
            return None
        return problem and f"{proposal.model} {proposal.candidate} cannot be served: {problem}."

    def verdict_against(self, rollout: Rollout) -> str:
        """Return the verdict of an earlier rollout against a candidate; empty if there is none."""
        return " ".join(self._registry.verdicts(rollout.model, rollout.candidate))

    def requestable(self, name: str, desired: DesiredRollout) -> Rollout:
        """Return the rollout that a request is about, if it would be accepted now; raises as `request` does."""
        rollout = self.named(name)
        ends_here = desired is DesiredRollout.ABORTED and read_lease(self._workspace) is None
        if (refusal := _refusal(rollout, desired, None, ends_here=ends_here)) is not None:
            raise RolloutRefusedError(f"{rollout.rollout_id}: {refusal}.")
        return rollout

    def request(
        self,
        name: str,
        desired: DesiredRollout | None,
        *,
        actor: Actor,
        reason: str = "",
        step: int | None = None,
        expected_revision: int | None = None,
        override: str = "",
    ) -> Rollout:
        """Request a state or a step of a rollout.

        An abort takes traffic from the candidate as soon as the servers read the document, even without an engine. If
        no engine is running, the abort also ends the rollout, so that another may start.

        Args:
            name: The rollout's id, or the model's name for its active rollout.
            desired: The desired state; None, with a step, keeps the present one.
            actor: Who requests it.
            reason: Why, for the record.
            step: The lowest step it should be at; None leaves that to the evidence.
            expected_revision: The revision that the decision was based on. Later progress does not matter; a later
                request of someone else does.
            override: Why the candidate goes live without proof although an earlier rollout rolled it back.
        Raises:
            RefusedError: An earlier rollout rolled the candidate back, and it is to go live without such a reason.
            NotFoundError: There is no such rollout, and no active rollout of such a model.
            RolloutRefusedError: It has ended, the same was already requested, or it cannot do that.
            StaleRevisionError: It was changed by someone else first.
            UsageError: A reason is too long.
        """
        now = self._clock()
        require_reason(reason)
        verb = "rollout.advance" if step is not None or desired is None else _VERBS[desired]
        # An engine that starts only now finds it ended; if an engine dies only now, a second abort ends it.
        is_way_back = desired is DesiredRollout.ABORTED
        ends_here = is_way_back and read_lease(self._workspace) is None
        if desired is DesiredRollout.PROMOTE_NOW:
            meant = self.requestable(name, desired)
            reason = reason_against(self.verdict_against(meant), f"{meant.model} {meant.candidate}", reason, override)
        with audited(
            self._workspace,
            DATABASE,
            actor=actor,
            reason=reason,
            longest=MAX_COMPOSED,
            clock=self._clock,
            may_wait=is_way_back,
        ) as change:
            before = self.named(name)
            rollout_id = before.rollout_id
            if expected_revision is not None and before.desired_revision > expected_revision:
                raise StaleRevisionError.asked_otherwise(
                    TABLE, rollout_id, before, expected=expected_revision, desired=state_in_words(before.desired)
                )
            desired = desired or before.desired
            if (refusal := _refusal(before, desired, step, ends_here=ends_here)) is not None:
                raise RolloutRefusedError(f"{rollout_id}: {refusal}.")
            observed = before.observed
            if ends_here:
                why = f"asked by {actor} while no engine was running" + (f": {reason}" if reason else "")
                observed = end(observed, RolloutPhase.ABORTED, END, why, now=now, by=str(actor)).observed
            rollout = self._documents.replace(
                msgspec.structs.replace(
                    before,
                    desired=desired,
                    desired_step=before.desired_step if step is None else step,
                    desired_by=str(actor),
                    desired_at=now,
                    desired_reason=reason,
                    desired_revision=before.revision + 1,
                    observed=observed,
                    updated_at=now,
                    updated_by=str(actor),
                )
            )
            change.record(
                verb,
                rollout_id,
                before={"desired": before.desired, "desired_step": before.desired_step},
                after={"desired": rollout.desired, "desired_step": rollout.desired_step},
                model=rollout.model,
                stage=Stage.PRODUCTION,
            )
            if ends_here:
                self._write_holds(rollout.model)
                change.record(END, rollout_id, before=summary_of(before), after=summary_of(rollout))
        return rollout

    def advance(
        self,
        name: str,
        *,
        actor: Actor,
        reason: str = "",
        step: int | None = None,
        expected_revision: int | None = None,
    ) -> Rollout:
        """Go a step further without waiting for dwell time and samples; raises as `request` does.

        Args:
            name: The rollout's id, or the model's name for its active rollout.
            actor: Who requests it.
            reason: Why, for the record.
            step: The step to go to. A screen names the step it showed, so that a key pressed just after the engine
                took that step does not take another; by default the next step.
            expected_revision: As for `request`.
        """
        return self.request(
            name,
            None,
            actor=actor,
            reason=reason,
            step=self.named(name).observed.step + 1 if step is None else step,
            expected_revision=expected_revision,
        )

    def hold(self, name: str, *, actor: Actor, reason: str = "", expected_revision: int | None = None) -> Rollout:
        """Stay at this share; raises as `request` does."""
        return self.request(
            name, DesiredRollout.PAUSED, actor=actor, reason=reason, expected_revision=expected_revision
        )

    def resume(self, name: str, *, actor: Actor, reason: str = "", expected_revision: int | None = None) -> Rollout:
        """Continue after a hold or, with a new deadline, after an inconclusive verdict; raises as `request` does."""
        return self.request(
            name, DesiredRollout.RUNNING, actor=actor, reason=reason, expected_revision=expected_revision
        )

    def abort(self, name: str, *, actor: Actor, reason: str = "", expected_revision: int | None = None) -> Rollout:
        """Return all traffic to the stable version and end the rollout; raises as `request` does."""
        return self.request(
            name, DesiredRollout.ABORTED, actor=actor, reason=reason, expected_revision=expected_revision
        )

    def promote_now(
        self,
        name: str,
        *,
        actor: Actor,
        reason: str = "",
        expected_revision: int | None = None,
        override: str = "",
    ) -> Rollout:
        """Go live without waiting for proof, gates permitting; raises as `request` does."""
        return self.request(
            name,
            DesiredRollout.PROMOTE_NOW,
            actor=actor,
            reason=reason,
            expected_revision=expected_revision,
            override=override,
        )

    def _slices(self, model: str, candidate: str, strategy: Strategy, policy: CanaryPolicy) -> tuple[Slice, ...]:
        """Fix the levels of the policy's slice columns, which both versions must read."""
        live = self._registry.production(model)
        if not policy.slices or live is None or strategy is Strategy.BLUE_GREEN:
            return ()
        numbers = (live.version, self._registry.get(model, candidate).version)
        columns = {f"{model} {number}": read_columns(self._registry, model, number) for number in numbers}
        return make_slices(policy.slice_rules, columns, DenyList.in_force(self._workspace.root))

    def _texts(self, model: str, candidate: str) -> TextRules | None:
        """Say what of the texts of a model of language can be judged; None of a model of rows."""
        live, version = self._registry.production(model), self._registry.get(model, candidate)
        if not is_language_model(version):
            return None
        grammars = [grammar_of(each.lineage) for each in (version, live) if each is not None]
        if not all(grammars) or len(set(grammars)) > 1:
            which = version if not grammars[0] else live if not all(grammars) else None
            why = "the two versions learned the documents of two grammars"
            if which is not None:
                why = f"{which.version} learned documents of no grammar alone, so nothing reads its facts"
            return TextRules(why_no_facts=why)
        gates = {gate.name: gate.value for gate in live.gates} if live is not None else {}
        consistent = gates.get("fact_consistency")
        return TextRules(
            grammar=grammars[0], contradicted_share=None if consistent is None else round(1 - consistent / 100, 6)
        )

    def _usual_traffic(self, model: str, loss: LossRule) -> UsualTraffic | None:
        """Return what the model and its stable version did in the last week; None if nothing is known."""
        live, now = self._registry.production(model), self._clock()
        if live is None:
            return None
        try:
            reader = PredictionReader(self._workspace.predictions_file)
            found = reader.recent_traffic(model, live.version, since=now - _USUAL_PAST, now=now, loss=loss)
        except TelemetryError:
            return None
        return usual_traffic(found)

    def needed_since(self) -> dict[str, datetime]:
        """Return, by model, since when an active rollout needs the predictions, which must not be deleted."""
        return {rollout.model: rollout.created_at for rollout in self._documents.all() if rollout.is_active}

    def _lately(self, model: str) -> _Lately:
        """Return what a plan takes from the stable version; nothing if there is none, or predictions cannot be read."""
        live = self._registry.production(model)
        if live is None:
            return _Lately()
        reader = PredictionReader(self._workspace.predictions_file)
        try:
            latency = reader.latency_quantile(model, live.version, 0.99)
            answers = form_of_version(self._workspace, reader, live)
            outcomes_come = reader.n_outcomes(model, live.version) >= _LEAST_OUTCOMES
            delay = reader.outcome_delay(model, live.version, now=self._clock())
        except (TelemetryError, TableError):
            return _Lately()
        finally:
            reader.close()
        is_known = latency is not None and latency[1] >= _LEAST_LATENCIES and latency[0] > 0
        return _Lately(round(latency[0], 3) if latency and is_known else None, answers, outcomes_come, delay)


def _refusal(rollout: Rollout, desired: DesiredRollout, step: int | None, *, ends_here: bool) -> str | None:
    """Return why a request to a rollout is refused, or None."""
    phase = rollout.observed.phase
    if not phase.is_active:
        return f"it has ended ({phase.value.replace('_', ' ')}); start a new rollout instead"
    if ends_here:
        return None  # also if an engine was asked to abort it and was killed first
    if rollout.desired is DesiredRollout.ABORTED:
        return f"{rollout.desired_by} aborted it at {rollout.desired_at:%H:%M} UTC"
    if step is not None:
        if step > rollout.observed.step and not rollout.is_open:
            return _NOT_OPEN
        if step > rollout.plan.last_step:
            cure = (
                "promote it now, or let" if rollout.strategy.promotes else f"{rollout.strategy.value} has no more; let"
            )
            return f"there is no step after the last; {cure} the evidence decide"
        if step <= rollout.observed.step:
            return f"it is already at step {rollout.observed.step + 1} of {len(rollout.plan.steps)}"
        return None
    if desired is DesiredRollout.PROMOTE_NOW and not rollout.strategy.promotes:
        return f"strategy {rollout.strategy.value} ends with a finding; promote {rollout.candidate} separately"
    if desired is DesiredRollout.PROMOTE_NOW and not rollout.is_open:
        return _NOT_OPEN  # else it went live whenever an engine starts, without one request to show harm
    if rollout.desired is desired and not (desired is DesiredRollout.RUNNING and phase is RolloutPhase.INCONCLUSIVE):
        return f"{rollout.desired_by} already asked for that at {rollout.desired_at:%H:%M} UTC"
    return None
