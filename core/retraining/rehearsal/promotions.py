"""Promotions and rollbacks of the past, judged again by what was recorded of the versions."""

from collections.abc import Iterator
from datetime import datetime

from core.explain.stored import finding_in
from core.registry import ModelVersion, Registry, Stage, TransitionVerb, VersionNotFoundError
from core.registry.documents import Transition
from core.registry.gates import APPROVALS, VERIFIED_ARTIFACT, promotion_gates
from core.retraining.document import Retraining, RetrainingPhase
from core.retraining.rehearsal.documents import RehearsedEvent, RehearsedKind, Would
from core.settings.policy import ModelPolicy
from core.settings.promotion import PromotionSettings
from core.state import Workspace


def rehearse_moves(
    workspace: Workspace,
    moves: list[Transition],
    retrainings: list[Retraining],
    rules: ModelPolicy,
) -> Iterator[RehearsedEvent]:
    """Judge promotions and rollbacks of a model again.

    Args:
        workspace: The workspace.
        moves: Of the model's versions, in the order of time.
        retrainings: Of the model.
        rules: The other rules of the model.
    """
    registry = Registry(workspace)
    for move in moves:
        if move.verb is TransitionVerb.PROMOTE:
            would, reason = _promotion(workspace, registry, move, rules.promotion)
            what = f"{move.version} to {move.to_stage} by {move.by}"
            yield _event(RehearsedKind.PROMOTION, move, what, would, reason)
        elif move.verb is TransitionVerb.ROLL_BACK:
            would, reason = _rollback(move, retrainings, rules)
            yield _event(RehearsedKind.ROLLBACK, move, f"back to {move.version} by {move.by}", would, reason)


def _event(kind: RehearsedKind, move: Transition, what: str, would: Would, reason: str) -> RehearsedEvent:
    return RehearsedEvent(kind=kind, model=move.model, at=move.at, what=what, happened=True, would=would, reason=reason)


def _promotion(
    workspace: Workspace, registry: Registry, move: Transition, rules: PromotionSettings
) -> tuple[Would, str]:
    if move.to_stage is not Stage.PRODUCTION:
        return Would.YES, f"nothing of a policy stops a version on its way to {move.to_stage}"
    candidate = _found(registry, move.model, move.version)
    if candidate is None:
        return Would.UNKNOWN, f"{move.version} is no longer in the registry, and its figures with it"
    replaced = _found(registry, move.model, move.replaced) if move.replaced else None
    if move.replaced and replaced is None:
        return Would.UNKNOWN, f"{move.replaced}, which it replaced, is no longer in the registry"
    explained = None
    if rules.require_explainability:
        explained = finding_in(workspace.artifacts_dir / candidate.model / candidate.version)
    gates = promotion_gates(
        candidate, replaced, rules, to_stage=Stage.PRODUCTION, integrity=(), explained=explained, approvals=None
    )
    judged = [gate for gate in gates if gate.name not in (APPROVALS, VERIFIED_ARTIFACT)]
    if failed := [gate for gate in judged if gate.blocks]:
        return Would.NO, "; ".join(f"{gate.name}: {gate.sentence}" for gate in failed)
    recorded = {gate.name: gate for gate in move.gates}
    if rules.required_approvals:
        given = recorded.get(APPROVALS)
        if given is None or given.value is None:
            return Would.UNKNOWN, "approvals were not asked for then, so who would have given one is unknown"
        if given.value < rules.required_approvals:
            return Would.UNKNOWN, (
                f"{given.value:.0f} of {rules.required_approvals} approvals were given when they were enough; whether "
                "more would have been is unknown"
            )
    if rules.require_verified_artifact and VERIFIED_ARTIFACT not in recorded:
        return Would.UNKNOWN, "its files were not hashed again then"
    return Would.YES, "its gates pass under both policies" if recorded else "its gates pass"


def _found(registry: Registry, model: str, version: str) -> ModelVersion | None:
    try:
        return registry.get(model, version)
    except VersionNotFoundError:
        return None


def _rollback(move: Transition, retrainings: list[Retraining], rules: ModelPolicy) -> tuple[Would, str]:
    found = next((each for each in retrainings if _brought_back(each, move)), None)
    if found is None:
        return Would.YES, f"{move.by} decided it, and no policy would have kept them from it"
    if found.observed.phase is RetrainingPhase.CANCELLED:
        return Would.YES, f"{found.desired_by} cancelled {found.retraining_id}"
    policy, since = rules.retraining, found.observed.promoted_at
    if not policy.rollback_on_failure:
        return Would.NO, "retraining.rollback_on_failure is off: the version would have stayed live"
    if since is None:
        return Would.UNKNOWN, f"when {found.retraining_id} went live is not recorded"
    minutes = _minutes(since, move.at)
    if minutes > policy.watch_minutes:
        return Would.NO, f"it failed after {minutes:.0f} minutes, and was watched for {policy.watch_minutes:g}"
    return Would.YES, f"{found.retraining_id} was watched for {policy.watch_minutes:g} minutes, and failed in them"


def _brought_back(found: Retraining, move: Transition) -> bool:
    return move.reason.startswith(f"{found.retraining_id}:") and found.observed.champion == move.version


def _minutes(since: datetime, until: datetime) -> float:
    return (until - since).total_seconds() / 60
