"""The registry: the versions, their stages, and how one version replaces another.

Everything one move touches (versions, model, transition, audit record) is one transaction on one file. Files are
hashed and alerts fired outside of it, so that nobody waits for another caller's 500 MB.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from core.actor import Actor
from core.governance import require_access
from core.quality.gate import GateResult
from core.registry import planning
from core.registry.aliases import Alias
from core.registry.approvals import Approval
from core.registry.changes import registry_change
from core.registry.documents import MadeProfile, ModelVersion
from core.registry.errors import HashMismatchError, OwnProfileError, PromotionRefusedError, StalePlanError
from core.registry.gates import VERIFIED_ARTIFACT
from core.registry.language_models import with_task
from core.registry.made_profiles import OWN_NAME
from core.registry.numbering import version_key
from core.registry.plan_changes import news_since
from core.registry.planning import Plan
from core.registry.registration import Bump, Sweep, card_of
from core.registry.registry_reader import RegistryReader
from core.registry.retention import PruneCandidate, PrunePlan
from core.registry.stages import TransitionVerb, highest
from core.registry.transitions import move, stale
from core.registry.trials import Quarantine
from core.text_limits import MAX_COMPOSED, require_reason, require_tags, require_text


class Registry(RegistryReader):
    """The models of one workspace. Cheap to make; safe to share between threads.

    Wherever a version is expected, an alias such as `@champion` works as well as its number.
    """

    # Registering

    def register(
        self,
        model: str,
        source_dir: Path,
        *,
        metrics: Mapping[str, float],
        lineage: Mapping[str, Any],
        gates: Sequence[GateResult],
        actor: Actor,
        run_id: str = "",
        session_id: str = "",
        bump: Bump = "minor",
        version: str | None = None,
        parents: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        description: str = "",
        reason: str = "",
        reads: bool = False,
    ) -> ModelVersion:
        """Register a folder as the next version of a model, in Development.

        The files are copied, hashed, made durable and moved into place before the version is recorded. Next to them
        are the manifest, `registration.json` (metrics, lineage and gates as given here) and `environment.json`, unless
        the folder has one. None of these depends on clock, host or session. Registering the same bytes from the same
        run again returns the existing version, so that a resumed session registers nothing twice.

        Args:
            model: Its name; the first version creates the model.
            source_dir: The folder of files, or one file; it is not changed.
            metrics: Finite figures by name; promotion gates judge `attainment`.
            lineage: Data hashes, seeds, settings digest, parent version: plain JSON values.
            gates: Verdicts on the training data.
            actor: Who registers.
            run_id: The tracked run it came from.
            session_id: The session it came from.
            bump: The part of the number to raise; `auto` decides by what changed since the newest version: another
                schema raises major, other data or parameters minor, a refit patch. The first version is 1.0.0.
            version: The number to use instead of `bump`, above every number the model has had.
            parents: The versions it was made from: "1.2.0" of the same model, or "spread/1.2.0"; part of the lineage.
            tags: Words to find it by; unlike everything else here they may change later.
            description: One line for people.
            reason: Why, for the audit log.
            reads: Load the model once in a child process first, and let it answer rows of its own signature: for files
                that were made elsewhere.
        Raises:
            InvalidNameError: The model's name is not valid.
            ArtifactRefusedError: The folder holds something an artifact must not hold, could not be copied, or holds a
                model that cannot be loaded.
            WrongKindError: It is a model of language, and the versions answer rows, or the other way round.
            UnstorableValueError: A metric or the lineage cannot be stored as JSON.
            UsageError: The reason, the description or a tag is too long.
        """
        require_reason(reason)
        require_text("The description", description)
        require_tags(tags or {})
        if parents:
            lineage = {**lineage, "parents": [self._parent(model, parent) for parent in parents]}
        lineage = with_task(lineage, source_dir)
        card = card_of(model, metrics=metrics, lineage=lineage, gates=gates, description=description)
        return self._registrar.register(
            card,
            source_dir,
            run_id=run_id,
            session_id=session_id,
            actor=actor,
            bump=bump,
            wanted=version,
            tags=tags or {},
            reason=reason,
            read=self._trials.read_once if reads else None,
        )

    def set_tags(
        self,
        model: str,
        version: str,
        tags: Mapping[str, str],
        *,
        actor: Actor,
        reason: str = "",
        expected_revision: int | None = None,
    ) -> ModelVersion:
        """Add words to find a version by; an empty value removes a tag.

        Raises:
            StaleRevisionError: The version is not at the expected revision.
            UsageError: A name or a value is too long.
        """
        require_tags(tags)
        with registry_change(self._workspace, actor=actor, reason=reason, clock=self._clock) as change:
            before = self.get(model, version)
            kept = {name: value for name, value in {**before.tags, **tags}.items() if value}
            after = self._records.versions.replace(
                msgspec.structs.replace(before, tags=kept, updated_at=self._clock(), updated_by=str(actor)),
                expected_revision=expected_revision,
            )
            change.record(
                "version.tag", before.key, before={"tags": before.tags}, after={"tags": kept}, stage=before.stage
            )
            return after

    def make_profile(
        self,
        model: str,
        version: str,
        content: bytes,
        *,
        data_sha256: str,
        n_rows: int,
        is_held_out: bool,
        notes: Sequence[str] = (),
        actor: Actor,
        reason: str = "",
        is_unchecked: bool = False,
        counts: str = "",
        na: tuple[str, ...] = (),
        read: tuple[str, ...] = (),
    ) -> MadeProfile:
        """Keep a profile of what a version learned from, beside its artifact, which holds none.

        The same profile again changes nothing.

        Args:
            model: The model.
            version: Its version.
            content: The profile, as `core.monitoring.data_profile` writes it.
            data_sha256: The hash of the file that it was made from.
            n_rows: The rows of that file.
            is_held_out: Whether the version did not learn from them.
            notes: About these rows, a sentence each; they are shown with the profile.
            actor: Who made it.
            reason: Why; needed to replace a profile that was made before.
            is_unchecked: Whether nobody knows if the version learned from rows that are held out.
            counts: The hash of the counts of the rows, by which they are known again in another order.
            na: The words for an empty cell that a person gave for the file.
            read: How a person let columns of the file be read.
        Raises:
            RefusedError: The artifact holds a profile, which is never replaced.
            ChangedFileError: The manifest of the version is not what was registered.
            UsageError: A profile was made before, and there is no reason to replace it.
        """
        found = self.get(model, version)
        if OWN_NAME in self._store.names(found.model, found.version, found.manifest_sha256):
            raise OwnProfileError(found.model, found.version)
        return self._made.keep(
            found,
            content,
            data_sha256=data_sha256,
            n_rows=n_rows,
            is_held_out=is_held_out,
            notes=notes,
            actor=actor,
            reason=reason,
            is_unchecked=is_unchecked,
            counts=counts,
            na=na,
            read=read,
        )

    def sweep(self, actor: Actor) -> Sweep:
        """Clean up after killed processes: remove unfinished copies, record complete folders whose record was lost."""
        found = self._registrar.sweep(actor)
        return msgspec.structs.replace(found, n_removed=found.n_removed + self._made.sweep())

    # Names

    def set_alias(
        self,
        model: str,
        alias: str,
        version: str,
        *,
        actor: Actor,
        reason: str = "",
        expected_revision: int | None = None,
    ) -> Alias:
        """Point an alias at a version, wherever it pointed before.

        Args:
            model: The model.
            alias: The alias, with or without `@`.
            version: A number, or another alias.
            actor: Who sets it.
            reason: Why, for the record.
            expected_revision: The alias's revision when this was decided, 0 if there was none; by default any.
        Raises:
            InvalidNameError: The alias is not valid, or is one of serving's own labels.
            VersionNotFoundError: The model has no such version.
            StaleRevisionError: It was changed by someone else first.
        """
        return self._aliases.set(model, alias, version, actor=actor, reason=reason, expected_revision=expected_revision)

    def remove_alias(
        self, model: str, alias: str, *, actor: Actor, reason: str = "", expected_revision: int | None = None
    ) -> None:
        """Remove an alias; its version stays.

        Raises:
            AliasNotFoundError: The model has no such alias.
            StaleRevisionError: It was changed by someone else first.
        """
        self._aliases.remove(model, alias, actor=actor, reason=reason, expected_revision=expected_revision)

    # Four eyes

    def approve(self, model: str, version: str, *, actor: Actor, reason: str = "") -> Approval:
        """Record that a person has reviewed a version and approved it for Production.

        The approval is valid for exactly these files and for one promotion. It does not count for a promotion by a
        person who may be behind it, nor for a version that such a person registered.

        That of a live version counts for no promotion: it signs the claim that a server may demand.

        Raises:
            RefusedError: The actor is not a person, approved the version before, or made it live where the policy asks
                for others.
        """
        return self._approvals.approve(
            model,
            self.get(model, version).version,
            actor=actor,
            reason=reason,
            asks_for_others=lambda: self._planner.promotion_settings(model).required_approvals > 0,
        )

    def withdraw_approval(self, model: str, version: str, *, actor: Actor, reason: str = "") -> Approval:
        """Withdraw the actor's own approval.

        Raises:
            ApprovalNotFoundError: No approval of the actor still counts.
        """
        return self._approvals.withdraw(model, self.get(model, version).version, actor=actor, reason=reason)

    # Moving between stages

    def apply(self, plan: Plan, *, actor: Actor, reason: str = "") -> tuple[ModelVersion, ...]:
        """Carry out a plan, if it is still valid.

        Rules, gates and files are judged again; only the requested move and the revision of the plan are trusted. What
        the plan said of rollouts, verdicts and gates must still be true.

        Returns:
            The versions that moved, the plan's own first.
        Raises:
            StaleRevisionError: Someone else moved a version of this model first; the message says who, when and what.
            StalePlanError: A rollout, a verdict or a gate is other than the plan says; the message says which.
            HashMismatchError: The files of the version differ from the registered files.
            PromotionRefusedError: A rule or a gate forbids it.
        """
        return self.apply_all([plan], actor=actor, reason=reason)

    def apply_all(self, plans: Sequence[Plan], *, actor: Actor, reason: str = "") -> tuple[ModelVersion, ...]:
        """Carry out the steps of one promotion in one transaction: all of them or none.

        Args:
            plans: The steps, as `plan_promotions` returns them.
            actor: Who promotes.
            reason: Why, for the audit log.
        Returns:
            The versions that moved in the last step, the promoted one first.
        Raises:
            StaleRevisionError: Someone else moved a version of this model first.
            StalePlanError: A rollout, a verdict or a gate is other than a plan says.
            HashMismatchError: The files of the version differ from the registered files.
            PromotionRefusedError: A rule or a gate forbids a step.
        """
        for plan in plans:
            stages = [stage for step in plan.changes for stage in (step.before, step.after)]
            touched = stages or ([plan.to_stage] if plan.to_stage is not None else [])
            require_access(
                self._workspace,
                actor,
                f"version.{plan.verb}",
                object=version_key(plan.model, plan.version) if plan.version else plan.model,
                model=plan.model,
                stage=highest(touched) if touched else None,
                clock=self._clock,
            )
        decided, here = [], None
        for plan in plans:
            decided.append(
                self._planner.propose(
                    plan.verb, plan.model, plan.version, plan.to_stage, actor=actor, tries=True, after=here
                )
            )
            here = plan.to_stage
        first = plans[0]
        if self._records.model(first.model).revision != first.expected_revision:
            raise stale(self._records, first)
        if (refused := next((step for step in decided if not step.allowed), None)) is not None:
            raise self._refusal(refused)
        moved: tuple[ModelVersion, ...] = ()
        reason = planning.reason_to_record(decided, reason)
        # The way back must work now, even if its record waits.
        is_way_back = all(plan.verb is TransitionVerb.ROLL_BACK for plan in plans)
        with registry_change(
            self._workspace,
            actor=actor,
            reason=reason,
            longest=MAX_COMPOSED,
            clock=self._clock,
            may_wait=is_way_back,
        ) as change:
            # At this revision every version of the model is in the stage it had then, so the decision is still valid.
            if self._records.model(first.model).revision != first.expected_revision:
                raise stale(self._records, first)
            for plan, step in zip(plans, decided, strict=True):
                if (refusal := self._planner.late_refusal(step, actor)) is not None:
                    raise PromotionRefusedError(refusal)
                if news := news_since(plan, self._planner.judged_again(step)):
                    raise StalePlanError(f"{plan.model} {plan.version}", news)
                moved = move(
                    self._records, self._approvals, change, step, actor=actor, reason=reason, clock=self._clock
                )
        return moved

    # Quarantine

    def release(self, model: str, version: str, *, actor: Actor, reason: str = "") -> Quarantine:
        """Let a version that killed its loader be tried again; the alert resolves.

        Raises:
            RefusedError: The version is not quarantined.
        """
        return self._trials.release(self.get(model, version), actor=actor, reason=reason)

    # Pruning

    def prune(self, plan: PrunePlan, *, actor: Actor, reason: str = "") -> tuple[PruneCandidate, ...]:
        """Remove the doomed versions of a plan with their files; history and audit log keep their records.

        Raises:
            RefusedError: A version of the plan must now stay; nothing was removed.
        """
        return self._pruner.carry_out(plan, actor=actor, reason=reason)

    def _parent(self, model: str, word: str) -> str:
        owner, _, number = word.rpartition("/")
        return self.get(owner or model, number).key

    def _refusal(self, plan: Plan) -> PromotionRefusedError | HashMismatchError:
        for gate in plan.gates:
            if gate.name == VERIFIED_ARTIFACT and gate.blocks:
                return HashMismatchError(plan.model, planning.version_to_serve(plan), gate.offending)
        return PromotionRefusedError(plan.refusal or "")
