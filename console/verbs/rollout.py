"""Verbs about rollouts: advance, hold, resume, abort; and the way back once the candidate is live."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from console.presentation.keys import sign_of
from console.presentation.offer import Offer
from console.verbs.offer import OfferContext
from console.verbs.request import Asked, DesiredRequest, Wording
from console.verbs.stage_move import evidence_lines
from console.verbs.verb import Argument, Change, Command, Key, Noun
from console.verbs.version import ROLL_BACK, UNDO, ModelRow
from core.errors import RefusedError
from core.view.snapshot import NO_ENGINE
from core.view.suspects import VersionStanding, standing_of
from widgets.line import Line, section

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from core.rollout import Rollout, Rollouts
    from core.view.snapshot import Snapshot
    from widgets.glyphs import Glyphs


def _named(snapshot: "Snapshot", words: Sequence[str]) -> "Rollout":
    from core.rollout.naming import rollout_named

    return rollout_named(snapshot.rollouts, words[0])


def _active(snapshot: "Snapshot", _before: Sequence[str]) -> list[str]:
    return [rollout.rollout_id for rollout in snapshot.rollouts if rollout.is_active]


ROLLOUT_WORD = Argument("ROLLOUT|MODEL", _active)
ROLLOUT: "Noun[Rollout]" = Noun(
    group="rollouts",
    arguments=(ROLLOUT_WORD,),
    missing="No rollout is selected; a canary starts in the Registry: 3, then {registry.canary}.",
    find=_named,
)


class RolloutRequest(DesiredRequest["Rollout"]):
    """Request a change of a rollout, based on the state shown at the key press."""

    noun = ROLLOUT

    def name_of(self, thing: "Rollout") -> str:
        """Return its id."""
        return thing.rollout_id

    def store(self, context: OfferContext) -> "Rollouts":
        """Return the rollouts."""
        from core.rollout import Rollouts

        return Rollouts(context.workspace)

    def move(self, thing: "Rollout", glyphs: "Glyphs") -> Line:
        """Say which version takes traffic from which."""
        return move_line(thing.model, thing.stable, thing.candidate, glyphs)

    def standing(self, thing: "Rollout") -> str:
        """Say its phase, and its share of the traffic."""
        return _now(thing)

    def refusal(self, thing: "Rollout") -> str | None:
        """Refuse for a rollout that has ended or is being aborted."""
        if not thing.is_active:
            from console.presentation.rollouts import words

            ended = words(thing.observed.phase)
            return f"{thing.rollout_id} has ended: {ended}. Start another in the Registry: 3, then C."
        if thing.is_aborting:
            asked = f"{thing.rollout_id} is already being aborted by {thing.desired_by}"
            return f"{asked}; it ends once the engine answers."
        return self.refuses(thing)

    def refuses(self, rollout: "Rollout") -> str | None:
        """Return the reason why an active rollout refuses this now, or None."""
        return None


class GoLive(RolloutRequest):
    """Promote a candidate without waiting for proof; confirmed by typing its version."""

    name = "go_live"
    confirm = "Promote"

    def promised(self, thing: "Rollout") -> tuple[object, ...]:
        """Return the share, and which guards are not proven: their figures change with every request."""
        return (_now(thing), [found.what for found in thing.not_judged])

    def ask(self, store: "Rollouts", thing: "Rollout", asked: Asked) -> str:
        """Ask for the promotion."""
        store.promote_now(thing.rollout_id, override=asked["reason"], **asked)
        return f"Asked {thing.rollout_id} to promote."

    def offer(self, context: OfferContext, thing: "Rollout", *options: Any) -> Offer:
        """Offer it with the guards that are not proven yet, and with the gates of the registry."""
        from console.presentation.phrases import share
        from console.presentation.rollouts import share_set
        from core.registry import Registry, Stage

        glyphs = context.glyphs
        registry = Registry(context.workspace)
        plan = registry.plan_promotion(thing.model, thing.candidate, Stage.PRODUCTION, actor=context.actor)
        lines = [Line(((plan.overrides, "bad"),))] if plan.overrides else []
        lines.append(move_line(thing.model, thing.stable, thing.candidate, glyphs))
        lines.append(Line((("traffic  ", "muted"), (f"{share(share_set(thing), 0)} {glyphs.arrow} 100%", "strong"))))
        if thing.not_judged:
            lines += [Line(), Line((("Not proven yet", "title"),))]
            lines += [Line(((f"{glyphs.warned} {found.what}: {found.reason}", "warn"),)) for found in thing.not_judged]
        lines += evidence_lines(plan, glyphs)
        effects = (
            f"{thing.candidate} goes to Production and answers all requests; {thing.stable} is archived.",
            *context.guarded("Until then, a failing gate or shown harm still stops it."),
        )
        lines += section("What will happen", (*effects, *context.without_engine()))
        lines += section(
            "How to undo it",
            (
                f"{sign_of('registry.roll_back_version')} rolls back to {thing.stable}; "
                f"{sign_of('registry.undo')} undoes the promotion.",
            ),
        )
        return Offer(
            title=f"Promote {thing.model} {thing.candidate} without waiting for proof",
            lines=tuple(lines),
            confirm=self.confirm,
            typed=thing.candidate,
            needs_reason=plan.needs_override,
            refusal=None if plan.allowed else plan.refusal,
            commit=self.commit(context, thing),
        )


GO_LIVE = GoLive()


class Advance(RolloutRequest):
    """Advance one step: to the next share, or after the last step live."""

    name = "advance"
    key = Key("P", "advance", "Advance one step; after the last step, go live (asks first)")
    command = Command("advance a rollout by one step")
    confirm = "Advance"

    def refuses(self, rollout: "Rollout") -> str | None:
        """Allow one step at a time, and only if there is a next step."""
        name = rollout.rollout_id
        if not rollout.is_open:
            return f"The first step of {name} is not open yet; an engine opens it."
        if rollout.is_at_last_step and not rollout.strategy.promotes:
            return f"{name} ends with a finding and does not go live; promote {rollout.candidate} in the Registry."
        if rollout.is_asked_further:
            return f"{rollout.desired_by} has already asked {name} to advance; the engine does it."
        return None

    def wording(self, thing: "Rollout") -> Wording:
        """Describe the next share, without waiting for proof; harm still counts."""
        step = thing.observed.step + 1
        to = _share_at(thing, step)
        return Wording(
            then=f"step {step + 1} of {len(thing.plan.steps)}, {to}",
            effects=(f"{thing.candidate} answers {to} of the requests without waiting for dwell time and samples.",),
            guard="The guards still watch for harm.",
            way_back=f"{sign_of('rollouts.abort')} returns all traffic immediately.",
        )

    def ask(self, store: "Rollouts", thing: "Rollout", asked: Asked) -> str:
        """Request the step that was shown: the engine may have taken it meanwhile, and must not take another."""
        store.advance(thing.rollout_id, step=thing.observed.step + 1, **asked)
        return f"Asked {thing.rollout_id} to advance."

    def offer(self, context: OfferContext, thing: "Rollout", *options: Any) -> Offer:
        """Offer the next share, or after the last step going live."""
        return GO_LIVE.offer(context, thing) if thing.is_at_last_step else super().offer(context, thing)


class Hold(RolloutRequest):
    """Keep a rollout at its share."""

    name = "hold_rollout"
    confirm = "Hold"

    def refuses(self, rollout: "Rollout") -> str | None:
        """Refuse a second hold."""
        return f"{rollout.rollout_id} is already held by {rollout.desired_by}." if rollout.is_held else None

    def wording(self, thing: "Rollout") -> Wording:
        """Describe the hold, which only harm ends."""
        effect, guard = "It stays at its share, however good the evidence.", "Shown harm still rolls it back."
        if not thing.is_open:
            guard = ""
            effect = f"Its first step does not open, and {thing.candidate} gets no requests, until it is resumed."
        withdrawn = f"It no longer goes live as {thing.desired_by} asked." if thing.is_asked_live else ""
        return Wording(
            then="held",
            effects=tuple(filter(None, (effect, withdrawn))),
            way_back=f"{sign_of('rollouts.hold_or_resume')} resumes it; the time on hold does not count.",
            guard=guard,
        )

    def ask(self, store: "Rollouts", thing: "Rollout", asked: Asked) -> str:
        """Request the hold."""
        store.hold(thing.rollout_id, **asked)
        return f"Asked {thing.rollout_id} to hold."


class ResumeRollout(RolloutRequest):
    """Resume a rollout."""

    name = "resume_rollout"
    confirm = "Resume"

    def refuses(self, rollout: "Rollout") -> str | None:
        """Refuse for a rollout that is running."""
        goes_on = not rollout.needs_resuming and not rollout.is_asked_live
        return f"{rollout.rollout_id} is neither held nor inconclusive." if goes_on else None

    def wording(self, thing: "Rollout") -> Wording:
        """Describe how judging continues."""
        effect = "It continues with a new deadline." if thing.is_undecided else "It continues from where it was held."
        return Wording(
            then="running", effects=(effect,), way_back=f"{sign_of('rollouts.hold_or_resume')} holds it again."
        )

    def ask(self, store: "Rollouts", thing: "Rollout", asked: Asked) -> str:
        """Request it."""
        store.resume(thing.rollout_id, **asked)
        return f"Asked {thing.rollout_id} to resume."


class Abort(RolloutRequest):
    """Return all traffic to the stable version."""

    name = "abort"
    key = Key("A", "abort", "Return all traffic to the stable version (asks first)")
    command = Command("return all traffic to the stable version")
    confirm = "Abort"

    def late(self, context: OfferContext) -> tuple[str, ...]:
        """Say when the rollout ends: without an engine now, with an engine that does not move once that moves."""
        if context.absence is None:  # it may stop before it answers
            return ("The rollout ends with the next step of the engine.",)
        if context.absence == NO_ENGINE:
            return (f"{context.absence.capitalize()}: the rollout ends now.",)
        return (
            f"{context.absence.capitalize()}: the traffic returns now, and the rollout ends once the engine answers.",
        )

    def promised(self, thing: "Rollout") -> tuple[object, ...]:
        """An abort is asked only once: it is right at any share."""
        return ()

    def wording(self, thing: "Rollout") -> Wording:
        """Describe the abort: it is immediate, and the evidence stays."""
        return Wording(
            then=f"aborted, 0%; all traffic to {thing.stable}",
            effects=(
                f"{thing.stable} answers all requests as soon as the servers see this.",
                f"{thing.candidate} stays in its stage, and the evidence stays on record.",
            ),
            way_back="Start a new rollout; its evidence starts from zero.",
        )

    def ask(self, store: "Rollouts", thing: "Rollout", asked: Asked) -> str:
        """Request the abort."""
        after = store.abort(thing.rollout_id, **asked)
        return f"{abort_words(after)}: {thing.stable} answers all requests."


ADVANCE, HOLD, RESUME_ROLLOUT, ABORT = Advance(), Hold(), ResumeRollout(), Abort()


class HoldOrResume(Change["Rollout"]):
    """Hold a running rollout, resume a held or inconclusive rollout: one key for both."""

    name = "hold_or_resume"
    noun = ROLLOUT
    key = Key("H", "hold", "Hold the rollout at its share, or resume it (asks first)")

    def label(self, thing: "Rollout | None") -> str:
        """Name the request behind the key."""
        return "resume" if thing is not None and self.choose(thing) is RESUME_ROLLOUT else "hold"

    def refusal(self, thing: "Rollout") -> str | None:
        """Refuse as the verb behind the key does."""
        return self.choose(thing).refusal(thing)

    def offer(self, context: OfferContext, thing: "Rollout", *options: Any) -> Offer:
        """Offer the opposite of the present state."""
        return self.choose(thing).offer(context, thing)

    @staticmethod
    def choose(rollout: "Rollout") -> RolloutRequest:
        """Return the verb behind the key."""
        return RESUME_ROLLOUT if rollout.needs_resuming else HOLD


HOLD_OR_RESUME = HoldOrResume()


class RollBackRollout(Change["Rollout"]):
    """Abort the rollout of a candidate, or once it is live, roll the model back."""

    name = "roll_back_rollout"
    noun = ROLLOUT
    key = Key("R", "roll back", "Abort; once promoted, roll back to the version before (asks first)")

    def refusal(self, thing: "Rollout") -> str | None:
        """Refuse for a rollout that ended without going live: there is nothing to roll back."""
        return None if thing.is_live else ABORT.refusal(thing)

    def refused(self, app: "ConsoleControls", thing: "Rollout | None") -> str | None:
        """Refuse, too, once another version is live: the candidate answers no requests any more."""
        if (refused := super().refused(app, thing)) is not None or thing is None or not thing.is_live:
            return refused
        candidate = standing_of(thing.model, thing.candidate, app.newest)
        return None if candidate.standing is VersionStanding.LIVE else str(candidate)

    def offer(self, context: OfferContext, thing: "Rollout", *options: Any) -> Offer:
        """Offer the abort, or the rollback."""
        return ROLL_BACK.offer(context, thing.model) if thing.is_live else ABORT.offer(context, thing)


class UndoPromotion(Change["Rollout"]):
    """Undo the promotion at the end of a rollout."""

    name = "undo_promotion"
    noun = ROLLOUT
    key = Key("U", "undo", "Undo the promotion that the rollout ended with (asks first)")

    def refusal(self, thing: "Rollout") -> str | None:
        """Refuse for a candidate that has not gone live."""
        if thing.is_live:
            return None
        return f"The candidate of {thing.rollout_id} has not gone live, so there is no promotion to undo."

    def offer(self, context: OfferContext, thing: "Rollout", *options: Any) -> Offer:
        """Offer to undo the promotion, while it is the last change of the model's stages."""
        from core.registry import Registry, Stage

        plan = Registry(context.workspace).plan_undo(thing.model)
        if not any(change.version == thing.candidate and change.before is Stage.PRODUCTION for change in plan.changes):
            raise RefusedError(
                f"The promotion of {thing.candidate} is not the last change of {thing.model} any more; U in the "
                f"Registry goes back change by change. {plan.refusal or plan.effects[0]}"
            )
        return UNDO.offer(context, ModelRow(thing.model))


def abort_words(rollout: "Rollout") -> str:
    """Say how far an abort is that was requested a moment ago: an engine has yet to end the rollout."""
    if rollout.is_active:
        return f"{rollout.rollout_id} is being aborted, and ends once the engine answers"
    return f"{rollout.rollout_id} is aborted"


def _now(rollout: "Rollout") -> str:
    from console.presentation.phrases import share
    from console.presentation.rollouts import phase_text, share_set

    return f"{phase_text(rollout)}, {share(share_set(rollout), 0)} of the traffic"


def _share_at(rollout: "Rollout", step: int) -> str:
    from console.presentation.phrases import share

    return share(rollout.plan.steps[step].share, 0)


def move_line(model: str, stable: str, candidate: str, glyphs: "Glyphs") -> Line:
    """Say which version takes traffic from which."""
    return Line(((f"{model}  ", "strong"), (stable, "muted"), (f" {glyphs.arrow} ", "accent"), (candidate, "strong")))
