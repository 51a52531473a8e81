"""The registry: which versions there are, where each stands, and how one takes another's place.

All that one move touches (versions, model, transition, audit record) is one transaction on one file. Files are hashed
and alerts fired outside of it, so that nobody waits for another's 500 MB.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from core.actor import Actor
from core.governance.audit import audited
from core.quality.gate import GateResult
from core.registry import planning
from core.registry.aliases import Alias
from core.registry.approvals import Approval
from core.registry.documents import ModelVersion
from core.registry.errors import HashMismatchError, PromotionRefusedError
from core.registry.gates import VERIFIED_ARTIFACT
from core.registry.planning import Plan
from core.registry.records import DATABASE
from core.registry.registration import Bump, Sweep, card_of
from core.registry.registry_reader import RegistryReader
from core.registry.retention import PruneCandidate, PrunePlan
from core.registry.transitions import move, stale


class Registry(RegistryReader):
    """The models of one workspace. Cheap to make; safe to share between threads.

    Wherever a version is asked for, an alias such as `@champion` will do as well as its number.
    """

    # Coming in

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
    ) -> ModelVersion:
        """Take a folder in as the next version of a model, in Development.

        The files are copied, hashed, made durable and put in place before the version is recorded. Beside them lie
        the manifest, `registration.json` (metrics, lineage and gates as given here) and `environment.json`, unless
        the folder has one. Nothing of that depends on clock, host or session. Registering the very same bytes from
        the same run again answers with the version that is there, so that a resumed session doubles nothing.

        Args:
            model: Its name; the first version makes it known.
            source_dir: The folder of files, or one file; it is left as it is.
            metrics: Finite figures by name; `attainment` is what promotion gates look at.
            lineage: Data hashes, seeds, settings digest, parent version: plain JSON values.
            gates: Verdicts on the training data.
            actor: Who registers.
            run_id: The tracked run it came from.
            session_id: The session it came from.
            bump: The part of the number to raise; `auto` looks at what has changed since the newest version: another
                schema raises major, other data or parameters minor, a refit patch. The first version is 1.0.0.
            version: The very number to give it, above every number that the model has had; instead of `bump`.
            parents: The versions it was made from: "1.2.0" of the same model, or "spread/1.2.0"; part of the lineage.
            tags: Words to find it by; unlike all else here they may change later.
            description: One line for people.
            reason: Why, for the audit log.
        Raises:
            InvalidNameError: The model's name is not spelled as one.
            ArtifactRefusedError: The folder holds what an artifact may not, or could not be copied.
            UnstorableValueError: A metric or the lineage has no faithful spelling in JSON.
        """
        if parents:
            lineage = {**lineage, "parents": [self._parent(model, parent) for parent in parents]}
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
        """Add words to find a version by; an empty value takes a tag away.

        Raises:
            StaleRevisionError: The version is not at the revision that was expected.
        """
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            before = self.get(model, version)
            kept = {name: value for name, value in {**before.tags, **tags}.items() if value}
            after = self._records.versions.replace(
                msgspec.structs.replace(before, tags=kept, updated_at=self._clock(), updated_by=str(actor)),
                expected_revision=expected_revision,
            )
            change.record("version.tag", before.key, before={"tags": before.tags}, after={"tags": kept})
            return after

    def sweep(self, actor: Actor) -> Sweep:
        """Clear up after killed processes: remove unfinished copies, record whole folders whose record was lost."""
        return self._registrar.sweep(actor)

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
        """Point an alias at a version, from wherever it pointed before.

        Args:
            model: Whose version.
            alias: With its mark or without.
            version: A number, or another alias.
            actor: Who does.
            reason: Why, for the record.
            expected_revision: The alias's when this was decided, 0 where there was none; by default whatever it is at.
        Raises:
            InvalidNameError: The alias is not spelled as one, or is a label that serving gives by itself.
            VersionNotFoundError: The model has no such version.
            StaleRevisionError: Somebody has pointed it elsewhere meanwhile.
        """
        return self._aliases.set(model, alias, version, actor=actor, reason=reason, expected_revision=expected_revision)

    def remove_alias(
        self, model: str, alias: str, *, actor: Actor, reason: str = "", expected_revision: int | None = None
    ) -> None:
        """Take an alias away; its version stays.

        Raises:
            AliasNotFoundError: The model has no such alias.
            StaleRevisionError: Somebody has pointed it elsewhere meanwhile.
        """
        self._aliases.remove(model, alias, actor=actor, reason=reason, expected_revision=expected_revision)

    # Four eyes

    def approve(self, model: str, version: str, *, actor: Actor, reason: str = "") -> Approval:
        """Put on record that a person has looked at a version and found that it may serve.

        The approval holds for these very files and for one promotion. It does not count for one by a person who can be
        behind it, nor for a version that such a person has registered.

        Raises:
            RefusedError: The actor is no person, the version is live already, or the person has approved it before.
        """
        return self._approvals.approve(model, self.get(model, version).version, actor=actor, reason=reason)

    def withdraw_approval(self, model: str, version: str, *, actor: Actor, reason: str = "") -> Approval:
        """Take the actor's own approval back.

        Raises:
            ApprovalNotFoundError: There is none that still counts.
        """
        return self._approvals.withdraw(model, self.get(model, version).version, actor=actor, reason=reason)

    # Moving between stages

    def apply(self, plan: Plan, *, actor: Actor, reason: str = "") -> tuple[ModelVersion, ...]:
        """Do what a plan says, if it still holds.

        Rules, gates and files are judged again; of the plan itself only the wish and the revision are believed.

        Returns:
            The versions that moved, the plan's own first.
        Raises:
            StaleRevisionError: Somebody moved a version of this model meanwhile; the message says who, when and what.
            HashMismatchError: The files of the version are not those that were registered.
            PromotionRefusedError: A rule or a gate forbids it.
        """
        decided = self._planner.propose(plan.verb, plan.model, plan.version, plan.to_stage, actor=actor)
        if self._records.model(plan.model).revision != plan.expected_revision:
            raise stale(self._records, plan)
        if not decided.allowed:
            raise self._refusal(decided)
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            # Every stage of every version of the model is as it was at this revision, so what was decided holds.
            if self._records.model(plan.model).revision != plan.expected_revision:
                raise stale(self._records, plan)
            if (refusal := self._planner.late_refusal(decided, actor)) is not None:
                raise PromotionRefusedError(refusal)
            return move(self._records, self._approvals, change, decided, actor=actor, reason=reason, clock=self._clock)

    # Going out

    def prune(self, plan: PrunePlan, *, actor: Actor, reason: str = "") -> tuple[PruneCandidate, ...]:
        """Remove the versions that a plan lets go, files and all; history and audit log keep what they were.

        Raises:
            RefusedError: A version of the plan may not go any more; nothing was removed.
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
