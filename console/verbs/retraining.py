"""Verbs about retrainings: train a model anew, approve its new version, hold, resume, cancel; and the way to them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from console.presentation.keys import sign_of
from console.presentation.offer import Offer
from console.presentation.status import NO_FILES
from console.verbs.offer import OfferContext
from console.verbs.request import Asked, DesiredRequest, Wording
from console.verbs.verb import Argument, Change, Command, Key, Noun, Verb
from console.verbs.version import MODEL_WORD
from core.clock import read_duration
from core.errors import NotFoundError, RefusedError
from core.home_paths import at_home
from widgets.line import Line, section

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from core.retraining.document import Retraining
    from core.retraining.retrainings import Retrainings
    from core.view.snapshot import Snapshot
    from widgets.glyphs import Glyphs

REHEARSED = timedelta(days=30)


def _named(snapshot: "Snapshot", words: Sequence[str]) -> "Retraining":
    name = words[0]
    of_model = [each for each in snapshot.retrainings if each.model == name]
    found = snapshot.retraining(name) or next(
        (each for each in of_model if each.is_active), of_model[0] if of_model else None
    )
    if found is None:
        known = ", ".join(each.retraining_id for each in snapshot.retrainings[:5]) or "none yet: :retrain MODEL"
        raise NotFoundError(f"There is no retraining {name}, and none of such a model. Newest: {known}.")
    return found


def _active(snapshot: "Snapshot", _before: Sequence[str]) -> list[str]:
    return [each.retraining_id for each in snapshot.retrainings if each.is_active]


RETRAINING_WORD = Argument("RETRAINING|MODEL", _active)
RETRAINING: "Noun[Retraining]" = Noun(
    group="retrainings",
    arguments=(RETRAINING_WORD,),
    missing="No retraining is selected; {registry.retrain} on a model trains it anew.",
    find=_named,
)


PROPOSAL: "Noun[Retraining]" = Noun(
    group="overview",
    arguments=(MODEL_WORD,),
    missing="No new version of this model awaits approval.",
    find=_named,
)
"""The retraining whose new version awaits approval, on a row that is about its model."""


RETRAINED: Noun[str] = Noun(
    group="registry",
    arguments=(MODEL_WORD,),
    missing="This row is about no model.",
    find=lambda _snapshot, words: words[0],
)
"""The model that a row is about, also if the row is about a version that is not live."""


def _of_language(snapshot: "Snapshot", model: str) -> str | None:
    """Say that a model of language is not retrained; None of a model of rows. A model has versions of one kind."""
    from core.registry.language_models import is_language_model

    version = next((each for each in snapshot.versions if each.model == model), None)
    if version is None or not is_language_model(version):
        return None
    return f"{model} is a model of language, which is not retrained: :start text {model} trains its next version."


class ShowRetrainings(Verb[None]):
    """Show the retrainings."""

    name = "retrainings"
    on = ("overview", "training", "registry", "rollouts", "drift")
    key = Key("e", "retrainings", "Show the retrainings, step by step; Esc returns")
    command = Command("retrainings, step by step")

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> Any:
        """Go to the screen."""
        return app.action_go("retrainings")


class ShowLeaderboard(Verb[str]):
    """Show the live version of a model and those that were compared with it."""

    name = "leaderboard"
    noun = RETRAINED
    command = Command("the live version of a model and its challengers, the best first")

    def do(self, app: "ConsoleControls", thing: str, *options: Any) -> None:
        """Open the leaderboard, which is computed in a thread."""
        from console.dialogs.text import TextDialog

        workspace, now, glyphs = app.workspace, app.now(), app.glyphs

        def find() -> "list[Line]":
            from console.presentation.leaderboard import leaderboard_lines
            from core.retraining.leaderboard import leaderboard

            return leaderboard_lines(leaderboard(workspace, thing, now=now), glyphs)

        app.push_screen(TextDialog(f"Champion and challengers of {thing}", find))


class ShowPlans(Verb[None]):
    """Show when models are trained anew next, and why not now."""

    name = "plan"
    command = Command(
        "when each model is trained anew next, and why not now; of one model also what would happen",
        options=(MODEL_WORD,),
    )

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Open the plans, which are judged in a thread; the rows of one model are counted.

        Raises:
            RefusedError: The past is shown, of which the policy is not recorded.
        """
        from console.dialogs.text import TextDialog

        if app.playback.at is not None:
            raise RefusedError("The policy of the past is not recorded. Type :now, and ask again.")
        workspace, now, glyphs, names = app.workspace, app.now(), app.glyphs, tuple(map(str, options))

        def find() -> "list[Line]":
            from console.presentation.retrainings import plan_lines
            from core.retraining.planning import plan_of, plans

            if names:
                return plan_lines([plan_of(workspace, names[0], now=now)], glyphs)
            return plan_lines(plans(workspace, now=now), glyphs)

        app.push_screen(TextDialog(f"Next retraining of {names[0]}" if names else "Next retrainings", find))


class Rehearse(Verb[None]):
    """Show what another policy would have done on the recorded past."""

    name = "rehearse"
    command = Command(
        "what another policy would have done: a file, how far back (30d), and a model, if only one counts",
        options=(
            Argument("FILE"),
            Argument("OVER", lambda _snapshot, _before: ("1d", "7d", "30d"), read=read_duration),
            MODEL_WORD,
        ),
        n_required=1,
    )

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> None:
        """Open the rehearsal, which is computed in a thread."""
        from console.dialogs.text import TextDialog

        app.require_own_account(NO_FILES)
        file, over, models = at_home(str(options[0])), REHEARSED, tuple(map(str, options[2:]))
        if len(options) > 1:
            over = options[1]
        workspace, now, glyphs = app.workspace, app.clock(), app.glyphs

        def find() -> "list[Line]":
            from console.presentation.rehearsal import rehearsal_lines
            from core.retraining.rehearsal.rehearse import rehearse
            from core.settings import load_policy

            policy = load_policy(workspace.root, config=file)
            return rehearsal_lines(rehearse(workspace, policy, over=over, now=now, models=models), glyphs)

        app.push_screen(TextDialog(f"Rehearsal of {file.name}", find))


class Retrain(Change[str]):
    """Train a model anew now, whatever its triggers say."""

    name = "retrain"
    noun = RETRAINED
    key = Key("T", "retrain", "Train the model anew on what is new, up to a proven rollout (asks first)")
    command = Command("train a model anew on what is new, up to a proven rollout")

    def refused(self, app: "ConsoleControls", thing: str | None) -> str | None:
        """Refuse it for a model of language."""
        return super().refused(app, thing) or (_of_language(app.newest, thing) if thing is not None else None)

    def offered(self, app: "ConsoleControls", thing: str) -> bool:
        """Offer it for models of rows with a live version that are not being trained anew."""
        is_live = any(model.model == thing and model.production for model in app.newest.models)
        return (
            super().offered(app, thing)
            and is_live
            and _of_language(app.newest, thing) is None
            and app.newest.active_retraining(thing) is None
        )

    def offer(self, context: OfferContext, thing: str, *options: Any) -> Offer:
        """Offer it with what it would do, what a trigger would wait for, and why it is refused."""
        from core.clock import utc_now
        from core.retraining.planning import plan_of
        from core.retraining.retrainings import Retrainings

        plan = plan_of(context.workspace, thing, now=utc_now())
        refusal = None
        if not plan.live:
            refusal = f"{thing} has no live version to compare a new one with; promote a version first."
        elif plan.active:
            refusal = f"{plan.active} trains {thing} anew already; {sign_of('retrainings.cancel')} there stops it."

        def commit(reason: str) -> str:
            started = Retrainings(context.workspace).now(thing, actor=context.actor, reason=reason)
            return f"Asked for {started.retraining_id}: {thing} is trained anew beside {started.observed.champion}."

        rows = "not counted" if plan.n_samples is None else f"{plan.n_samples:,} labelled rows in the window"
        facts = (("live", plan.live or "none"), ("rows", rows), ("trigger", plan.cause or "you ask for it"))
        waits = [f"A trigger would wait: {blocker}." for blocker in plan.blockers if plan.enabled]
        if plan.lacks_rows:
            waits.append(f"It will be rejected: {plan.n_needed:,} labelled rows are needed.")
        return Offer(
            title=f"Train {thing} anew",
            lines=(
                *(Line(((f"{name:<10}", "muted"), (value, ""))) for name, value in facts),
                *(Line(((sentence, "warn"),)) for sentence in waits),
                *section("What will happen", (*plan.would, *context.without_engine())),
                *section(
                    "How to undo it",
                    (
                        f"{plan.live} stays live until the new version is proven; "
                        f"{sign_of('retrainings.cancel')} on the retraining stops it, also later.",
                    ),
                ),
            ),
            confirm="Train",
            doing=f"Asking for a retraining of {thing}",
            refusal=refusal,
            commit=commit,
        )


class RetrainingRequest(DesiredRequest["Retraining"]):
    """Request a change of a retraining, based on the state shown at the key press."""

    noun = RETRAINING

    def name_of(self, thing: "Retraining") -> str:
        """Return its id."""
        return thing.retraining_id

    def store(self, context: OfferContext) -> "Retrainings":
        """Return the retrainings."""
        from core.retraining.retrainings import Retrainings

        return Retrainings(context.workspace)

    def move(self, thing: "Retraining", glyphs: "Glyphs") -> Line:
        """Say which version the new one is beside."""
        return move_line(thing, glyphs)

    def standing(self, thing: "Retraining") -> str:
        """Say its phase, and its step."""
        return _now(thing)


class Approve(RetrainingRequest):
    """Let the new version meet traffic."""

    name = "approve"
    key = Key("P", "approve", "Approve the new version: let it meet traffic (asks first)")
    command: Command | None = Command("approve the new version of a retraining")
    confirm = "Approve"

    def refusal(self, thing: "Retraining") -> str | None:
        """Refuse for a retraining that awaits nobody."""
        from console.presentation.retrainings import awaits_a_person, phase_text

        if awaits_a_person(thing):
            return None
        return f"{thing.retraining_id} does not await approval: it is {phase_text(thing)}."

    def wording(self, thing: "Retraining") -> Wording:
        """Say whether this approval is enough, and what begins then."""
        n_more = thing.n_approvals_lacking - 1
        policy, new = thing.policy, thing.observed.challenger
        back = f"{sign_of('retrainings.cancel')} stops it: {thing.observed.champion} answers all requests again."
        if n_more:
            persons = "another person approves" if n_more == 1 else f"{n_more} more persons approve"
            return Wording("awaiting approval", (f"{new} meets no traffic until {persons}.",), back)
        effects = [f"A {policy.strategy} of {new} starts as soon as no blackout forbids it; its guards judge it."]
        if policy.watch_minutes:
            effects.append(f"Once live, it is watched for {policy.watch_minutes:g} minutes.")
        return Wording(f"{policy.strategy} of {new}", tuple(effects), back)

    def evidence(self, thing: "Retraining", glyphs: "Glyphs") -> list[Line]:
        """Return what the checks and the comparison found."""
        done = [step for step in thing.observed.steps if step.reason and step.name.computes]
        return section("On what evidence", [f"{glyphs.passed} {step.name}: {step.reason}" for step in done])

    def ask(self, store: "Retrainings", thing: "Retraining", asked: Asked) -> str:
        """Approve it."""
        after = store.approve(thing.retraining_id, **asked)
        n_more = after.n_approvals_lacking
        follows = f"{n_more} more must approve" if n_more else f"a {after.policy.strategy} follows"
        return f"Approved {thing.retraining_id}; {follows}."


class ApproveProposal(Approve):
    """Let the new version of the model under the cursor meet traffic."""

    name = "approve_proposal"
    noun = PROPOSAL
    key = Key("P", "approve", "Approve the new version that the model proposes (asks first)")
    command = None


class HoldRetraining(RetrainingRequest):
    """Begin no further step."""

    name = "hold_retraining"
    confirm = "Hold"

    def refusal(self, thing: "Retraining") -> str | None:
        """Refuse as core does."""
        from core.retraining.document import DesiredRetraining

        return _refused(thing, thing.refusal(DesiredRetraining.HELD))

    def wording(self, thing: "Retraining") -> Wording:
        """Describe the hold."""
        return Wording(
            "held",
            ("No further step begins; a canary keeps its share, and shown harm still rolls it back.",),
            f"{sign_of('retrainings.hold_or_resume_retraining')} resumes it.",
        )

    def ask(self, store: "Retrainings", thing: "Retraining", asked: Asked) -> str:
        """Request the hold."""
        store.hold(thing.retraining_id, **asked)
        return f"Asked {thing.retraining_id} to hold."


class ResumeRetraining(RetrainingRequest):
    """Continue after a hold."""

    name = "resume_retraining"
    confirm = "Resume"

    def refusal(self, thing: "Retraining") -> str | None:
        """Refuse as core does."""
        from core.retraining.document import DesiredRetraining

        return _refused(thing, thing.refusal(DesiredRetraining.RUNNING))

    def wording(self, thing: "Retraining") -> Wording:
        """Describe how it continues."""
        current = thing.observed.current
        step = f" with {current.name}" if current is not None else ""
        return Wording(
            "running",
            (f"It continues{step}.",),
            f"{sign_of('retrainings.hold_or_resume_retraining')} holds it again.",
        )

    def ask(self, store: "Retrainings", thing: "Retraining", asked: Asked) -> str:
        """Request it."""
        store.resume(thing.retraining_id, **asked)
        return f"Asked {thing.retraining_id} to resume."


HOLD_RETRAINING, RESUME_RETRAINING = HoldRetraining(), ResumeRetraining()


class HoldOrResumeRetraining(Change["Retraining"]):
    """Hold a retraining, or resume a held one: one key for both."""

    name = "hold_or_resume_retraining"
    noun = RETRAINING
    key = Key("H", "hold", "Hold the retraining before its next step, or resume it (asks first)")

    def label(self, thing: "Retraining | None") -> str:
        """Name the request behind the key."""
        return "resume" if thing is not None and _choose(thing) is RESUME_RETRAINING else "hold"

    def refusal(self, thing: "Retraining") -> str | None:
        """Refuse as the verb behind the key does."""
        return _choose(thing).refusal(thing)

    def offer(self, context: OfferContext, thing: "Retraining", *options: Any) -> Offer:
        """Offer the opposite of the present state."""
        return _choose(thing).offer(context, thing)


class Cancel(RetrainingRequest):
    """End a retraining with the earlier version live."""

    name = "cancel"
    key = Key("A", "stop", "Stop the retraining for good; the earlier version answers all requests (asks first)")
    command = Command("stop a retraining for good; the earlier version answers all requests")
    confirm = "Stop"  # "Cancel" is the other button

    def refusal(self, thing: "Retraining") -> str | None:
        """Refuse as core does."""
        from core.retraining.document import DesiredRetraining

        return _refused(thing, thing.refusal(DesiredRetraining.CANCELLED))

    def wording(self, thing: "Retraining") -> Wording:
        """Describe what is ended, and what is live afterwards."""
        observed = thing.observed
        effects = [f"{observed.champion} answers all requests of {thing.model}."]
        if observed.promoted_at is not None:
            effects.insert(0, f"{observed.challenger} is live, and is rolled back.")
        elif observed.rollout_id:
            effects.insert(0, f"{observed.rollout_id} is aborted.")
        if observed.challenger:
            effects.append(f"{observed.challenger} stays in the Registry, with its evidence.")
        key = sign_of("registry.retrain")
        return Wording("cancelled", tuple(effects), f"{key} trains it anew, from the first step on.")

    def ask(self, store: "Retrainings", thing: "Retraining", asked: Asked) -> str:
        """Request it."""
        after = store.cancel(thing.retraining_id, **asked)
        return f"Asked {thing.retraining_id} to cancel: {after.observed.champion} answers all requests."


def move_line(retraining: "Retraining", glyphs: "Glyphs") -> Line:
    """Say which version the new one is beside."""
    observed = retraining.observed
    new = observed.challenger or "a version that is not registered yet"
    return Line(
        (
            (f"{retraining.model}  ", "strong"),
            (observed.champion, "muted"),
            (f" {glyphs.arrow} ", "accent"),
            (new, "strong" if observed.challenger else "muted"),
        )
    )


def _choose(retraining: "Retraining") -> RetrainingRequest:
    from core.retraining.document import DesiredRetraining

    return RESUME_RETRAINING if retraining.desired is DesiredRetraining.HELD else HOLD_RETRAINING


def _refused(retraining: "Retraining", refusal: str | None) -> str | None:
    return None if refusal is None else f"{retraining.retraining_id}: {refusal}."


def _now(retraining: "Retraining") -> str:
    from console.presentation.retrainings import phase_text

    current = retraining.observed.current
    return phase_text(retraining) + (f", at {current.name}" if current is not None else "")
