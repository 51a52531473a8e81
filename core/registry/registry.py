"""The registry: which versions there are, where each stands, and how one takes another's place.

All that one move touches (versions, model, transition, audit record) is one transaction on one file. Files are hashed
and alerts fired outside of it, so that nobody waits for another's 500 MB.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.governance.audit import audited
from core.quality.gate import GateResult
from core.registry import planning
from core.registry.aliases import Alias, Aliases
from core.registry.approvals import Approval, Approvals
from core.registry.artifacts import ArtifactStore
from core.registry.diff import VersionDiff, compare_versions
from core.registry.documents import ModelVersion, PrunedVersion, RegisteredModel, Transition
from core.registry.errors import HashMismatchError, PromotionRefusedError
from core.registry.gates import VERIFIED_ARTIFACT
from core.registry.integrity import IntegrityResult
from core.registry.lineage import LineageGraph, lineage_of
from core.registry.planner import Planner
from core.registry.planning import Plan
from core.registry.pruning import Pruner
from core.registry.records import DATABASE, Records
from core.registry.registration import Bump, Registrar, Sweep, card_of
from core.registry.retention import PruneCandidate, PrunePlan
from core.registry.stages import Stage, TransitionVerb
from core.registry.transitions import move, stale
from core.settings.policy_source import PolicySource
from core.settings.promotion import PromotionSettings
from core.state import Workspace

log = logging.getLogger(__name__)


class Registry:
    """The models of one workspace. Cheap to make; safe to share between threads.

    Wherever a version is asked for, an alias such as `@champion` will do as well as its number.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        policy: PolicySource | None = None,
        promotion: PromotionSettings | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Open the registry.

        Args:
            workspace: Where it is kept.
            policy: The rules; by default those of the workspace, read anew whenever a file of theirs changes.
            promotion: The thresholds of promotion gates for every model, in the place of the policy's.
            clock: When things happen.
        """
        self._workspace = workspace
        self._clock = clock
        policy = policy or PolicySource(workspace.root)
        self._records = Records(workspace)
        self._store = ArtifactStore(workspace.artifacts_dir)
        self._aliases = Aliases(workspace, self._records, clock)
        self._approvals = Approvals(workspace, self._records, clock)
        self._registrar = Registrar(workspace, self._records, self._store, clock)
        self._planner = Planner(
            workspace, self._records, self._store, self._approvals, policy=policy, promotion=promotion, clock=clock
        )
        self._pruner = Pruner(
            workspace, self._records, self._store, self._aliases, self._approvals, policy=policy, clock=clock
        )

    # What is there

    def models(self) -> list[RegisteredModel]:
        """Return every model, by name."""
        return sorted(self._records.models.all(), key=lambda model: model.model)

    def versions(self, model: str | None = None) -> list[ModelVersion]:
        """Return the versions of one model, or of all, by model and ascending number."""
        if model is not None:
            self._records.model(model)
        return self._records.versions_of(model)

    def get(self, model: str, version: str) -> ModelVersion:
        """Return one version.

        Raises:
            ModelNotFoundError: Nothing was registered under this name.
            VersionNotFoundError: The model has no such version; the newest are named.
            AliasNotFoundError: The model has no such alias.
        """
        return self._records.version(model, self._aliases.resolve(model, version))

    def pruned(self) -> list[PrunedVersion]:
        """Return what is kept of the versions that are gone."""
        return self._records.pruned.all()

    def production(self, model: str) -> ModelVersion | None:
        """Return the version that is live, if there is one."""
        live = self._records.model(model).production
        return None if live is None else self._records.version(model, live)

    def history(self, model: str, version: str | None = None) -> list[Transition]:
        """Return who moved which version, when, from where, why and on what evidence; the newest first.

        Args:
            model: Whose versions.
            version: Only the moves that touched this one.
        """
        moves = reversed(self._records.transitions_of(self._records.model(model)))
        version = version and self._aliases.resolve(model, version)
        return [move for move in moves if version is None or any(version == moved.version for moved in move.changes)]

    def went_live(self, model: str, version: str | None = None) -> Transition | None:
        """Return the last move that put a version into Production: by default, the one that is live.

        Returns:
            The move, with its author, time, reason and gates; None if the version never was in Production.
        """
        live = self._aliases.resolve(model, version) if version else self._records.model(model).production
        for found in self.history(model, live) if live else ():
            if any(moved.version == live and moved.after is Stage.PRODUCTION for moved in found.changes):
                return found
        return None

    def diff(self, model: str, a: str, b: str) -> VersionDiff:
        """Lay two versions side by side: metrics, also by slice, lineage, parameters, features, signature and more."""
        return compare_versions(self._workspace, self._store, self.get(model, a), self.get(model, b))

    def lineage(self, model: str, version: str | None = None) -> LineageGraph:
        """Return where the versions of a model come from, and what was made from them.

        Args:
            model: Whose versions.
            version: Only what this one comes from, and what came of it.
        """
        self._records.model(model)
        number = self.get(model, version).version if version is not None else None
        return lineage_of(model, self._records.versions_of(None), self.pruned(), version=number)

    def environment_warnings(self, model: str, version: str) -> tuple[str, ...]:
        """Say in what this process differs from where a version was made: Python, machine, packages that matter."""
        return self._planner.warnings(self.get(model, version))

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

    def all_aliases(self) -> list[Alias]:
        """Return every alias of every model."""
        return self._aliases.all()

    def aliases(self, model: str) -> dict[str, str]:
        """Return the version behind every alias of a model, by alias without its mark."""
        return self._aliases.of(self._records.model(model).model)

    def alias(self, model: str, alias: str) -> Alias:
        """Return one alias, with who pointed it where and when.

        Raises:
            AliasNotFoundError: The model has no such alias.
        """
        return self._aliases.get(self._records.model(model).model, alias)

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

    def approvals(self, model: str, version: str) -> list[Approval]:
        """Return the approvals that count for the next promotion of a version to Production."""
        return self._approvals.of(self.get(model, version))

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

    def lacking_approvals(self, model: str, version: str, *, actor: Actor | None) -> str | None:
        """Say why the approvals of a version do not suffice for somebody to let it answer requests, or None."""
        return self._planner.lacking_approvals(self.get(model, version), actor)

    def policy_gates(self, model: str, version: str) -> tuple[GateResult, ...]:
        """Return what the policy says of a version on its way to Production, from whatever stage.

        Its files are left out: they are hashed when it moves.
        """
        return self._planner.policy_gates(self.get(model, version))

    # Moving between stages

    def plan_promotion(
        self, model: str, version: str, stage: Stage | None = None, *, actor: Actor | None = None
    ) -> Plan:
        """Say what promoting a version by one step would do, its gates judged and its files hashed.

        Args:
            model: Whose version.
            version: Which.
            stage: Where to; by default the next stage.
            actor: Who is going to, if known: their own approval does not count.
        """
        number = self._aliases.resolve(model, version)
        return self._planner.propose(TransitionVerb.PROMOTE, model, number, stage, actor=actor)

    def plan_rollback(self, model: str) -> Plan:
        """Say what the return to the previous Production version would do."""
        return self._planner.propose(TransitionVerb.ROLL_BACK, model)

    def plan_undo(self, model: str) -> Plan:
        """Say what taking back the newest promotion, rollback or archiving would do."""
        return self._planner.propose(TransitionVerb.UNDO, model)

    def plan_archive(self, model: str, version: str) -> Plan:
        """Say what taking a version out of use would do."""
        return self._planner.propose(TransitionVerb.ARCHIVE, model, self._aliases.resolve(model, version))

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

    def plan_prune(self, model: str | None = None, *, keep: int | None = None) -> PrunePlan:
        """Say which versions may go, and why each of the others stays.

        Args:
            model: Whose versions; by default those of all models.
            keep: How many of each stage stay; by default what the policy says.
        """
        return self._pruner.plan(model, keep)

    def prune(self, plan: PrunePlan, *, actor: Actor, reason: str = "") -> tuple[PruneCandidate, ...]:
        """Remove the versions that a plan lets go, files and all; history and audit log keep what they were.

        Raises:
            RefusedError: A version of the plan may not go any more; nothing was removed.
        """
        return self._pruner.carry_out(plan, actor=actor, reason=reason)

    # Integrity

    def verify(self, model: str | None = None, version: str | None = None) -> list[IntegrityResult]:
        """Hash the files of versions again: of all, of one model, or one version. A mismatch fires an alert."""
        chosen = [self.get(model, version)] if model and version else self.versions(model)
        return [self._planner.examine(found) for found in chosen]

    def load_path(self, model: str, version: str) -> Path:
        """Return the folder of a version after hashing every file in it; nothing is to be loaded otherwise.

        A version that was made with other packages than those installed here is loaded with a warning in the log.

        Raises:
            HashMismatchError: The files are not those that were registered; a critical alert was fired.
        """
        found = self.get(model, version)
        result = self._planner.examine(found)
        if not result.ok:
            raise HashMismatchError(found.model, found.version, result.problems)
        for warning in self._planner.warnings(found):
            log.warning("%s %s", found.model, warning)
        return self._store.folder(found.model, found.version)

    def _parent(self, model: str, word: str) -> str:
        owner, _, number = word.rpartition("/")
        return self.get(owner or model, number).key

    def _refusal(self, plan: Plan) -> PromotionRefusedError | HashMismatchError:
        for gate in plan.gates:
            if gate.name == VERIFIED_ARTIFACT and gate.blocks:
                return HashMismatchError(plan.model, planning.version_to_serve(plan), gate.offending)
        return PromotionRefusedError(plan.refusal or "")
