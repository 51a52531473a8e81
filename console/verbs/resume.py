"""The command that resumes a paused session or a held rollout; its keys are those of pause and hold."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from console.presentation.offer import Offer
from console.verbs.offer import OfferContext
from console.verbs.rollout import RESUME_ROLLOUT, ROLLOUT, ROLLOUT_WORD
from console.verbs.session import RESUME_SESSION, SESSION, SESSION_WORD
from console.verbs.verb import Argument, Change, Command, Noun
from core.training.session import Session

if TYPE_CHECKING:
    from core.rollout import Rollout
    from core.view.snapshot import Snapshot


def _held(snapshot: "Snapshot", words: Sequence[str]) -> "Rollout | Session":
    name = words[0]
    is_session = any(session.session_id == name for session in snapshot.sessions)
    is_rollout = name.startswith("ro-") or any(rollout.model == name for rollout in snapshot.rollouts)
    return ROLLOUT.find(snapshot, words) if is_rollout and not is_session else SESSION.find(snapshot, words)


HELD_WORD = Argument(
    "SESSION-OR-ROLLOUT",
    lambda snapshot, before: (*SESSION_WORD.choices(snapshot, before), *ROLLOUT_WORD.choices(snapshot, before)),
)


class Resume(Change["Rollout | Session"]):
    """Resume a held rollout or a paused session: one command for both."""

    name = "resume"
    noun = Noun(arguments=(HELD_WORD,), find=_held)
    command = Command("resume a paused session or a held rollout")

    def refusal(self, thing: "Rollout | Session") -> str | None:
        """Refuse as the verb of the named object does."""
        return RESUME_SESSION.refusal(thing) if isinstance(thing, Session) else RESUME_ROLLOUT.refusal(thing)

    def offer(self, context: OfferContext, thing: "Rollout | Session", *options: Any) -> Offer:
        """Offer it for the named object."""
        if isinstance(thing, Session):
            return RESUME_SESSION.offer(context, thing)
        return RESUME_ROLLOUT.offer(context, thing)
