"""The rollouts of a workspace as documents: reading them, and recording what the engine observed and did."""

import dataclasses

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.errors import RefusedError
from core.governance import audited
from core.governance.outbox import AuditedChange
from core.registry import HashMismatchError, PromotionRefusedError, Registry, Stage
from core.registry.holds import Holds
from core.rollout.held_versions import holds_of
from core.rollout.progress import RolloutChange
from core.rollout.rollout import ObservedRollout, Rollout
from core.settings.policy_source import PolicySource
from core.state import Documents, Workspace

DATABASE = "registry"
TABLE = "rollouts"


class RolloutRecords:
    """Rollouts by id, and the engine's writes."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        registry: Registry | None = None,
        policy: PolicySource | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Open the rollouts.

        Args:
            workspace: The workspace.
            registry: The registry; by default the workspace's, under the same policy.
            policy: The rules for plans; by default the workspace's.
            clock: The current time.
        """
        self._workspace = workspace
        self._policy = policy or PolicySource(workspace.root)
        self._registry = registry or Registry(workspace, policy=self._policy, clock=clock)
        self._clock = clock

    def all(self) -> list[Rollout]:
        """Return every rollout, oldest first."""
        return sorted(self._documents.all(), key=lambda rollout: rollout_number(rollout.rollout_id))

    def get(self, rollout_id: str) -> Rollout:
        """Return one rollout.

        Raises:
            NotFoundError: There is no rollout of this id; the message names the known ids.
        """
        return self._documents.get(rollout_id)

    def active(self, model: str) -> Rollout | None:
        """Return the rollout in which a candidate of this model is being judged, if there is one."""
        return next((found for found in self._documents.all() if found.model == model and found.is_active), None)

    def save(self, base: Rollout, observed: ObservedRollout) -> Rollout:
        """Store new observations without a decision; for the engine only.

        Raises:
            StaleRevisionError: The rollout was changed since it was read.
        """
        with self._workspace.database(DATABASE).transaction():
            return self._replace(base, observed)

    def observe(self, base: Rollout, change: RolloutChange, *, actor: Actor) -> Rollout:
        """Take a step and record it; for the engine only.

        Raises:
            StaleRevisionError: The rollout was changed since the step was decided.
        """
        with audited(self._workspace, DATABASE, actor=actor, reason=change.reason, clock=self._clock) as audit:
            return self._step(audit, base, change)

    def promote(self, base: Rollout, change: RolloutChange, *, actor: Actor) -> Rollout:
        """Put the candidate into Production and end its rollout, both or neither; for the engine only.

        Raises:
            StaleRevisionError: The rollout or the model was changed since the step was decided.
            PromotionRefusedError: A promotion gate or rule forbids it.
            HashMismatchError: The candidate's files differ from the registered files.
        """
        # The promoter is the person who started it: the engine is not a second person.
        actor = dataclasses.replace(actor, behind=base.starters)
        self._registry.verify(base.model, base.candidate)  # outside of the transaction, where alerts can be fired
        with audited(self._workspace, DATABASE, actor=actor, reason=change.reason, clock=self._clock) as audit:
            # The rollout ends first: while it is active, the registry moves neither of its versions.
            ended = self._step(audit, base, change)
            plan = self._registry.plan_promotion(base.model, base.candidate, Stage.PRODUCTION, actor=actor)
            self._registry.apply(plan, actor=actor, reason=f"{base.rollout_id}: {change.reason}")
        return ended

    def settle_holds(self) -> list[str]:
        """Write the holds that an earlier release did not write; for the engine only.

        Returns:
            The models.
        """
        with self._workspace.database(DATABASE).transaction():
            models = sorted({rollout.model for rollout in self._documents.all()})
            lacking = [model for model in models if not self._holds.is_written(model)]
            for model in lacking:
                self._write_holds(model)
        return lacking

    def _step(self, audit: AuditedChange, base: Rollout, change: RolloutChange) -> Rollout:
        rollout = self._replace(base, change.observed)
        self._write_holds(rollout.model)
        audit.record(change.verb, base.rollout_id, before=summary_of(base), after=summary_of(rollout))
        return rollout

    def _replace(self, base: Rollout, observed: ObservedRollout) -> Rollout:
        current = self._documents.get(base.rollout_id)
        return self._documents.replace(
            msgspec.structs.replace(
                current, observed=observed, updated_at=self._clock(), updated_by=str(Actor.engine())
            ),
            expected_revision=base.revision,
        )

    def _write_holds(self, model: str) -> None:
        """Write the present holds, in the transaction that changes a rollout."""
        self._holds.write(holds_of(model, self._documents.all()))

    @property
    def _holds(self) -> Holds:
        return Holds(self._workspace.database(DATABASE))

    @property
    def _documents(self) -> Documents[Rollout]:
        return self._workspace.database(DATABASE).documents(TABLE, Rollout, "rollout_id")


REFUSALS: tuple[type[RefusedError], ...] = (PromotionRefusedError, HashMismatchError)
"""The errors that permanently refuse the promotion at the end of a rollout."""


def rollout_number(rollout_id: str) -> int:
    """Return the number in the id of a rollout, which counts from the first."""
    return int(rollout_id.removeprefix("ro-"))


def summary_of(rollout: Rollout) -> dict[str, object]:
    """Reduce the observations to the facts for the audit log."""
    observed = rollout.observed
    return {
        "phase": observed.phase,
        "step": observed.step,
        "share": observed.share,
        "n_stable": observed.evidence.n_stable,
        "n_candidate": observed.evidence.n_candidate,
        "guards": {reading.guard: reading.reason for reading in observed.readings},
    }
