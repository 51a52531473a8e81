"""Plans: what a promotion, rollback, undo or archiving would do, decided before anything is done.

Everything here is a pure function of the documents. `Registry.apply` makes the plan again inside its transaction, so
a plan is a preview, never a permission.
"""

from collections.abc import Mapping, Sequence

import msgspec

from core.errors import RefusedError
from core.quality.gate import GateResult
from core.registry.documents import ModelVersion, RegisteredModel, StageChange, Transition
from core.registry.holds import RunningRollout
from core.registry.stages import Stage, TransitionVerb, is_allowed, next_stage
from core.registry.undo import next_to_undo
from core.text_limits import require_reason

_ENDS_ROLLOUT = "Ends rollout "
_LEAVES = "Leaves "
WITHOUT_SETTINGS = "Decided by earlier settings"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One move of a version, with its evidence, its effects and its way back."""

    verb: TransitionVerb
    model: str
    version: str  # empty if there is nothing to move
    from_stage: Stage | None
    to_stage: Stage | None
    replaces: str | None = None  # the version that leaves Production for it
    changes: tuple[StageChange, ...] = ()  # every move, `version` first
    gates: tuple[GateResult, ...] = ()
    allowed: bool
    refusal: str | None = None
    effects: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()  # known problems that do not forbid the move
    monitoring: tuple[str, ...] = ()  # of a return: how the version did when it was last live, and what stays wrong
    undo: str = ""
    expected_revision: int
    undoes: int | None = None  # the number of the transition that an undo reverses
    unreplaced: str | None = None  # the version that leaves Production without a successor: no version answers then
    overrides: str = ""  # the verdict of a rollout that a version goes live against
    ends_rollout: RunningRollout | None = None  # the rollout that ends because one of its two versions moves

    @property
    def needs_override(self) -> bool:
        """Whether it takes a reason against a verdict; a return does not: the way back stays open."""
        return bool(self.overrides) and self.verb is TransitionVerb.PROMOTE

    @property
    def worst(self) -> tuple[str, ...]:
        """Those of the effects that reach beyond the versions named: to be read first."""
        heads = (_ENDS_ROLLOUT if self.ends_rollout else "", _LEAVES if self.unreplaced else "")
        return tuple(effect for effect in self.effects if effect.startswith(tuple(filter(None, heads))))


def promotion(
    model: RegisteredModel, candidate: ModelVersion, to_stage: Stage | None, gates: Sequence[GateResult]
) -> Plan:
    """Plan one step up for a version.

    Args:
        model: The model.
        candidate: The version to promote.
        to_stage: The target stage; None is the next stage.
        gates: The verdicts of `core.registry.gates.promotion_gates` for that stage.
    Returns:
        The plan, refused if the table of stages or a gate forbids it.
    """
    target = to_stage or next_stage(candidate.stage)
    what = f"{model.model} {candidate.version}"
    if candidate.stage is target or target is None:
        here = "is live already" if candidate.stage is Stage.PRODUCTION else f"is already in {candidate.stage}"
        return _refused(model, TransitionVerb.PROMOTE, f"{what} {here}.", candidate, target)
    if not is_allowed(TransitionVerb.PROMOTE, candidate.stage, target):
        return _refused(model, TransitionVerb.PROMOTE, _no_such_step(what, candidate.stage, target), candidate, target)
    replaced = model.production if target is Stage.PRODUCTION else None
    changes = [StageChange(version=candidate.version, before=candidate.stage, after=target)]
    if replaced:
        changes.append(StageChange(version=replaced, before=Stage.PRODUCTION, after=Stage.ARCHIVED))
    return _decided(model, TransitionVerb.PROMOTE, changes, replaced, gates)


def rollback(model: RegisteredModel, target: ModelVersion | None, gates: Sequence[GateResult]) -> Plan:
    """Plan the return to the previous Production version.

    Args:
        model: The model.
        target: The last version of `model.previous_production`; None if it is empty.
        gates: The verdict on the target's files.
    Returns:
        The plan, refused if there is no version to return to.
    """
    if target is None:
        refusal = (
            f"{model.model} has no earlier Production version to roll back to."
            if model.production
            else f"{model.model} has no version in Production, and none to roll back to."
        )
        return _refused(model, TransitionVerb.ROLL_BACK, refusal)
    if not is_allowed(TransitionVerb.ROLL_BACK, target.stage, Stage.PRODUCTION):
        refusal = f"{model.model} {target.version}, the previous Production version, is in {target.stage}."
        return _refused(model, TransitionVerb.ROLL_BACK, refusal, target, Stage.PRODUCTION)
    changes = [StageChange(version=target.version, before=target.stage, after=Stage.PRODUCTION)]
    if model.production:
        changes.append(StageChange(version=model.production, before=Stage.PRODUCTION, after=Stage.ARCHIVED))
    return _decided(model, TransitionVerb.ROLL_BACK, changes, model.production, gates)


def undo(
    model: RegisteredModel, moves: Sequence[Transition], stages: Mapping[str, Stage], gates: Sequence[GateResult]
) -> Plan:
    """Plan the exact reversal of the newest move that is not undone yet; each further undo goes one move further back.

    Args:
        model: The model.
        moves: The moves of its versions, ascending.
        stages: The present stages of its versions.
        gates: The verdict on the files of the version that would serve again.
    Returns:
        The plan, refused if nothing remains to undo, or if a version has been removed since.
    """
    move = next_to_undo(moves)
    if move is None:
        refusal = (
            f"Every move of the versions of {model.model} is undone already; nothing earlier remains to undo."
            if moves
            else f"No version of {model.model} has moved yet, so there is nothing to undo."
        )
        return _refused(model, TransitionVerb.UNDO, refusal)
    astray = next((moved for moved in move.changes if stages.get(moved.version) is not moved.after), None)
    if astray is not None:
        where = f"is in {stages[astray.version]}" if astray.version in stages else "was removed"
        refusal = f"{model.model} {astray.version} {where}, so this cannot be undone: {move}."
        return _refused(model, TransitionVerb.UNDO, refusal)
    changes = [StageChange(version=moved.version, before=moved.after, after=moved.before) for moved in move.changes]
    plan = _decided(model, TransitionVerb.UNDO, changes, None, gates, undoes=move.number)
    earlier = next_to_undo(moves, before=move.number)
    then = f"A further undo then reverses: {earlier}." if earlier else "Nothing earlier remains to undo."
    return msgspec.structs.replace(plan, effects=(f"Undoes: {move}.", *plan.effects, then))


def archiving(model: RegisteredModel, version: ModelVersion) -> Plan:
    """Plan to take a version out of use; its files stay."""
    if not is_allowed(TransitionVerb.ARCHIVE, version.stage, Stage.ARCHIVED):
        refusal = f"{model.model} {version.version} is already in {version.stage}."
        return _refused(model, TransitionVerb.ARCHIVE, refusal, version, Stage.ARCHIVED)
    change = StageChange(version=version.version, before=version.stage, after=Stage.ARCHIVED)
    return _decided(model, TransitionVerb.ARCHIVE, [change], None, ())


def without_settings(plan: Plan, problem: str) -> Plan:
    """Say that a move is decided without the present settings, which cannot be read.

    Args:
        plan: The rollback, undo or archiving, or a promotion by the engine.
        problem: What is wrong with the settings.
    """
    warning = f"{WITHOUT_SETTINGS}, last read or default, since the present ones cannot be used: {problem}"
    return msgspec.structs.replace(plan, warnings=(*plan.warnings, warning))


def with_rollout(plan: Plan, running: RunningRollout | None) -> Plan:
    """Say which rollout a plan ends: its stable version leaves Production, or its candidate enters it another way.

    A rollback that is refused says how the candidate loses its traffic: that is what the person may have meant.
    """
    if running is None:
        return plan
    if plan.refusal is not None and plan.verb is TransitionVerb.ROLL_BACK:
        cure = f"`bondx rollout abort {running.rollout_id}` returns all traffic to {running.stable}"
        return msgspec.structs.replace(plan, refusal=f"{plan.refusal} Rollout {running} is active: {cure}.")
    if not plan.allowed:
        return plan
    goes_live = any(change.version == running.candidate and change.after is Stage.PRODUCTION for change in plan.changes)
    is_left = any(change.version == running.stable and change.before is Stage.PRODUCTION for change in plan.changes)
    if not goes_live and not is_left:
        return plan
    why = (
        f"{running.candidate} goes live without its verdict"
        if goes_live
        else f"{running.stable}, its stable version, leaves Production"
    )
    effect = f"{_ENDS_ROLLOUT}{running}: {why}."
    return msgspec.structs.replace(plan, ends_rollout=running, effects=(effect, *plan.effects))


def version_to_return(move: Transition | None) -> str | None:
    """Name the version that is in Production again once a move is undone."""
    changes = move.changes if move else ()
    return next((change.version for change in changes if change.before is Stage.PRODUCTION), None)


def version_to_serve(plan: Plan) -> str:
    """Name the version whose files a plan depends on: the version that enters Production, else the moved version."""
    return next((change.version for change in plan.changes if change.after is Stage.PRODUCTION), plan.version)


def _decided(
    model: RegisteredModel,
    verb: TransitionVerb,
    changes: Sequence[StageChange],
    replaces: str | None,
    gates: Sequence[GateResult],
    *,
    undoes: int | None = None,
) -> Plan:
    refusing = [f"{gate.name} ({gate.reason})" for gate in gates if gate.blocks]
    name = f"{model.model} {changes[0].version}"
    return Plan(
        verb=verb,
        model=model.model,
        version=changes[0].version,
        from_stage=changes[0].before,
        to_stage=changes[0].after,
        replaces=replaces,
        changes=tuple(changes),
        gates=tuple(gates),
        allowed=not refusing,
        refusal=f"{name} was refused by {_count(len(refusing), 'gate')}: {'; '.join(refusing)}." if refusing else None,
        effects=_effects(model, verb, changes),
        undo=_way_back(verb, changes),
        unreplaced=_unreplaced(changes),
        expected_revision=model.revision,
        undoes=undoes,
    )


def _refused(
    model: RegisteredModel,
    verb: TransitionVerb,
    refusal: str,
    version: ModelVersion | None = None,
    to_stage: Stage | None = None,
) -> Plan:
    return Plan(
        verb=verb,
        model=model.model,
        version=version.version if version else "",
        from_stage=version.stage if version else None,
        to_stage=to_stage,
        allowed=False,
        refusal=refusal,
        expected_revision=model.revision,
    )


def _no_such_step(what: str, before: Stage, after: Stage) -> str:
    step = next_stage(before)
    if step is None:
        return f"{what} is in {before} and cannot be promoted further. Roll back or archive it instead."
    return f"{what} is in {before}; the next stage is {step}, not {after}."


def require_confirmed(plan: Plan, named: str) -> None:
    """Require that a person names the version whose model is left without a live version by a move.

    Raises:
        RefusedError: Another version was named, or none.
    """
    if plan.allowed and plan.unreplaced is not None and named != plan.unreplaced:
        said = f"you named {named}" if named else "no version was named"
        raise RefusedError(
            f"This leaves {plan.model} without a live version. Confirm it by naming {plan.unreplaced}; {said}."
        )


def reason_for(plan: Plan, reason: str, override: str) -> str:
    """Return the reason to record with a move; a move against the verdict of a rollout takes one of its own.

    Args:
        plan: The move.
        reason: Why, if the person said so.
        override: Why the verdict of the rollout does not count.
    Raises:
        RefusedError: The move overrides a verdict, and no reason was given for that.
    """
    verdict = plan.overrides if plan.allowed and plan.needs_override else ""
    return reason_against(verdict, f"{plan.model} {plan.version}", reason, override)


def reason_against(verdict: str, version: str, reason: str, override: str) -> str:
    """Return the reason to record with a version that goes live against a verdict; see `reason_for`.

    Raises:
        RefusedError: There is a verdict, and no reason against it.
        UsageError: One of the reasons is too long.
    """
    require_reason(reason)
    require_reason(override)
    override = override.strip()
    if not verdict:
        return "; ".join(dict.fromkeys(filter(None, (reason, override))))
    if not override:
        raise RefusedError(
            f"{verdict} {version} goes to Production against this verdict only with a reason: --override REASON "
            "(`override` over HTTP and in Python)."
        )
    return f"override: {override}" if reason in ("", override) else f"{reason} (override: {override})"


def reason_to_record(plans: Sequence[Plan], reason: str) -> str:
    """Return the reason to record: it tells of a return without the present settings, or against a verdict.

    Args:
        plans: The steps of the move.
        reason: Why, if the person said so.
    """
    notes = [f"against the verdict: {plan.overrides}" for plan in plans if plan.overrides and not plan.needs_override]
    if any(warning.startswith(WITHOUT_SETTINGS) for plan in plans for warning in plan.warnings):
        notes.append(f"{WITHOUT_SETTINGS[0].lower()}{WITHOUT_SETTINGS[1:]}: the present ones cannot be used")
    note = "; ".join(notes)
    return f"{reason} ({note})" if reason and note else reason or note


def _unreplaced(changes: Sequence[StageChange]) -> str | None:
    if any(change.after is Stage.PRODUCTION for change in changes):
        return None
    return next((change.version for change in changes if change.before is Stage.PRODUCTION), None)


def _effects(model: RegisteredModel, verb: TransitionVerb, changes: Sequence[StageChange]) -> tuple[str, ...]:
    effects = [f"{model.model} {change.version} goes from {change.before} to {change.after}." for change in changes]
    enters = any(change.after is Stage.PRODUCTION for change in changes)
    if _unreplaced(changes):
        effects.insert(0, f"{_LEAVES}{model.model} without a live version.")
    if verb is TransitionVerb.PROMOTE and enters:
        previous = model.standing.promoted(changes[0].version).previous
        way_back = (
            f"A rollback then returns to {previous[-1]}."
            if previous
            else "There is no earlier version to roll back to; an undo is possible."
        )
        effects.append(way_back)
    if verb is TransitionVerb.ROLL_BACK:
        earlier = model.previous_production[:-1]
        effects.append(
            f"A further rollback then returns to {earlier[-1]}."
            if earlier
            else "No earlier version remains to roll back to."
        )
    return tuple(effects)


def _way_back(verb: TransitionVerb, changes: Sequence[StageChange]) -> str:
    if verb is TransitionVerb.UNDO:
        return "An undo cannot be undone; promote or roll back instead."
    return "Undo returns " + " and ".join(f"{change.version} to {change.before}" for change in changes) + "."


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
