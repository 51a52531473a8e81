"""Carrying out a decided plan: documents, transition and audit record, inside the caller's transaction."""

import msgspec

from core.actor import Actor
from core.clock import Clock
from core.governance.outbox import AuditedChange
from core.registry.approvals import Approvals
from core.registry.documents import ModelVersion, RegisteredModel, Transition, transition_key
from core.registry.numbering import version_key
from core.registry.planning import Plan
from core.registry.records import Records
from core.registry.registration import evidence
from core.registry.stages import Stage, TransitionVerb, highest
from core.registry.undo import standing_after, standing_before
from core.state import StaleRevisionError


def move(
    records: Records,
    approvals: Approvals,
    change: AuditedChange,
    plan: Plan,
    *,
    actor: Actor,
    reason: str,
    clock: Clock,
) -> tuple[ModelVersion, ...]:
    """Carry out a plan, and record it.

    Returns:
        The versions that moved, the plan's own first.
    """
    now, author = clock(), str(actor)
    model = records.model(plan.model)
    number = _stand(records, model, plan, now=now, author=author)
    moved = tuple(
        records.versions.replace(
            msgspec.structs.replace(
                records.version(plan.model, step.version),
                stage=step.after,
                stage_since=now,
                updated_at=now,
                updated_by=author,
            )
        )
        for step in plan.changes
    )
    records.transitions.insert(
        Transition(
            key=transition_key(plan.model, number),
            model=plan.model,
            number=number,
            verb=plan.verb,
            version=plan.version,
            from_stage=plan.changes[0].before,
            to_stage=plan.changes[0].after,
            changes=plan.changes,
            replaced=plan.replaces,
            at=now,
            by=author,
            origin=actor.origin,
            reason=reason,
            gates=plan.gates,
            manifest_sha256=moved[0].manifest_sha256,
            undoes=plan.undoes,
        )
    )
    change.record(
        f"version.{plan.verb}",
        version_key(plan.model, plan.version),
        before={step.version: step.before for step in plan.changes},
        after={step.version: step.after for step in plan.changes},
        evidence=[evidence(version) for version in moved],
        stage=highest(stage for step in plan.changes for stage in (step.before, step.after)),
    )
    if plan.verb is TransitionVerb.PROMOTE and plan.to_stage is Stage.PRODUCTION:
        approvals.use(change, moved[0], number)
    return moved


def _stand(records: Records, model: RegisteredModel, plan: Plan, **stamps: object) -> int:
    """Record which version is live from now on, and return the model's new revision."""
    if plan.undoes is not None:
        standing = standing_before(records.transitions_of(model), plan.undoes)
    else:
        standing = standing_after(model.standing, plan.verb, plan.version, plan.from_stage, plan.to_stage)
    return records.models.replace(
        msgspec.structs.replace(
            model,
            production=standing.production,
            previous_production=standing.previous,
            updated_at=stamps["now"],
            updated_by=stamps["author"],
        )
    ).revision


def stale(records: Records, plan: Plan) -> StaleRevisionError:
    """Say who moved a version of a plan's model since the plan was made, when, and from where to where."""
    model = records.model(plan.model)
    since = records.transitions_of(model, after=plan.expected_revision)
    seen: dict[str, tuple[object, object]] = {}
    for step in (step for transition in since for step in transition.changes):
        seen[step.version] = (seen.get(step.version, (step.before,))[0], step.after)
    return StaleRevisionError(
        "Model",
        plan.model,
        expected=plan.expected_revision,
        found=model.revision,
        changes=seen,
        by=model.updated_by,
        at=model.updated_at,
    )
