"""The retrainings of a workspace, and the verbs on them for people and for the engine."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from core.actor import Actor, Origin
from core.clock import Clock, utc_now
from core.errors import ConflictError, NotFoundError, RefusedError, UsageError
from core.governance import audited, require_access
from core.registry import Registry
from core.registry.language_models import require_rows
from core.registry.stages import Stage
from core.retraining.document import (
    DesiredRetraining,
    ObservedRetraining,
    Retraining,
    RetrainingApproval,
    RetrainingEvent,
    RetrainingMemory,
    RetrainingPhase,
    TriggerKind,
    in_words,
)
from core.settings import PolicySource
from core.settings.retraining import RetrainingPolicy
from core.state import Documents, StaleRevisionError, Workspace
from core.text_limits import require_reason

DATABASE = "retraining"
TABLE = "retrainings"
MEMORY_TABLE = "models"
MOST_EVENTS = 100
ASKED_PRIORITY, MOST_PRIORITY = 1, 9
KEPT = 200
"""Ended retrainings that a workspace keeps; the audit log keeps what was decided in all."""

_VERBS = {
    DesiredRetraining.RUNNING: "retraining.resume",
    DesiredRetraining.HELD: "retraining.hold",
    DesiredRetraining.CANCELLED: "retraining.cancel",
}


class RetrainingRefusedError(RefusedError):
    """A retraining cannot do what was asked of it now."""


class RetrainingActiveError(ConflictError):
    """A model has an active retraining, and may have only one."""

    def __init__(self, active: Retraining) -> None:
        super().__init__(
            f"{active.model} is being trained anew by {active.retraining_id} "
            f"({in_words(active.observed.phase)}). Cancel it, or wait for its end."
        )


class Retrainings:
    """Retrainings by id. Cheap to make; safe to share between threads.

    People change the desired half (`request` and its short forms, `approve`), the engine the observed half
    (`observe`).
    """

    def __init__(self, workspace: Workspace, *, clock: Clock = utc_now) -> None:
        self._workspace = workspace
        self._clock = clock

    # Reading

    def all(self) -> list[Retraining]:
        """Return every retraining, oldest first."""
        return sorted(self._documents.all(), key=lambda each: _number(each.retraining_id))

    def get(self, retraining_id: str) -> Retraining:
        """Return one retraining.

        Raises:
            NotFoundError: There is none of this id; the message names the nearest.
        """
        return self._documents.get(retraining_id)

    def active(self, model: str) -> Retraining | None:
        """Return the active retraining of a model, if there is one."""
        return next((each for each in self._documents.all() if each.model == model and each.is_active), None)

    def named(self, name: str) -> Retraining:
        """Return a retraining by its id, or by its model the active one, else the newest.

        Raises:
            NotFoundError: There is none.
        """
        if (found := self._documents.find(name)) is not None:
            return found
        of_model = [each for each in self.all() if each.model == name]
        if not of_model:
            known = ", ".join(self._documents.all_keys()[-5:]) or "none yet: bondx retrain now MODEL"
            raise NotFoundError(f"There is no retraining {name!r}, and none of such a model. Newest: {known}.")
        return next((each for each in of_model if each.is_active), of_model[-1])

    def memory(self, model: str) -> RetrainingMemory:
        """Return what the engine remembers of a model."""
        return self._memories.find(model) or RetrainingMemory(model=model)

    # Verbs of people

    def now(
        self,
        model: str,
        *,
        actor: Actor,
        reason: str = "",
        policy: RetrainingPolicy | None = None,
        priority: int = ASKED_PRIORITY,
    ) -> Retraining:
        """Ask for the retraining of a model, whatever its triggers, cooldown and blackouts say.

        Args:
            model: The model; it must have a live version, with which the new one is compared.
            actor: Who asks.
            reason: Why, for the record.
            policy: The rules; by default those of the policy in force for the model.
            priority: From 0 to `MOST_PRIORITY`; the highest computes first, and triggers ask with 0.
        Raises:
            UsageError: There is no such priority.
            NotFoundError: There is no such model.
            RetrainingActiveError: The model is being trained anew already.
            RetrainingRefusedError: The model has no live version.
        """
        kind = TriggerKind.API if actor.origin is Origin.API else TriggerKind.MANUAL
        if not 0 <= priority <= MOST_PRIORITY:
            raise UsageError(f"priority is {priority}: it must be from 0 to {MOST_PRIORITY}.")
        cause = f"asked for by {actor}"
        return self.start(model, kind, cause, actor=actor, reason=reason, policy=policy, priority=priority)

    def start(
        self,
        model: str,
        trigger: TriggerKind,
        cause: str,
        *,
        actor: Actor,
        reason: str = "",
        policy: RetrainingPolicy | None = None,
        priority: int = 0,
        memory: RetrainingMemory | None = None,
    ) -> Retraining:
        """Queue a retraining; raises as `now` does.

        Args:
            model: The model.
            trigger: What kind of trigger.
            cause: What triggered it, one sentence.
            actor: Who asks, or the engine.
            reason: Why, for the record.
            policy: The rules.
            priority: The highest computes first.
            memory: What is to be remembered with it, in the same transaction.
        """
        require_reason(reason)
        rules = policy or PolicySource(self._workspace.root).policy().for_model(model).retraining
        live = Registry(self._workspace).production(model)
        if live is None:
            raise RetrainingRefusedError(
                f"{model} has no live version to compare a new one with: promote a version first (bondx registry "
                f"promote {model})."
            )
        require_rows(live)
        now = self._clock()
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            if (active := self.active(model)) is not None:
                raise RetrainingActiveError(active)
            number = max((_number(each.retraining_id) for each in self._documents.all()), default=0) + 1
            event = RetrainingEvent(at=now, verb="retraining.start", reason=cause, by=str(actor))
            started = self._documents.insert(
                Retraining(
                    retraining_id=f"rt-{number:04d}",
                    model=model,
                    trigger=trigger,
                    cause=cause,
                    policy=rules,
                    priority=priority,
                    as_of=now,
                    created_at=now,
                    created_by=str(actor),
                    reason=reason,
                    desired_by=str(actor),
                    desired_at=now,
                    observed=ObservedRetraining(champion=live.version, events=(event,)),
                    updated_at=now,
                    updated_by=str(actor),
                )
            )
            if memory is not None:
                self._remember(memory)
            change.record(
                "retraining.start",
                started.retraining_id,
                after={"model": model, "trigger": trigger, "cause": cause, "live": live.version},
                model=model,
                stage=Stage.PRODUCTION,
            )
        return started

    def request(
        self,
        name: str,
        desired: DesiredRetraining,
        *,
        actor: Actor,
        reason: str = "",
        expected_revision: int | None = None,
    ) -> Retraining:
        """Change the desired state of a retraining.

        Args:
            name: Its id, or its model for the active one.
            desired: The desired state.
            actor: Who requests it.
            reason: Why, for the record.
            expected_revision: The revision that the decision was made on. Progress made since does not matter;
                another request made since does.
        Raises:
            NotFoundError: There is no such retraining.
            RetrainingRefusedError: It has ended, or the same was requested already.
            StaleRevisionError: Another request was made meanwhile.
        """
        return self._desire(
            name,
            _VERBS[desired],
            lambda found: _refused(found, found.refusal(desired)),
            lambda _: {"desired": desired},
            actor=actor,
            reason=reason,
            expected_revision=expected_revision,
        )

    def hold(self, name: str, *, actor: Actor, reason: str = "", expected_revision: int | None = None) -> Retraining:
        """Begin no further step; raises as `request` does."""
        return self.request(
            name, DesiredRetraining.HELD, actor=actor, reason=reason, expected_revision=expected_revision
        )

    def resume(self, name: str, *, actor: Actor, reason: str = "", expected_revision: int | None = None) -> Retraining:
        """Continue after a hold; raises as `request` does."""
        return self.request(
            name, DesiredRetraining.RUNNING, actor=actor, reason=reason, expected_revision=expected_revision
        )

    def cancel(self, name: str, *, actor: Actor, reason: str = "", expected_revision: int | None = None) -> Retraining:
        """End it with the earlier version live, also if the new one is; raises as `request` does."""
        return self.request(
            name, DesiredRetraining.CANCELLED, actor=actor, reason=reason, expected_revision=expected_revision
        )

    def approve(self, name: str, *, actor: Actor, reason: str = "", expected_revision: int | None = None) -> Retraining:
        """Record that a person lets the new version meet traffic.

        Args:
            name: Its id, or its model.
            actor: Who approves.
            reason: Why, for the record.
            expected_revision: As for `request`.
        Raises:
            NotFoundError: There is no such retraining.
            RetrainingRefusedError: It does not await approval, the actor is not a person, or approved it before.
            StaleRevisionError: Another request was made meanwhile.
        """

        def check(found: Retraining) -> None:
            if found.observed.phase is not RetrainingPhase.AWAITING_APPROVAL:
                phase = in_words(found.observed.phase)
                raise RetrainingRefusedError(f"{found.retraining_id} does not await approval: it is {phase}.")
            if not actor.persons:
                raise RetrainingRefusedError("Only a person can approve a new version.")
            before = {person for approval in found.approvals for person in approval.persons}
            if before & actor.persons:
                raise RetrainingRefusedError(
                    f"{actor} approved {found.retraining_id} before; another person must, {found.n_approvals_lacking} "
                    "more."
                )

        def approved(found: Retraining) -> dict[str, Any]:
            word = RetrainingApproval(
                by=str(actor), persons=tuple(sorted(actor.persons)), at=self._clock(), reason=reason
            )
            return {"approvals": (*found.approvals, word)}

        found = self.named(name)
        require_access(
            self._workspace,
            actor,
            "retraining.approve",
            object=found.retraining_id,
            model=found.model,
            stage=Stage.PRODUCTION,
            clock=self._clock,
        )
        check(found)
        self._approve_version(found, actor, reason)
        return self._desire(
            name, "retraining.approve", check, approved, actor=actor, reason=reason, expected_revision=expected_revision
        )

    def _approve_version(self, found: Retraining, actor: Actor, reason: str) -> None:
        """Let the word count for the promotion, too, where the policy wants approvals of versions."""
        policy = PolicySource(self._workspace.root).policy().for_model(found.model)
        if policy.promotion.required_approvals and found.observed.challenger:
            registry = Registry(self._workspace, clock=self._clock)
            with suppress(RefusedError):  # the person approved the version before
                registry.approve(found.model, found.observed.challenger, actor=actor, reason=reason)

    # Verbs of the engine

    def observe(
        self, retraining_id: str, verb: str, *, actor: Actor, because: str, observed: Mapping[str, Any]
    ) -> Retraining:
        """Record what the engine observed; for the engine alone.

        Args:
            retraining_id: Which one.
            verb: What happened, as the audit log calls it.
            actor: The engine.
            because: Why, one sentence.
            observed: Fields of `ObservedRetraining` with their new values.
        """
        now = self._clock()
        with audited(self._workspace, DATABASE, actor=actor, reason=because, clock=self._clock) as change:
            found = self._documents.get(retraining_id)
            before = found.observed
            event = RetrainingEvent(at=now, verb=verb, reason=because, by=str(actor))
            events = (*before.events, event)[-MOST_EVENTS:]
            after = msgspec.structs.replace(before, **observed, events=events)
            found = self._documents.replace(
                msgspec.structs.replace(found, observed=after, updated_at=now, updated_by=str(actor))
            )
            change.record(verb, retraining_id, before=_summary(before), after=_summary(after))
            self._prune()
        return found

    def note(self, retraining_id: str, reason: str) -> None:
        """Say what a retraining waits for; for the engine alone. This is no decision, so nothing is audited."""
        with self._workspace.database(DATABASE).transaction():
            found = self._documents.get(retraining_id)
            if found.observed.reason != reason:
                after = msgspec.structs.replace(found.observed, reason=reason)
                self._documents.replace(msgspec.structs.replace(found, observed=after, updated_at=self._clock()))

    def remember(self, memory: RetrainingMemory, *, actor: Actor) -> None:
        """Keep what the engine remembers of a model; for the engine alone."""
        with audited(self._workspace, DATABASE, actor=actor, clock=self._clock) as change:
            self._remember(memory)
            change.record("retraining.schedule", memory.model, after={"schedule": memory.schedule})

    def _remember(self, memory: RetrainingMemory) -> None:
        before = self._memories.find(memory.model)
        if before is None:
            self._memories.insert(memory)
        else:
            self._memories.replace(msgspec.structs.replace(memory, revision=before.revision))

    def _prune(self) -> None:
        ended = [each.retraining_id for each in self.all() if not each.is_active]
        if len(ended) > KEPT:
            self._documents.remove_all(ended[: len(ended) - KEPT])

    def _desire(
        self,
        name: str,
        verb: str,
        check: Callable[[Retraining], None],
        changed: Callable[[Retraining], dict[str, Any]],
        *,
        actor: Actor,
        reason: str,
        expected_revision: int | None,
    ) -> Retraining:
        require_reason(reason)
        now = self._clock()
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            before = self.named(name)
            if expected_revision is not None and before.desired_revision > expected_revision:
                raise StaleRevisionError.asked_otherwise(
                    TABLE, before.retraining_id, before, expected=expected_revision
                )
            check(before)
            after = self._documents.replace(
                msgspec.structs.replace(
                    before,
                    **changed(before),
                    desired_by=str(actor),
                    desired_at=now,
                    desired_reason=reason,
                    desired_revision=before.revision + 1,
                    updated_at=now,
                    updated_by=str(actor),
                )
            )
            change.record(
                verb,
                before.retraining_id,
                before={"desired": before.desired, "n_approvals": len(before.approvals)},
                after={"desired": after.desired, "n_approvals": len(after.approvals)},
                model=before.model,
                stage=Stage.PRODUCTION,
            )
        return after

    @property
    def _documents(self) -> Documents[Retraining]:
        return self._workspace.database(DATABASE).documents(TABLE, Retraining, "retraining_id")

    @property
    def _memories(self) -> Documents[RetrainingMemory]:
        return self._workspace.database(DATABASE).documents(MEMORY_TABLE, RetrainingMemory, "model")


def _refused(found: Retraining, refusal: str | None) -> None:
    if refusal is not None:
        raise RetrainingRefusedError(f"{found.retraining_id}: {refusal}.")


def _number(retraining_id: str) -> int:
    return int(retraining_id.removeprefix("rt-"))


def _summary(observed: ObservedRetraining) -> dict[str, Any]:
    """Reduce the observed state to what the audit log needs."""
    current = observed.current
    return {
        "phase": str(observed.phase),
        "step": None if current is None else str(current.name),
        "challenger": observed.challenger,
        "rollout_id": observed.rollout_id,
    }
