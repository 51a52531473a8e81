"""Verbs about the search of parameters of a session."""

from typing import Any

from console.presentation.offer import Offer
from console.verbs.offer import OfferContext
from console.verbs.session import SESSION
from console.verbs.verb import Change, Command, Key, ScreenAction
from core.training.session import Session
from core.training.tuning.stopping import stop_refusal
from widgets.line import Line, section

SHOW_TRIALS = ScreenAction(
    "trials",
    Key("t", "trials", "Show the trials of the session's search of parameters, and the loss over each parameter"),
    on=("training", "runs"),
)


class StopTuning(Change[Session]):
    """End the search of parameters with the trials it has."""

    name = "stop_tuning"
    noun = SESSION
    on = ("training",)
    key = Key("E", "end search", "End the search of parameters with the trials it has (asks first)")
    command = Command("end the search of parameters of a session; its epochs follow")

    def refusal(self, thing: Session) -> str | None:
        """Refuse as core would."""
        refusal = stop_refusal(thing)
        return None if refusal is None else f"{thing.session_id}: {refusal}."

    def offer(self, context: OfferContext, thing: Session, *options: Any) -> Offer:
        """Offer it with where the search stands."""
        from core.training.sessions import Sessions

        def commit(reason: str) -> str:
            Sessions(context.workspace).stop_tuning(
                thing.session_id, actor=context.actor, reason=reason, expected_revision=thing.revision
            )
            return f"Asked {thing.session_id} to end its search."

        standings = thing.observed.tuning.standings
        counts = [f"{each.model}: {each.n_trials} of {each.n_planned} trials" for each in standings]
        lines = [
            Line(((f"{thing.session_id} {thing.name}", "strong"),)),
            *(Line(((count, "muted"),)) for count in counts),
            *section(
                "What will happen",
                (
                    "The trials under way end first. The best parameters so far are compared with the settings' own",
                    "on fresh rows; then the epochs begin.",
                    *context.without_engine(),
                ),
            ),
            *section("How to undo it", ("It cannot be undone: start another session to search on.",)),
        ]
        return Offer(
            title=f"End the search of session {thing.session_id}",
            lines=tuple(lines),
            confirm="End search",
            commit=commit,
        )
