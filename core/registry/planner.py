"""Making a plan: gathering documents, files and settings for the pure functions of `planning`."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from core.actor import Actor
from core.clock import Clock
from core.explain.stored import finding_in
from core.quality.gate import GateResult
from core.registry import planning
from core.registry.approvals import Approvals, tally
from core.registry.artifacts import ArtifactStore
from core.registry.contents import ENVIRONMENT_NAME, MODEL_NAME, NO_MODEL, read_object
from core.registry.documents import ModelVersion, RegisteredModel
from core.registry.errors import ChangedFileError, CopyFailedError, HashMismatchError
from core.registry.gates import VERIFIED_ARTIFACT, approvals_gate, integrity_gate, promotion_gates, servable_gate
from core.registry.holds import Holds
from core.registry.integrity import IntegrityResult, inspect, tell_operator
from core.registry.last_health import last_known
from core.registry.members import member_of
from core.registry.numbering import version_key
from core.registry.planning import Plan
from core.registry.records import Records
from core.registry.stages import Stage, TransitionVerb, is_allowed, next_stage
from core.registry.trial_child import TrialFailedError, TrialOutcome
from core.registry.trials import Trials
from core.registry.undo import next_to_undo
from core.settings.policy_source import PolicySource
from core.settings.promotion import PromotionSettings
from core.state import Workspace
from core.tracking.environment import differences as environment_differences

log = logging.getLogger(__name__)


class Planner:
    """Reads everything a move depends on; changes nothing but the alerts on files."""

    def __init__(
        self,
        workspace: Workspace,
        records: Records,
        store: ArtifactStore,
        approvals: Approvals,
        trials: Trials,
        *,
        policy: PolicySource,
        promotion: PromotionSettings | None,
        clock: Clock,
    ) -> None:
        self._workspace = workspace
        self._records = records
        self._store = store
        self._approvals = approvals
        self._trials = trials
        self._holds = Holds(records.database)
        self._policy = policy
        self._own_policy = PolicySource.without_config(workspace.root)
        self._promotion = promotion
        self._clock = clock
        self._hold_a_model: dict[str, bool] = {}  # by the hash of the manifest

    def propose(
        self,
        verb: TransitionVerb,
        name: str,
        number: str = "",
        stage: Stage | None = None,
        *,
        actor: Actor | None = None,
        tries: bool = False,
        after: Stage | None = None,
    ) -> Plan:
        """Plan a move of a model at its current revision; the plan is stale once the revision grows.

        Args:
            verb: The move.
            name: The model.
            number: The version.
            stage: The target of a promotion.
            actor: Who will do it, if known.
            tries: Whether a version that was never loaded is tried now, which takes seconds; else it is left out.
            after: The stage that an earlier step of the same promotion leads to; by default the present stage.
        """
        plan = self._planned(verb, name, number, stage, actor=actor, tries=tries, after=after)
        return planning.with_rollout(plan, self._holds.running(name))

    def _planned(
        self,
        verb: TransitionVerb,
        name: str,
        number: str,
        stage: Stage | None,
        *,
        actor: Actor | None,
        tries: bool,
        after: Stage | None,
    ) -> Plan:
        model = self._records.model(name)
        if verb is TransitionVerb.PROMOTE:
            candidate = self._records.version(name, number)
            candidate = msgspec.structs.replace(candidate, stage=after or candidate.stage)
            target = stage or next_stage(candidate.stage)
            is_step = target is not None and is_allowed(verb, candidate.stage, target)
            gates: tuple[GateResult, ...] = ()
            if target and is_step:
                gates = self._promotion_gates(model, candidate, target, actor, self.examine(candidate).problems)
                is_tried = tries and not any(gate.blocks for gate in gates)
                gates += self._servable_gates(candidate, target, tries=is_tried, replacing=model.production)
            return self._by_rules_at_hand(self._with_verdicts(planning.promotion(model, candidate, target, gates)))
        if verb is TransitionVerb.ROLL_BACK:
            target_number = next(reversed(model.previous_production), None)
            # Older versions may have been pruned.
            previous = self._records.versions.find(version_key(name, target_number)) if target_number else None
            plan = planning.rollback(model, previous, self._integrity_gates(previous, tries=tries))
            return self._by_rules_at_hand(self._naming_verdicts(plan))
        if verb is TransitionVerb.UNDO:
            moves = self._records.transitions_of(model)
            returning = planning.version_to_return(next_to_undo(moves))
            served = self._records.versions.find(version_key(name, returning)) if returning else None
            stages = {version.version: version.stage for version in self._records.versions_of(name)}
            plan = planning.undo(model, moves, stages, self._integrity_gates(served, tries=tries))
            return self._unless_held(self._by_rules_at_hand(self._naming_verdicts(plan)))
        plan = planning.archiving(model, self._records.version(name, number))
        return self._unless_held(self._by_rules_at_hand(plan))

    def _by_rules_at_hand(self, plan: Plan) -> Plan:
        """Say which rules decide about a return while the settings cannot be used: a typo must not forbid it.

        A promotion comes here with such settings only in an engine, which goes on with those that it read last.
        """
        if self._promotion is not None or not plan.allowed:
            return plan
        # Beside a named policy, the workspace's own decides about approvals, which only a promotion needs.
        sources = (self._policy, self._own_policy) if plan.verb is TransitionVerb.PROMOTE else (self._policy,)
        problem = next((found for source in sources if (found := source.to_return_by()[1]) is not None), None)
        return plan if problem is None else planning.without_settings(plan, str(problem))

    def judged_again(self, plan: Plan) -> Plan:
        """Judge a plan again by what rollouts report, under the lock: they change while the model's revision does not.

        Args:
            plan: The plan.
        """
        if plan.verb is TransitionVerb.PROMOTE:
            plan = self._by_rules_at_hand(self._with_verdicts(plan))
        bare = msgspec.structs.replace(plan, ends_rollout=None)
        ends = planning.with_rollout(bare, self._holds.running(plan.model)).ends_rollout
        return msgspec.structs.replace(plan, ends_rollout=ends)

    def late_refusal(self, plan: Plan, actor: Actor) -> str | None:
        """Check again, under the lock, what may have changed while the model's revision did not.

        Args:
            plan: The plan.
            actor: Who carries it out.
        """
        if plan.verb in (TransitionVerb.ARCHIVE, TransitionVerb.UNDO):
            return self._unless_held(plan).refusal
        if plan.verb is not TransitionVerb.PROMOTE or plan.to_stage is not Stage.PRODUCTION:
            return None
        return self.lacking_approvals(self._records.version(plan.model, plan.version), actor)

    def lacking_approvals(self, candidate: ModelVersion, actor: Actor | None) -> str | None:
        """Say why a version lacks the approvals for this actor to put it into Production, or None."""
        settings = self.promotion_settings(candidate.model)
        if not settings.required_approvals:
            return None
        counting = tally(self._approvals.of(candidate), candidate, actor)
        gate = approvals_gate(candidate, counting, settings, blocking=True)
        return f"{candidate.model} {candidate.version}: {gate.reason}." if gate.blocks else None

    def verdicts(self, model: str, version: str) -> tuple[str, ...]:
        """Say which rollout rolled back a version and why, unless a later rollout has put it live.

        A member of an ensemble that is registered again, with figures of other rows, is another version and the same
        model: a verdict against one of them is one against all.
        """
        found = self._holds.warnings(model, version)
        member = member_of(self._records.version(model, version))
        if member is None:
            return found
        same = (each.version for each in self._records.versions_of(model) if member_of(each) == member)
        others = (self._holds.warnings(model, other) for other in same if other != version)
        return (*found, *(f"{said} {version} is the same member." for told in others for said in told))

    def examine(self, version: ModelVersion) -> IntegrityResult:
        """Hash the files of a version again, and update the alert on them."""
        result = inspect(self._store, version)
        found = "as registered" if result.ok else "; ".join(result.problems)
        log.info("%s %s: %d files hashed, %s", version.model, version.version, version.n_files, found)
        tell_operator(self._workspace, result, now=self._clock())
        return result

    def warnings(self, version: ModelVersion) -> tuple[str, ...]:
        """Say how this process differs from the environment in which a version was made."""
        folder = self._store.folder(version.model, version.version)
        differences = environment_differences(read_object(folder / ENVIRONMENT_NAME))
        return (f"{version.version} was made in another environment: {'; '.join(differences)}.",) if differences else ()

    def promotion_settings(self, model: str) -> PromotionSettings:
        """Return the current thresholds for a model.

        A policy named for one command can require more approvals than the workspace does, never fewer.
        """
        if self._promotion is not None:
            return self._promotion
        named, own = (source.policy().for_model(model).promotion for source in (self._policy, self._own_policy))
        if named.required_approvals >= own.required_approvals:
            return named
        return msgspec.structs.replace(named, required_approvals=own.required_approvals)

    def _rules_to_return(self, model: str) -> PromotionSettings:
        if self._promotion is not None:
            return self._promotion
        policy, _ = self._policy.to_return_by()
        return policy.for_model(model).promotion

    def policy_gates(self, candidate: ModelVersion) -> tuple[GateResult, ...]:
        """Judge a version by the policy's gates for serving; its files are hashed only when it moves."""
        model = self._records.model(candidate.model)
        gates = self._promotion_gates(model, candidate, Stage.PRODUCTION, None, ())
        return tuple(gate for gate in gates if gate.name != VERIFIED_ARTIFACT)

    def _promotion_gates(
        self,
        model: RegisteredModel,
        candidate: ModelVersion,
        target: Stage,
        actor: Actor | None,
        problems: Sequence[str],
    ) -> tuple[GateResult, ...]:
        live = self._found(model.model, model.production)
        settings = self.promotion_settings(model.model)
        explained = None
        if settings.require_explainability:
            explained = finding_in(self._store.folder(candidate.model, candidate.version))
        return promotion_gates(
            candidate,
            live,
            settings,
            to_stage=target,
            integrity=problems,
            explained=explained,
            approvals=tally(self._approvals.of(candidate), candidate, actor) if settings.required_approvals else None,
        )

    def _integrity_gates(self, version: ModelVersion | None, *, tries: bool) -> tuple[GateResult, ...]:
        if version is None:
            return ()
        gate = integrity_gate(version, self.examine(version).problems, self._rules_to_return(version.model))
        return (gate, *self._servable_gates(version, Stage.PRODUCTION, tries=tries and not gate.blocks))

    def _servable_gates(
        self, version: ModelVersion, target: Stage, *, tries: bool, replacing: str | None = None
    ) -> tuple[GateResult, ...]:
        """Judge whether a version that is to answer requests can.

        Files for another program may go live, with a warning; they never replace a version that answers here. A
        rollback and an undo replace nothing in this sense: the way back stays open.
        """
        if target is not Stage.PRODUCTION:
            return ()
        if not self.holds_model(version):
            live = self._found(version.model, replacing)
            ends_service = live is not None and self.holds_model(live)
            return (servable_gate(version, NO_MODEL, blocking=ends_service),)
        try:
            if not tries and self._trials.known(version) is None:
                return ()
            found = self._trial(version, tries=tries)
            return (servable_gate(version, found.problem or None, n_rows=found.n_rows),)
        except (TrialFailedError, CopyFailedError) as error:  # this machine's fault: it must not stop a rollback
            return (servable_gate(version, str(error), blocking=False),)

    def trial_problem(self, version: ModelVersion, *, tries: bool) -> str | None:
        """Say why a version cannot be served, or None.

        Raises:
            TrialFailedError: It could not be tried.
        """
        if not self.holds_model(version):
            return NO_MODEL
        return self._trial(version, tries=tries).problem or None

    def _trial(self, version: ModelVersion, *, tries: bool) -> TrialOutcome:
        found = self._trials.known(version)
        if found is None and tries:
            with self.copied(version) as folder:
                found = self._trials.outcome(version, folder)
        return found or TrialOutcome()

    @contextmanager
    def copied(self, version: ModelVersion) -> Iterator[Path]:
        """Yield a private copy of a version's files.

        Raises:
            HashMismatchError: A file differs from the registered one.
        """
        with ExitStack() as stack:
            try:
                copy = self._store.copied(version.model, version.version, version.manifest_sha256)
                folder = stack.enter_context(copy)
            except ChangedFileError as error:
                raise HashMismatchError(version.model, version.version, [str(error)]) from error
            yield folder

    def holds_model(self, version: ModelVersion) -> bool:
        """Return whether a version was registered with a model of ours, which this program can serve.

        If its manifest cannot be read, it may be one: whoever loads it then meets the damage.
        """
        known = self._hold_a_model.get(version.manifest_sha256)
        if known is None:
            try:
                known = MODEL_NAME in self._store.names(version.model, version.version, version.manifest_sha256)
            except ChangedFileError:
                return True
            self._hold_a_model[version.manifest_sha256] = known
        return known

    def _with_verdicts(self, plan: Plan) -> Plan:
        """Name the verdict of a rollout that a promotion goes against, and how this environment differs."""
        if not plan.version:
            return plan
        verdicts = self.verdicts(plan.model, plan.version)
        overrides = " ".join(verdicts) if plan.to_stage is Stage.PRODUCTION else ""
        warnings = (*verdicts, *self.warnings(self._records.version(plan.model, plan.version)))
        return msgspec.structs.replace(plan, warnings=warnings, overrides=overrides)

    def _naming_verdicts(self, plan: Plan) -> Plan:
        """Name the verdict against a version that a return puts live; the way back stays open without a reason."""
        returning = next((change.version for change in plan.changes if change.after is Stage.PRODUCTION), None)
        verdicts = () if returning is None else self.verdicts(plan.model, returning)
        known = () if returning is None else last_known(self._workspace, plan.model, returning)
        return msgspec.structs.replace(
            plan, overrides=" ".join(verdicts), warnings=(*verdicts, *plan.warnings), monitoring=known
        )

    def _unless_held(self, plan: Plan) -> Plan:
        held = self._holds.of(plan.model)
        version = next((change.version for change in plan.changes if change.version in held), None)
        if not plan.allowed or version is None:
            return plan
        refusal = f"{plan.model} {version} is in rollout {held[version]}; abort the rollout first, or let it end."
        return msgspec.structs.replace(plan, allowed=False, refusal=refusal, effects=(), undo="")

    def _found(self, model: str, number: str | None) -> ModelVersion | None:
        return None if number is None else self._records.version(model, number)
