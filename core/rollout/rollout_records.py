"""The rollouts of a workspace as documents: reading them, and recording what the engine observed and did."""

import dataclasses
import logging
from collections.abc import Collection

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.errors import NotFoundError, RefusedError
from core.governance import audited
from core.governance.outbox import AuditedChange
from core.registry import HashMismatchError, PromotionRefusedError, Registry, Stage
from core.registry.holds import Holds, ModelHolds
from core.rollout.errors import RolloutRefusedError
from core.rollout.held_versions import HoldsCorrection, corrections, deciding, holds_of
from core.rollout.naming import rollout_named
from core.rollout.planner import refusal_of
from core.rollout.progress import RolloutChange
from core.rollout.rollout import ObservedRollout, Rollout
from core.settings.policy_source import PolicySource
from core.state import Documents, Workspace
from core.state.brief import whole
from core.state.errors import DocumentFormatError

log = logging.getLogger(__name__)

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
        return [whole(rollout) for rollout in self.in_brief()]

    def in_brief(self) -> list[Rollout]:
        """Return every rollout as `all` does; ended ones in brief, which only `core.state.brief.whole` can encode."""
        return sorted(self._documents.all(), key=_number)

    def readable(self) -> tuple[list[Rollout], dict[str, str]]:
        """Return the rollouts that can be read, as `in_brief` does, and by id why the others cannot."""
        found, problems = self._documents.readable()
        return sorted(found, key=_number), {rollout_id: str(error) for rollout_id, error in problems.items()}

    def get(self, rollout_id: str) -> Rollout:
        """Return one rollout.

        Raises:
            NotFoundError: There is no rollout of this id; the message names the known ids.
        """
        return self._documents.get(rollout_id)

    def named(self, name: str) -> Rollout:
        """Return the rollout of an id, or the active rollout of a model.

        Raises:
            NotFoundError: There is neither; the message names the active rollouts.
            UsageError: The model has several active rollouts.
        """
        try:
            return self.get(name)
        except NotFoundError:
            return whole(rollout_named(self.in_brief(), name))

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
            RolloutRefusedError: The step gives traffic to a candidate that was archived since the step was decided.
        """
        with audited(self._workspace, DATABASE, actor=actor, reason=change.reason, clock=self._clock) as audit:
            is_active = change.observed.phase.is_active
            if is_active and (refusal := self.refusal_to_continue(base)) is not None:
                raise RolloutRefusedError(refusal)
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
        with audited(
            self._workspace, DATABASE, actor=actor, reason=change.reason, clock=self._clock, may_wait=False
        ) as audit:
            # The rollout ends first: while it is active, the registry moves neither of its versions.
            ended = self._step(audit, base, change)
            plan = self._registry.plan_promotion(base.model, base.candidate, Stage.PRODUCTION, actor=actor)
            self._registry.apply(plan, actor=actor, reason=f"{base.rollout_id}: {change.reason}")
        return ended

    def prunable(self, *, keep: int) -> list[Rollout]:
        """Return the ended rollouts that may be removed, in brief and oldest first.

        The newest ended rollouts stay, and those whose verdict warns of a registered version. The rollout with the
        highest number always stays, so that no id is used twice.

        Args:
            keep: How many ended rollouts of each model stay, at least 1.
        """
        rollouts = self.in_brief()
        found = []
        for model in sorted({rollout.model for rollout in rollouts}):
            ended = [rollout for rollout in rollouts if rollout.model == model and not rollout.is_active]
            if older := ended[:-keep]:
                needed = deciding(model, ended, self._registry.numbers(model))
                found += [rollout for rollout in older if rollout.rollout_id not in needed]
        return sorted(found, key=_number)

    def prune(self, *, keep: int, only: Collection[str], actor: Actor, reason: str = "") -> int:
        """Remove ended rollouts; the audit log keeps what each has found.

        Args:
            keep: How many ended rollouts of each model stay.
            only: The ids to remove.
            actor: Who removes them.
            reason: Why, for the record.
        Returns:
            How many rollouts were removed.
        Raises:
            RefusedError: One of them must stay now, since something changed meanwhile; nothing was removed.
        """
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as audit:
            doomed = {rollout.rollout_id: rollout for rollout in self.prunable(keep=keep)}
            if stays := next((name for name in only if name not in doomed), None):
                raise RefusedError(f"{stays} must stay now; no rollout was removed. Review the plan again.")
            for name in only:
                before = {
                    "model": doomed[name].model,
                    "stable": doomed[name].stable,
                    "candidate": doomed[name].candidate,
                }
                audit.record("rollout.prune", name, before={**before, **summary_of(doomed[name])})
            self._documents.remove_all(only)
            for model in sorted({doomed[name].model for name in only}):
                self._write_holds(model)
        return len(only)

    def refusal_to_continue(self, rollout: Rollout) -> str | None:
        """Return why the candidate must get no traffic: it was removed, or no rollout may start from its stage.

        The holds of an active rollout prevent both. An earlier release wrote no holds, so the engine checks before
        every step that the rule for a start is still met.
        """
        try:
            version = self._registry.get(rollout.model, rollout.candidate)
        except NotFoundError as error:
            return str(error)
        return refusal_of(version, self._registry.production(rollout.model), rollout.strategy, None)

    def wrong_holds(self) -> list[HoldsCorrection]:
        """Compare the stored holds with the rollouts; change nothing.

        Raises:
            DocumentFormatError: Stored holds or a rollout are damaged.
        """
        return corrections(self._holds.written(), self._documents.all())

    def settle_holds(self) -> list[str]:
        """Write the holds that are missing, and correct wrong or damaged holds; for the engine only.

        An earlier release starts and ends rollouts without writing holds. A correction is recorded in the audit log;
        the record waits for the next drain of the log.

        Returns:
            The models.
        """
        with self._workspace.database(DATABASE).transaction():
            try:
                found = self.wrong_holds()
            except DocumentFormatError as error:
                found = self._replace_damaged_holds(str(error))
            if repairs := [correction for correction in found if correction.is_repair]:
                reason = "the stored holds differed from the rollouts"
                with audited(
                    self._workspace, DATABASE, actor=Actor.engine(), reason=reason, clock=self._clock
                ) as audit:
                    for correction in repairs:
                        log.warning("corrected the holds of %s: %s", correction.model, correction.problem)
                        audit.record(
                            "holds.correct",
                            correction.model,
                            before=correction.written and _reported(correction.written),
                            after=_reported(correction.right),
                        )
            for correction in found:
                self._holds.write(correction.right)
        return [correction.model for correction in found]

    def _replace_damaged_holds(self, problem: str) -> list[HoldsCorrection]:
        """Remove all holds, which the rollouts can restate in full."""
        found = corrections({}, self._documents.all())  # raises if a rollout is damaged, not the holds
        with audited(self._workspace, DATABASE, actor=Actor.engine(), reason=problem, clock=self._clock) as audit:
            log.warning("replaced the damaged holds: %s", problem)
            self._holds.discard()
            after = {correction.model: _reported(correction.right) for correction in found}
            audit.record("holds.replace", "holds", after=after)
        return found

    def _step(self, audit: AuditedChange, base: Rollout, change: RolloutChange) -> Rollout:
        rollout = self._replace(base, change.observed)
        self._write_holds(rollout.model)
        after = summary_of(rollout)
        if not rollout.is_active:
            after["not_judged"] = [str(found) for found in rollout.not_judged]
        audit.record(change.verb, base.rollout_id, before=summary_of(base), after=after)
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
        """Write the present holds, in the transaction that changes a rollout.

        A model has at most one active rollout, and it is the one that is changed: a damaged document of another rollout
        must not keep a harmful candidate in traffic.
        """
        readable, _ = self._documents.readable()
        self._holds.write(holds_of(model, readable))

    @property
    def _holds(self) -> Holds:
        return Holds(self._workspace.database(DATABASE))

    @property
    def _documents(self) -> Documents[Rollout]:
        return self._workspace.database(DATABASE).documents(TABLE, Rollout, "rollout_id")


def _reported(holds: ModelHolds) -> dict[str, object]:
    return {"held": holds.held, "warnings": holds.warnings}


REFUSALS: tuple[type[RefusedError], ...] = (PromotionRefusedError, HashMismatchError)
"""The errors that permanently refuse the promotion at the end of a rollout."""


def _number(rollout: Rollout) -> int:
    return rollout_number(rollout.rollout_id)


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
