"""Carrying out retention: the records of doomed versions are removed, then their files."""

from collections.abc import Sequence

from msgspec.structs import replace

from core.actor import Actor
from core.clock import Clock
from core.errors import RefusedError
from core.registry import retention
from core.registry.aliases import Aliases
from core.registry.approvals import Approvals
from core.registry.artifacts import ArtifactStore
from core.registry.changes import registry_change
from core.registry.documents import ModelVersion, PrunedVersion
from core.registry.holds import Holds
from core.registry.made_profiles import MadeProfiles
from core.registry.records import Records
from core.registry.registration import evidence
from core.registry.retention import PruneCandidate, PrunePlan
from core.registry.undo import next_to_undo
from core.settings.policy import RetentionPolicy
from core.settings.policy_source import PolicySource
from core.state import Workspace


class Pruner:
    """Removes the versions that no rule keeps."""

    def __init__(
        self,
        workspace: Workspace,
        records: Records,
        store: ArtifactStore,
        aliases: Aliases,
        approvals: Approvals,
        made: MadeProfiles,
        *,
        policy: PolicySource,
        clock: Clock,
    ) -> None:
        self._workspace = workspace
        self._records = records
        self._store = store
        self._aliases = aliases
        self._approvals = approvals
        self._made = made
        self._holds = Holds(records.database)
        self._policy = policy
        self._clock = clock

    def plan(self, model: str | None, keep: int | None) -> PrunePlan:
        """Decide about every version of one model, or of all; `keep` is how many of each stage stay."""
        names = (
            [self._records.model(model).model]
            if model is not None
            else sorted(m.model for m in self._records.models.all())
        )
        children = retention.children_of(self._records.versions_of(None))
        decided = (found for name in names for found in self._decide(name, children, keep))
        return PrunePlan(candidates=tuple(decided), keep=keep)

    def carry_out(self, plan: PrunePlan, *, actor: Actor, reason: str) -> tuple[PruneCandidate, ...]:
        """Remove the versions of a plan, or nothing if one of them must now stay.

        Raises:
            RefusedError: Something has changed since the plan was made; the message names the version and the reason.
        """
        if not plan.doomed:
            return ()
        with registry_change(self._workspace, actor=actor, reason=reason, clock=self._clock) as change:
            children = retention.children_of(self._records.versions_of(None))
            names = dict.fromkeys(candidate.model for candidate in plan.doomed)
            now_decided = {(c.model, c.version): c for name in names for c in self._decide(name, children, plan.keep)}
            removed: list[ModelVersion] = []
            for candidate in plan.doomed:
                current = now_decided.get((candidate.model, candidate.version))
                if current is None or not current.goes:
                    why = current.reason if current else "is already gone"
                    raise RefusedError(
                        f"{candidate.model} {candidate.version} {why}; nothing was removed. Review the plan again."
                    )
                version = self._records.version(candidate.model, candidate.version)
                removed.append(version)
                was = {"stage": version.stage, "run_id": version.run_id, "metrics": version.metrics}
                change.record("version.prune", version.key, before=was, evidence=[evidence(version)])
            self._records.versions.remove_all(version.key for version in removed)
            self._made.forget(version.key for version in removed)
            self._records.pruned.insert_all(self._tombstone(version, actor) for version in removed)
        # If the process is killed here, the next sweep finishes the work.
        left = [self._store.withdraw(candidate.model, candidate.version) for candidate in plan.doomed]
        self._made.sweep()
        return tuple(replace(each, files_left=why) for each, why in zip(plan.doomed, left, strict=True))

    def _decide(self, name: str, children: dict[str, str], keep: int | None) -> Sequence[PruneCandidate]:
        model = self._records.model(name)
        policy = self._policy.policy().for_model(name).retention
        if keep is not None:
            policy = RetentionPolicy(keep_development=keep, keep_staging=keep, keep_archived=keep)
        versions = self._records.versions_of(name)
        return retention.plan(
            model,
            versions,
            policy,
            next_to_undo=next_to_undo(self._records.transitions_of(model)),
            aliases=self._aliases.of(name),
            holds=self._holds.of(name),
            approved={version.version for version in versions if self._approvals.of(version)},
            children=children,
            now=self._clock(),
        )

    def _tombstone(self, version: ModelVersion, actor: Actor) -> PrunedVersion:
        return PrunedVersion(
            key=version.key,
            model=version.model,
            version=version.version,
            manifest_sha256=version.manifest_sha256,
            created_at=version.created_at,
            pruned_at=self._clock(),
            pruned_by=str(actor),
        )
