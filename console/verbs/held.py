"""The commands that hold and resume: one word for rollouts, retrainings and sessions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from console.presentation.offer import Offer
from console.verbs.offer import OfferContext
from console.verbs.retraining import HOLD_RETRAINING, RESUME_RETRAINING, RETRAINING, RETRAINING_WORD
from console.verbs.rollout import HOLD, RESUME_ROLLOUT, ROLLOUT, ROLLOUT_WORD
from console.verbs.session import RESUME_SESSION, SESSION, SESSION_WORD
from console.verbs.verb import Argument, Change, Command, Noun
from core.training.session import Session

if TYPE_CHECKING:
    from core.retraining.document import Retraining
    from core.rollout import Rollout
    from core.view.snapshot import Snapshot


def _to_hold(snapshot: "Snapshot", words: Sequence[str]) -> "Rollout | Retraining":
    """Find what is named: a model names its active rollout, else its active retraining."""
    name = words[0]
    is_retraining = snapshot.active_rollout(name) is None and snapshot.active_retraining(name) is not None
    return RETRAINING.find(snapshot, words) if _is_id(name) or is_retraining else ROLLOUT.find(snapshot, words)


def _held(snapshot: "Snapshot", words: Sequence[str]) -> "Rollout | Retraining | Session":
    name = words[0]
    if any(session.session_id == name for session in snapshot.sessions):
        return SESSION.find(snapshot, words)
    models = {each.model for each in snapshot.rollouts} | {each.model for each in snapshot.retrainings}
    is_named = name.startswith("ro-") or _is_id(name) or name in models
    return _to_hold(snapshot, words) if is_named else SESSION.find(snapshot, words)


def _is_id(name: str) -> bool:
    return name.startswith("rt-")


def _is_retraining(thing: object) -> bool:
    return hasattr(thing, "retraining_id")  # its module is imported only where there is one


TO_HOLD_WORD = Argument(
    "ROLLOUT-OR-RETRAINING",
    lambda snapshot, before: (*ROLLOUT_WORD.choices(snapshot, before), *RETRAINING_WORD.choices(snapshot, before)),
)
HELD_WORD = Argument(
    "SESSION-ROLLOUT-OR-RETRAINING",
    lambda snapshot, before: (*SESSION_WORD.choices(snapshot, before), *TO_HOLD_WORD.choices(snapshot, before)),
)


class HoldByName(Change["Rollout | Retraining"]):
    """Hold a rollout at its share, or a retraining before its next step."""

    name = "hold"
    noun = Noun(arguments=(TO_HOLD_WORD,), find=_to_hold)
    command = Command("hold a rollout at its share, or a retraining before its next step")

    def refusal(self, thing: Any) -> str | None:
        """Refuse as the verb of the named object does."""
        return HOLD_RETRAINING.refusal(thing) if _is_retraining(thing) else HOLD.refusal(thing)

    def offer(self, context: OfferContext, thing: Any, *options: Any) -> Offer:
        """Offer it for the named object."""
        return HOLD_RETRAINING.offer(context, thing) if _is_retraining(thing) else HOLD.offer(context, thing)


class ResumeByName(Change["Rollout | Retraining | Session"]):
    """Resume a held rollout, a held retraining or a paused session."""

    name = "resume"
    noun = Noun(arguments=(HELD_WORD,), find=_held)
    command = Command("resume a paused session, a held rollout or a held retraining")

    def refusal(self, thing: Any) -> str | None:
        """Refuse as the verb of the named object does."""
        return self._verb_of(thing).refusal(thing)

    def offer(self, context: OfferContext, thing: Any, *options: Any) -> Offer:
        """Offer it for the named object."""
        return self._verb_of(thing).offer(context, thing)

    @staticmethod
    def _verb_of(thing: object) -> Change[Any]:
        if isinstance(thing, Session):
            return RESUME_SESSION
        return RESUME_RETRAINING if _is_retraining(thing) else RESUME_ROLLOUT
