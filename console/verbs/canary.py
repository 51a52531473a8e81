"""The verb that starts a rollout: move a model's traffic to a version, step by step, on evidence."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from console.presentation.offer import Offer
from console.verbs.offer import OfferContext
from console.verbs.rollout import move_line
from console.verbs.verb import Argument, Change, Command, Key
from console.verbs.version import VERSION, VersionName
from core.errors import UsageError
from core.registry.stages import Stage
from widgets.line import Line, section

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from core.rollout.strategies import Strategy
    from core.view.snapshot import Snapshot


def _strategies(_snapshot: "Snapshot", _before: Sequence[str]) -> list[str]:
    from core.rollout.strategies import Strategy

    return list(Strategy)


def _strategy(word: str) -> "Strategy":
    from core.rollout.strategies import Strategy

    if word not in list(Strategy):
        raise UsageError(f"There is no strategy {word}. Strategies to choose from: {', '.join(Strategy)}.")
    return Strategy(word)


STRATEGY_WORD = Argument("STRATEGY", _strategies, read=_strategy)


class Canary(Change[VersionName]):
    """Start moving a model's traffic to a version."""

    name = "canary"
    noun = VERSION
    key = Key("C", "canary", "Start a canary of the version with a share of the traffic (asks first)")
    command = Command("move traffic to a version, step by step, on evidence", options=(STRATEGY_WORD,))

    def offered(self, app: "ConsoleControls", thing: VersionName) -> bool:
        """Offer it for versions beside a live one, while no rollout of their model is active."""
        version, snapshot = app.newest.version(*thing), app.newest
        if not super().offered(app, thing) or version is None or snapshot.active_rollout(version.model) is not None:
            return False
        live = next((model.production for model in snapshot.models if model.model == version.model), None)
        return live not in (None, version.version) and version.stage is not Stage.ARCHIVED

    def offer(self, context: OfferContext, thing: VersionName, *options: Any) -> Offer:
        """Offer it by the workspace's policy. A rollout that promotes is confirmed by typing its version."""
        from console.presentation.gates import gate_lines
        from console.presentation.phrases import share
        from console.presentation.rollouts import words
        from core.rollout import Rollouts, Strategy

        rollouts = Rollouts(context.workspace)
        (strategy,) = options or (Strategy.CANARY,)
        proposal = rollouts.plan(*thing, strategy, actor=context.actor)
        plan, arrow = proposal.plan, context.glyphs.arrow

        def commit(reason: str) -> str:
            started = rollouts.start(proposal, actor=context.actor, reason=reason)
            move = f"{started.model} {started.stable} {arrow} {started.candidate}"
            return f"Started {started.rollout_id}: {move}. 4 shows it."

        lines = [move_line(proposal.model, proposal.stable or "nothing live", proposal.candidate, context.glyphs)]
        if strategy is not Strategy.SHADOW:
            shares = f" {arrow} ".join(share(step.share, 0) for step in plan.steps)
            end = f" {arrow} all" if strategy.promotes and plan.steps[-1].share < 1 else ""
            lines.append(Line((("traffic  ", "muted"), (f"0% {arrow} {shares}{end}", "strong"))))
        if proposal.gates:
            title = Line((("Gates to pass at the end", "title"),))
            lines += [Line(), title, *gate_lines(proposal.gates, context.glyphs)]
        if proposal.allowed:
            lines += section("What will happen", (*proposal.effects, *context.without_engine()))
            lines += section("How to undo it", (proposal.undo,) if proposal.undo else ())
        return Offer(
            title=f"Start a rollout ({words(strategy)}) of {proposal.model} {proposal.candidate}",
            lines=tuple(lines),
            confirm="Start",
            typed=proposal.candidate if strategy.promotes else None,
            refusal=None if proposal.allowed else proposal.refusal or "The policy does not allow this.",
            commit=commit,
        )
