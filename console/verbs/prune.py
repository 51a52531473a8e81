"""Delete what the retention rules drop."""

from typing import TYPE_CHECKING, Any

from console.presentation.offer import Offer
from console.presentation.phrases import size
from console.verbs.offer import OfferContext
from console.verbs.verb import Argument, Change, Command
from widgets.line import section

if TYPE_CHECKING:
    from core.maintenance.pruning import WorkspacePlan

_MOST_SHOWN = 200
KINDS = ("runs", "versions", "rollouts", "epochs", "reports", "stress")


class Prune(Change[None]):
    """Delete runs, versions, ended rollouts, values of early epochs, reports of epochs, or stress tests."""

    name = "prune"
    command = Command(
        "delete what the retention rules drop: runs, versions, rollouts, epochs, reports or stress tests",
        options=(Argument("KIND", choices=lambda _snapshot, _before: KINDS),),
    )

    def offer(self, context: OfferContext, thing: None, *options: Any) -> Offer:
        """Offer exactly what goes, with the rule of each kind; without a kind, what the settings switch on."""
        from core.maintenance.pruning import NOTHING_LEFT_TO_DELETE, Pruning
        from core.settings import settings_in_force

        pruning = Pruning(context.workspace, settings_in_force(context.workspace.root).retention)
        plan = pruning.plan(options or pruning.automatic())

        def commit(reason: str) -> str:
            said = pruning.carry_out(plan, actor=context.actor, reason=reason).summary or NOTHING_LEFT_TO_DELETE
            return f"{said[:1].upper()}{said[1:]}."

        rules = [f"{kind.kind}: {kind.rule}." for kind in plan.kinds]
        goes = [f"{item.name}: {item.what}{_size_of(item.n_bytes)}." for item in plan.items[:_MOST_SHOWN]]
        if (more := len(plan.items) - len(goes)) > 0:
            goes.append(f"and {more:,} more; bondx prune lists them all.")
        return Offer(
            title="Prune the workspace",
            lines=(
                *section("Rules", rules),
                *section("What cannot be listed, and stays", list(map(str, plan.unlisted))),
                *section("What will be deleted", goes),
                *section("How to undo it", ("It cannot be undone. The audit log names all that was deleted.",)),
            ),
            confirm="Delete",
            doing="Pruning the workspace",
            refusal=None if plan.items else _nothing(plan),
            commit=commit,
        )


def _nothing(plan: "WorkspacePlan") -> str:
    if plan.unlisted:
        return " ".join(map(str, plan.unlisted))
    if plan.kinds:
        return "There is nothing to delete."
    return "No rule of retention: is set in bondx.yaml; name a kind, such as :prune runs."


def _size_of(n_bytes: int | None) -> str:
    return f", {size(n_bytes)}" if n_bytes else ""
