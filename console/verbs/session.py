"""Verbs about training sessions: start, pause, resume, stop."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from console.presentation.keys import sign_of, with_keys
from console.presentation.offer import AskAgainError, Offer, told_first
from console.presentation.phrases import counted
from console.presentation.sessions import reached
from console.verbs.offer import OfferContext
from console.verbs.verb import Argument, Change, Command, Key, Noun
from core.errors import CoreError, NotFoundError
from core.training.session import DesiredSession, Session, SessionPhase
from widgets.line import Line, section

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from core.settings import TrainingSettings
    from core.view.snapshot import Snapshot


def _named(snapshot: "Snapshot", words: Sequence[str]) -> Session:
    if (session := snapshot.session(words[0])) is None:
        known = ", ".join(session.session_id for session in snapshot.sessions) or "none yet"
        raise NotFoundError(f"There is no session {words[0]}. Sessions to choose from: {known}.")
    return session


SESSION_WORD = Argument("SESSION", lambda snapshot, _: [session.session_id for session in snapshot.sessions])
SESSION: Noun[Session] = Noun(
    group="training",
    arguments=(SESSION_WORD,),
    missing="There is no session; {training.start_or_stop} starts one.",
    find=_named,
    usual=lambda snapshot: snapshot.active_session(),
)
TEXT = "text"
"""Stands among the domains for the model of language of `text_model`."""
_SHOWN_TEXT_SETTINGS = (
    "epochs",
    "max_steps",
    "evaluation_steps",
    "patience",
    "learning_rate",
    "base",
    "teacher",
    "seed",
)
_SHOWN_NGRAM_SETTINGS = ("ngram_order", "seed")
_SHOWN_SETTINGS = (
    "max_epochs",
    "patience",
    "convergence_threshold",
    "quality_threshold",
    "random_seed",
    "convergence_timeout_hours",
)


class SessionRequest(Change[Session]):
    """Request a change of a session, based on the state shown at the key press."""

    noun = SESSION
    desired: DesiredSession
    confirm: str
    way_back: str

    def refusal(self, thing: Session) -> str | None:
        """Refuse as core would, in the state that is shown."""
        if thing.observed.phase is SessionPhase.FINISHED:
            return f"{thing.session_id} has finished; {sign_of('training.start_or_stop')} starts a new session."
        refusal = thing.refusal(self.desired)
        return None if refusal is None else f"{thing.session_id}: {refusal}."

    def effect(self, session: Session) -> str:
        """Say what happens to a session in its present state."""
        raise NotImplementedError

    def effect_on_agents(self, parent: Session, agents: Sequence[Session]) -> str:
        """Say what happens to the agents of a session, each in its present state."""
        raise NotImplementedError

    def becomes(self, session: Session) -> str:
        """Name the state that follows."""
        return str(self.desired)

    def undo(self, session: Session) -> str:
        """Say how it is undone."""
        return self.way_back

    def offer(self, context: OfferContext, thing: Session, *options: Any) -> Offer:
        """Offer the new desired state; the engine carries it out."""
        from core.training.sessions import Sessions

        sessions = Sessions(context.workspace)

        def commit(reason: str) -> str:
            now = sessions.get(thing.session_id)
            is_stepped = now.desired_revision <= thing.revision and self.refusal(now) is None
            if is_stepped and promised(now) != shown:
                phases = f"{now.session_id} is {now.observed.phase}; it was {thing.observed.phase}."
                news = f"{phases} Changed by {now.updated_by}."
                raise AskAgainError(news, lambda: told_first(self.offer(context, now), (news,)))
            sessions.request(
                thing.session_id, self.desired, actor=context.actor, reason=reason, expected_revision=thing.revision
            )
            return f"Asked {thing.session_id} to {self.confirm.lower()}."

        def promised(session: Session) -> tuple[str, ...]:
            queue = _ahead(sessions.all(), session) if self.desired is DesiredSession.RUNNING else ()
            if session.children:
                return (self.effect_on_agents(session, sessions.concerned(session, self.desired)), *queue)
            return (self.effect(session), *queue)

        shown = promised(thing)
        observed = thing.observed
        move = (
            (f"{thing.session_id} {thing.name}  ", "strong"),
            (str(observed.phase), "muted"),
            (f" {context.glyphs.arrow} ", "accent"),
            (self.becomes(thing), "strong"),
        )
        lines = [
            Line(move),
            Line(((reached(thing), "muted"),)),
            *section("What will happen", (*shown, *context.without_engine())),
            *section("How to undo it", (with_keys(self.undo(thing)),)),
        ]
        return Offer(
            title=f"{self.confirm} session {thing.session_id}",
            lines=tuple(lines),
            confirm=self.confirm,
            commit=commit,
        )


class Pause(SessionRequest):
    """Pause a session at its checkpoint."""

    name = "pause"
    command = Command("pause a session after its epoch")
    desired = DesiredSession.PAUSED
    confirm = "Pause"
    way_back = "{training.pause_or_resume} resumes it from there."

    def effect(self, session: Session) -> str:
        """A session in the queue has no epoch to end."""
        if session.observed.phase.is_at_work:
            return f"{_what_ends(session)} first; then the session waits {_where_it_stays(session)}."
        return f"It leaves the queue and waits {_at_checkpoint(session)}."

    def effect_on_agents(self, parent: Session, agents: Sequence[Session]) -> str:
        """Agents at work end their epochs."""
        return _told_of_agents(parent, agents, f"{_ends_first(agents)}they wait, and their checkpoints stay")


class ResumeSession(SessionRequest):
    """Resume a session."""

    name = "resume_session"
    desired = DesiredSession.RUNNING
    confirm = "Resume"
    way_back = "{training.pause_or_resume} pauses it after its epoch."

    def becomes(self, session: Session) -> str:
        """A session at rest joins the queue; the engine decides when it runs."""
        return str(self.desired if session.observed.phase.is_at_work else SessionPhase.QUEUED)

    def undo(self, session: Session) -> str:
        """A session in the queue has no epoch to end."""
        return self.way_back if session.observed.phase.is_at_work else "{training.pause_or_resume} pauses it again."

    def effect(self, session: Session) -> str:
        """A session that is still ending its epoch does not rest at all."""
        if session.observed.phase.is_at_work:
            return f"It was asked to be {session.desired}; now it trains on after its epoch."
        if session.observed.checkpoint is not None:
            return "The session continues from its last checkpoint."
        if session.is_searching:
            return f"The session continues its search of parameters after {reached(session)}."
        if session.observed.tuning.is_done:
            return "The session begins with its first epoch; its search of parameters is done."
        return "The session begins with its first epoch."

    def effect_on_agents(self, parent: Session, agents: Sequence[Session]) -> str:
        """Each goes on where it was; those that were paused or stopped by themselves stay at rest."""
        n_begun = sum(_has_begun(agent) for agent in agents)
        n_new = len(agents) - n_begun
        begun = f"{n_begun} {'goes on where it was' if n_begun == 1 else 'go on where they were'}" if n_begun else ""
        new = f"{n_new} {'begins with its' if n_new == 1 else 'begin with their'} first epoch" if n_new else ""
        return _told_of_agents(parent, agents, ", ".join(filter(None, (begun, new))))


class Stop(SessionRequest):
    """End a session."""

    name = "stop"
    command = Command("stop a session after its epoch")
    desired = DesiredSession.STOPPED
    confirm = "Stop"
    way_back = "{training.pause_or_resume} resumes it from the checkpoint."

    def effect(self, session: Session) -> str:
        """Only a session at work has an epoch to end."""
        if session.observed.phase.is_at_work:
            stays = "Its trials stay" if session.is_searching else "Its checkpoint stays"
            return f"{_what_ends(session)} first; then the session ends. {stays}."
        return f"The session ends {_at_checkpoint(session)}."

    def effect_on_agents(self, parent: Session, agents: Sequence[Session]) -> str:
        """Agents at work end their epochs."""
        return _told_of_agents(parent, agents, f"{_ends_first(agents)}they end, and their checkpoints stay")

    def undo(self, session: Session) -> str:
        """A session that never ran has no checkpoint, nor has one with agents."""
        if session.children:
            return "{training.pause_or_resume} resumes its agents from their checkpoints."
        if session.is_searching:
            return "{training.pause_or_resume} resumes it with its trials."
        begins = not session.observed.phase.is_at_work and session.observed.checkpoint is None
        return "{training.pause_or_resume} queues it again." if begins else self.way_back


def _what_ends(session: Session) -> str:
    return "The trials under way end" if session.is_searching else "The current epoch ends"


def _where_it_stays(session: Session) -> str:
    return "with its trials" if session.is_searching else "at its checkpoint"


def _has_begun(session: Session) -> bool:
    return session.observed.checkpoint is not None or bool(session.observed.tuning.standings)


def _told_of_agents(parent: Session, agents: Sequence[Session], what: str) -> str:
    """Count the agents that a request to their parent concerns, and say what happens to them."""
    if not agents:
        return f"None of its {counted(len(parent.children), 'agent')} is concerned."
    of = f" of {len(parent.children)}" if len(agents) < len(parent.children) else ""
    return f"It concerns {len(agents)}{of} {'agent' if len(parent.children) == 1 else 'agents'}: {what}."


def _ends_first(agents: Sequence[Session]) -> str:
    return "the epochs under way end first; then " if any(each.observed.phase.is_at_work for each in agents) else ""


def _at_checkpoint(session: Session) -> str:
    if session.observed.checkpoint is None and session.is_searching:
        return "with its trials, which stay"
    return "before its first epoch" if session.observed.checkpoint is None else "at its checkpoint, which stays"


def _ahead(sessions: Sequence[Session], session: Session | None) -> tuple[str, ...]:
    """Say which sessions train first: one trains at a time, the oldest first."""
    ids = [found.session_id for found in sessions]
    place = ids.index(session.session_id) if session else len(ids)
    ahead = [
        found.session_id
        for i, found in enumerate(sessions)
        if i != place and (found.observed.phase.is_at_work or (i < place and found.wants_work))
    ]
    return (f"It waits in the queue behind {', '.join(ahead)}.",) if ahead else ()


def _session_domains() -> tuple[str, ...]:
    from core.domains.registry import session_domain_names

    return (*session_domain_names(), TEXT)


def _usual_domain(in_force: "TrainingSettings", sessions: Sequence[Session], domains: Sequence[str]) -> str:
    """Return the domain of the newest session, as a desk trains its own domain; else that of the settings."""
    if sessions and sessions[-1].text is not None:
        return TEXT
    newest = sessions[-1].training.domain if sessions else in_force.domain
    return newest if newest in domains else in_force.domain


def _left_out(in_force: "TrainingSettings", training: "TrainingSettings") -> tuple[str, ...]:
    """Name the settings in force that a session of another domain does not take."""
    left = [name for name in ("models", "domain_settings") if getattr(in_force, name) != getattr(training, name)]
    return (f"Left out, as set for {in_force.domain}: {', '.join(left)}.",) if left else ()


def _refusal(training: "TrainingSettings") -> str | None:
    """Return why core refuses a session with these settings, or None."""
    from core.training.session_domain import checked

    try:
        checked(training)
    except CoreError as error:
        return str(error)
    return None


def _start_lines(
    facts: Sequence[tuple[str, str]], *, notes: Sequence[str] = (), effects: Sequence[str], undo: str
) -> tuple[Line, ...]:
    """Draw what a session will be, what to know of it, what will happen, and how to undo it."""
    width = max(len(name) for name, _ in facts) + 2
    return (
        *(Line(((f"{name:<{width}}", "muted"), (value, ""))) for name, value in facts),
        *(Line(((note, "warn"),)) for note in notes),
        *section("What will happen", effects),
        *section("How to undo it", (undo,)),
    )


def _experiments(snapshot: "Snapshot", before: Sequence[str]) -> list[str]:
    if list(before) == [TEXT]:
        return list(dict.fromkeys(session.text.model for session in snapshot.sessions if session.text is not None))
    return list(dict.fromkeys(session.experiment for session in reversed(snapshot.sessions)))


class Start(Change[None]):
    """Start a session with the settings of the workspace."""

    name = "start"
    command = Command(
        "start a training session with the workspace's settings",
        options=(
            Argument("DOMAIN", lambda _snapshot, _before: _session_domains()),
            Argument("EXPERIMENT", _experiments, takes_rest=True),
        ),
    )

    def offer(self, context: OfferContext, thing: None, *options: Any) -> Offer:
        """Offer it with the most important settings, and with the settings that this release cannot follow."""
        from msgspec.structs import replace

        from core.domains.registry import session_domain
        from core.settings import settings_in_force
        from core.training.ensemble_plan import models_of
        from core.training.session_domain import announcements, on_domain
        from core.training.sessions import Sessions

        in_force = settings_in_force(context.workspace.root).training
        sessions, domains = Sessions(context.workspace), _session_domains()
        begun_before = sessions.all()
        domain = options[0] if options else _usual_domain(in_force, begun_before, domains)
        if domain == TEXT:
            return self._offer_text(context, begun_before, *options[1:])
        training = on_domain(in_force, domain)
        training = training if len(options) < 2 else replace(training, experiment_name=options[1])
        following = domains[(domains.index(training.domain) + 1) % len(domains)]
        named = () if following == TEXT else options[1:]

        def commit(reason: str) -> str:
            self._require_unchanged(context, begun_before, options)
            started = sessions.start(training, name="console", actor=context.actor, reason=reason)
            return f"{started.session_id} is queued."

        others = f"  right arrow: {following}" if following != training.domain else ""
        facts = [("domain", training.domain + others)]
        facts.append(("experiment", training.experiment_name or training.domain))
        facts += [(name, str(getattr(training, name))) for name in _SHOWN_SETTINGS]
        facts.append(("dataset_size", f"{training.dataset_size} {session_domain(training.domain).rows}"))
        every_model = f"all of {training.domain}: {', '.join(models_of(training, session_domain(training.domain)))}"
        facts.append(("models", ", ".join(training.models) or every_model))
        effect = "A new session trains the models and registers the next version of each in Development."
        return Offer(
            title="Start a training session",
            lines=_start_lines(
                facts,
                notes=(*_left_out(in_force, training), *announcements(training)),
                effects=(effect, *_ahead(sessions.all(), None), *context.without_engine()),
                undo="S on it stops it after its epoch; the versions it has registered stay.",
            ),
            confirm="Start",
            commit=commit,
            refusal=_refusal(training),
            another=(lambda: self.offer(context, None, following, *named)) if others else None,
        )

    def _offer_text(self, context: OfferContext, begun_before: Sequence[Session], model: str = "") -> Offer:
        """Offer to train the model of language of the settings."""
        from core.registry import Registry
        from core.settings import settings_in_force
        from core.training.sessions import Sessions
        from core.training.text_training import text_training

        settings, domains = settings_in_force(context.workspace.root), _session_domains()
        sessions = Sessions(context.workspace)
        names = [session.text.model for session in begun_before if session.text is not None]
        model = model or (names[-1] if names else TEXT)
        text, refusal, text_model = None, None, settings.text_model
        try:
            Registry(context.workspace).require_kind(model, writes_texts=True)
            text = text_training(model, text_model)
            text_model = text.text_model
        except CoreError as error:
            refusal = str(error)

        def commit(reason: str) -> str:
            self._require_unchanged(context, begun_before, (TEXT, model))
            assert text is not None
            started = sessions.start(settings.training, name="console", actor=context.actor, reason=reason, text=text)
            return f"{started.session_id} is queued."

        drawn = f"{text_model.documents:,} of {text_model.domain}"
        facts = [("domain", f"{TEXT}, a model of language  right arrow: {domains[0]}")]
        facts += [("model", model), ("architecture", text_model.architecture)]
        facts.append(("documents", text_model.corpus or drawn))
        shown = _SHOWN_NGRAM_SETTINGS if text_model.architecture == "ngram" else _SHOWN_TEXT_SETTINGS
        facts += [(name, str(getattr(text_model, name)) or "none") for name in shown]
        effect = f"A new session trains the model of language, judges it, and registers the next version of {model}."
        return Offer(
            title="Start a training session",
            lines=_start_lines(
                facts,
                effects=(effect, *_ahead(begun_before, None), *context.without_engine()),
                undo="S on it stops it after its evaluation; its checkpoint stays.",
            ),
            confirm="Start",
            commit=commit,
            refusal=refusal,
            another=lambda: self.offer(context, None, domains[0]),
        )

    def _require_unchanged(
        self, context: OfferContext, begun_before: Sequence[Session], options: Sequence[Any]
    ) -> None:
        """Ask again where somebody has started a session since the offer was made."""
        from core.training.sessions import Sessions

        known = {session.session_id for session in begun_before}
        begun = [session for session in Sessions(context.workspace).all() if session.session_id not in known]
        if begun:
            news = [f"{session.created_by} started {session.session_id}." for session in begun]
            raise AskAgainError(" ".join(news), lambda: told_first(self.offer(context, None, *options), news))


PAUSE, RESUME_SESSION, STOP, START = Pause(), ResumeSession(), Stop(), Start()


class PauseOrResume(Change[Session]):
    """Pause a running session, resume a paused session: one key for both."""

    name = "pause_or_resume"
    noun = SESSION
    key = Key("H", "pause", "Pause the session after its epoch, or resume it (asks first)")

    def label(self, thing: Session | None) -> str:
        """Name the request behind the key."""
        return "resume" if thing is not None and self.choose(thing) is RESUME_SESSION else "pause"

    def refusal(self, thing: Session) -> str | None:
        """Refuse as the verb behind the key does."""
        return self.choose(thing).refusal(thing)

    def offer(self, context: OfferContext, thing: Session, *options: Any) -> Offer:
        """Offer the opposite of the present state."""
        return self.choose(thing).offer(context, thing)

    @staticmethod
    def choose(session: Session) -> SessionRequest:
        """Return the verb behind the key."""
        rests = session.desired is not DesiredSession.RUNNING or session.observed.phase.is_at_rest
        return RESUME_SESSION if rests else PAUSE


class StartOrStop(Change[Session | None]):
    """Stop the session under the cursor, or start a new session: one key for both."""

    name = "start_or_stop"
    noun = SESSION
    on = ("overview", "training")
    key = Key("S", "start", "Start a session, or stop the unfinished session (asks first)")

    def label(self, thing: Session | None) -> str:
        """Name the request behind the key."""
        return "start" if thing is None or self.starts(thing) else "stop"

    def refused(self, app: "ConsoleControls", thing: Session | None) -> str | None:
        """Start a session if there is none to stop."""
        if (refused := app.refusal) is not None:
            return refused
        return STOP.refusal(thing) if thing is not None and not self.starts(thing) else None

    def offer(self, context: OfferContext, thing: Session | None, *options: Any) -> Offer:
        """Offer to stop the session, unless it rests or is stopping already."""
        if thing is None or self.starts(thing):
            return START.offer(context, None)
        return STOP.offer(context, thing)

    @staticmethod
    def starts(session: Session) -> bool:
        """Whether the key starts a new session beside this one."""
        return session.observed.phase.is_at_rest or session.desired is DesiredSession.STOPPED
