"""Verbs about the engine of this console: start it here; leave, and stop it in order."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from console.presentation.offer import AskAgainError, Offer, told_first
from console.presentation.status import NO_ENGINE, attached_to, is_here
from console.verbs.verb import Command, Key, Verb
from core.errors import RefusedError
from widgets.line import section

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from core.view.snapshot import Snapshot


class StartEngine(Verb[None]):
    """Start an engine in this console if none is running."""

    name = "engine"
    changes = True
    command = Command("start an engine in this console, if none is running")

    def offered(self, app: "ConsoleControls", thing: None) -> bool:
        """Offer it only where no engine is running."""
        return super().offered(app, thing) and not app.has_engine

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Start it; another engine is not disturbed."""
        app.require_own_account(NO_ENGINE)
        if (holder := app.newest.engine) is not None:
            if is_here(holder) and holder.silence is None:
                raise RefusedError("An engine is already running in this console.")
            raise RefusedError(attached_to(holder))
        app.host.start()


class Quit(Verb[None]):
    """Leave the console."""

    name = "quit"
    key = Key("q", "quit", "Leave; an engine elsewhere keeps running", pinned=True)
    command = Command("leave", aliases=("q",))

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Leave; while something depends on the engine in this console, ask first."""
        app.leave()


def needs_of(snapshot: "Snapshot") -> dict[str, str]:
    """Say what becomes of everything that needs the engine, by its id, once the engine stops."""
    needs = {}
    for session in reversed(snapshot.sessions):
        name = session.session_id
        if session.is_finishing:
            needs[name] = f"{name} is finishing: its models are fitted and registered first, which may take minutes."
        elif session.observed.phase.is_at_work:
            needs[name] = f"{name} ends its epoch first, and a checkpoint stays."
        elif session.wants_work:
            needs[name] = f"{name} waits until another engine trains it."
    for rollout in snapshot.rollouts:
        if rollout.is_active and not rollout.is_aborting:
            part = f"{rollout.rollout_id} keeps {rollout.model} {rollout.candidate} at {rollout.share * 100:g}%"
            needs[rollout.rollout_id] = f"{part}: nobody judges it or rolls it back until another engine runs."
    return needs


def leave_offer(
    look: "Callable[[], Snapshot]",
    stop: Callable[[], None],
    *,
    serves_at: str | None = None,
    asked: Mapping[str, str] | None = None,
) -> Offer:
    """Offer to leave a console that others depend on.

    Args:
        look: Reads the present state; it is read again at the confirmation, since a dialog may stay open for hours.
        stop: Stops the engine in order; it takes as long as the epoch does.
        serves_at: Where this console serves predictions, if it does.
        asked: The needs that an earlier question named, which this one replaces.
    """
    shown = needs_of(look())

    def commit(_reason: str) -> str:
        if news := _new_needs(shown, needs_of(look())):
            again = partial(leave_offer, look, stop, serves_at=serves_at, asked=shown)
            raise AskAgainError(f"Since the question was asked, this changed: {' '.join(news)}", again)
        stop()
        return ""

    effects = [
        *shown.values(),
        "The engine in this console stops; consoles attached to it lose it.",
        *((f"Predictions are no longer served at {serves_at}.",) if serves_at else ()),
        "The next engine continues from there: start bondx again, or bondx run --headless.",
    ]
    offer = Offer(
        title="Leave, and stop the engine",
        lines=tuple(section("What will happen", effects)),
        confirm="Leave",
        doing="Leaving, and stopping the engine",
        asks_reason=False,
        commit=commit,
    )
    return told_first(offer, _changes_since(asked, shown))


def _changes_since(asked: Mapping[str, str] | None, shown: Mapping[str, str]) -> list[str]:
    """Say first what an earlier question did not tell; nothing if this is the first question."""
    if asked is None:
        return []
    met = [f"{name} no longer needs the engine." for name in asked if name not in shown]
    return [*_new_needs(asked, shown), *met]


def _new_needs(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [effect for name, effect in now.items() if before.get(name) != effect]
