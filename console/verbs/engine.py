"""Verbs about the engine of this console: start it here; leave, and stop it in order."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from console.presentation.offer import Offer
from console.verbs.verb import Command, Key, Verb
from core.errors import RefusedError
from core.training.session import Session, SessionPhase
from widgets.line import section

if TYPE_CHECKING:
    from console.context import ConsoleControls


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
        if (holder := app.snapshot.engine) is not None:
            raise RefusedError(f"An engine is already running: {holder.mode}, {holder.user}@{holder.host}.")
        app.host.start()


class Quit(Verb[None]):
    """Leave the console."""

    name = "quit"
    key = Key("q", "quit", "Leave; an engine elsewhere keeps running", pinned=True)
    command = Command("leave", aliases=("q",))

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Leave; while an engine in this console trains, ask first."""
        app.leave()


def leave_offer(session: Session, stop: Callable[[], None]) -> Offer:
    """Offer to leave a console that carries the engine.

    Args:
        session: The session that the engine trains.
        stop: Stops the engine in order; it takes as long as the epoch does.
    """

    def commit(_reason: str) -> str:
        stop()
        return ""

    effects = ["The engine in this console stops; consoles attached to it lose it."]
    if session.observed.phase not in (SessionPhase.PAUSED, SessionPhase.QUEUED):
        next_epoch = session.observed.epoch + 1
        effects.append(f"{session.session_id} ends epoch {next_epoch} first, and a checkpoint stays.")
    effects.append("The next engine continues from there: start bondx again, or bondx run --headless.")
    return Offer(
        title="Leave, and stop the engine",
        lines=tuple(section("What will happen", effects)),
        confirm="Leave",
        asks_reason=False,
        commit=commit,
    )
