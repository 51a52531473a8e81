"""The verb that takes a version out of use: its effect depends on the present role of the version."""

from typing import Any

from console.presentation.offer import Offer
from console.verbs.offer import OfferContext
from console.verbs.rollout import ABORT
from console.verbs.verb import Change, Key, Noun
from console.verbs.version import ROLL_BACK
from core.errors import RefusedError
from core.view.suspects import Suspect, VersionStanding, standing_of

SUSPECT: Noun[Suspect] = Noun(
    group="registry",
    arguments=(),
    missing="This row is about no model, so there is nothing to roll back.",
    find=lambda snapshot, words: standing_of(words[0], None, snapshot),
)
"""The version that a row is about: a version of the registry, a live model, or the version that an alert names."""


class RollBackSuspect(Change[Suspect]):
    """Roll back a live version, or abort the rollout of a candidate; leave every other version alone.

    A row about a model, not about one of its versions, also returns it to the version before, if none is live.
    """

    name = "roll_back_version"
    noun = SUSPECT
    key = Key("R", "roll back", "Roll back the live version; abort the rollout of a candidate (asks first)")

    def refusal(self, thing: Suspect) -> str | None:
        """Refuse for a version without requests: the live version is healthy, as far as this row knows.

        The first live version of a model has none before it to return to.
        """
        if thing.is_first:
            return f"{thing.model} has no earlier Production version to roll back to."
        if thing.returns_to or thing.standing in (VersionStanding.LIVE, VersionStanding.CANDIDATE):
            return None
        return str(thing)

    def offer(self, context: OfferContext, thing: Suspect, *options: Any) -> Offer:
        """Offer the rollback, or the abort."""
        if thing.rollout_id is None:
            return ROLL_BACK.offer(context, thing.model)
        from core.rollout import Rollouts

        rollout = Rollouts(context.workspace).get(thing.rollout_id)
        if (refused := ABORT.refusal(rollout)) is not None:
            raise RefusedError(refused)
        return ABORT.offer(context, rollout)
