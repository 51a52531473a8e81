"""The offer of a move between stages: the changes, their evidence, what must be typed, and how to undo it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from console.presentation.offer import AskAgainError, Commit, Offer, told_first
from console.verbs.offer import OfferContext
from core.registry.stages import Stage
from core.registry.stages import TransitionVerb as Move
from widgets.line import Line, section

if TYPE_CHECKING:
    from core.registry import Plan, Registry
    from widgets.glyphs import Glyphs

_CONFIRM = {Move.PROMOTE: "Promote", Move.ROLL_BACK: "Roll back", Move.UNDO: "Undo", Move.ARCHIVE: "Archive"}


def offer_move(context: OfferContext, plan_with: "Callable[[Registry], Plan]", *, news: Sequence[str] = ()) -> Offer:
    """Offer the move that the registry plans.

    Args:
        context: The workspace and the person.
        plan_with: Plans the move.
        news: What has changed since the question was asked before.
    """
    from core.registry import Registry, StalePlanError
    from core.registry.planning import reason_for

    registry = Registry(context.workspace)
    plan = plan_with(registry)

    def commit(reason: str) -> str:
        try:
            moved = registry.apply(plan, actor=context.actor, reason=reason_for(plan, reason, override=reason))
        except StalePlanError as error:
            told = error.news
            raise AskAgainError(str(error), lambda: offer_move(context, plan_with, news=told)) from error
        return "; ".join(f"{version.model} {version.version} is in {version.stage}" for version in moved) + "."

    return told_first(plan_offer(plan, context.glyphs, commit), news)


def plan_offer(plan: "Plan", glyphs: "Glyphs", commit: Commit) -> Offer:
    """Turn a plan of the registry into an offer.

    A version that is promoted to Production is confirmed by typing it, and so is one that leaves its model without a
    live version, by whatever move.
    """
    confirm = _CONFIRM[plan.verb]
    worst = (*plan.worst, *filter(None, [plan.overrides]))
    lines = [*(Line(((effect, "bad"),)) for effect in worst), *move_lines(plan, glyphs)]
    lines += [*section("What monitoring knows", plan.monitoring), *evidence_lines(plan, glyphs)]
    lines += section("What will happen", [effect for effect in plan.effects if effect not in plan.worst])
    lines += section("How to undo it", (plan.undo,) if plan.undo else ())
    to = " to" if plan.verb is Move.ROLL_BACK and plan.version else ""
    return Offer(
        title=f"{confirm} {plan.model}{to} {plan.version}".rstrip(),
        lines=tuple(lines),
        confirm=confirm,
        typed=typed_version(plan),
        needs_reason=plan.needs_override,
        refusal=None if plan.allowed else plan.refusal or "The registry does not allow this.",
        commit=commit,
    )


def typed_version(plan: "Plan") -> str | None:
    """Name the version that must be typed: one that is promoted to Production, or leaves it without a successor."""
    enters = next((change.version for change in plan.changes if change.after is Stage.PRODUCTION), None)
    return enters if plan.verb is Move.PROMOTE and enters else plan.unreplaced


def evidence_lines(plan: "Plan", glyphs: "Glyphs") -> list[Line]:
    """List the gates and the warnings of a plan."""
    from console.presentation.gates import gate_lines

    gates = [Line(), Line((("Gates", "title"),)), *gate_lines(plan.gates, glyphs)] if plan.gates else []
    warnings = [warning for warning in plan.warnings if not plan.overrides or warning not in plan.overrides]
    return [*gates, *(Line(((warning, "warn"),)) for warning in warnings)]


def move_lines(plan: "Plan", glyphs: "Glyphs") -> list[Line]:
    """List the changes of stage, or the stage of a version that does not move."""
    if not plan.changes:
        where = Line(((f"{plan.model} {plan.version}", "strong"), (f"  {plan.from_stage}", "muted")))
        return [where] if plan.version else []
    return [
        Line(
            (
                (f"{plan.model} {change.version}  ", "strong"),
                (str(change.before), "muted"),
                (f" {glyphs.arrow} ", "accent"),
                (str(change.after), "good" if change.after is Stage.PRODUCTION else "strong"),
            )
        )
        for change in plan.changes
    ]
