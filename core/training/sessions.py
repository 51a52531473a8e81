"""The sessions of a workspace, and the operations on them for people and for the engine."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.errors import UsageError
from core.escape import is_shown_as_is, shown
from core.governance import Evidence, audited
from core.governance.outbox import AuditedChange
from core.settings import TrainingSettings
from core.state import Documents, StaleRevisionError, Workspace
from core.tracking.experiments import checked_experiment_name
from core.training.agents.totals import with_totals
from core.training.errors import SessionRequestRefusedError
from core.training.session import DesiredSession, ObservedSession, Session, SessionPhase, as_document
from core.training.text_training import TextTraining, settings_for_text
from core.training.tuning.stopping import stop_refusal

DATABASE = "sessions"
TABLE = "sessions"

_MAX_NAME = 200

_VERBS = {
    DesiredSession.RUNNING: ("session.resume", "resumed"),
    DesiredSession.PAUSED: ("session.pause", "paused"),
    DesiredSession.STOPPED: ("session.stop", "stopped"),
}


class Sessions:
    """Training sessions by id.

    People change what is *desired* (`start`, `request`), the engine alone what is *observed* (`observe`); each
    leaves the other half untouched.
    """

    def __init__(self, workspace: Workspace, *, clock: Clock = utc_now) -> None:
        self._workspace = workspace
        self._clock = clock

    def all(self) -> list[Session]:
        """Return every session, oldest first; one with agents with their totals, one that waits its turn as queued."""
        found = {session.session_id: session.in_its_queue() for session in self._documents.all()}
        every = sorted(found.values(), key=lambda session: _number(session.session_id))
        return [_totalled(session, found.get) for session in every]

    def get(self, session_id: str) -> Session:
        """Return one session; one with agents with their totals, one that waits for its turn as queued.

        Raises:
            NotFoundError: There is no session with this id; the message lists the known ids.
        """
        session = self._documents.get(session_id).in_its_queue()
        return _totalled(session, self._documents.find) if session.children else session

    def start(
        self,
        settings: TrainingSettings,
        *,
        name: str,
        actor: Actor,
        reason: str = "",
        text: TextTraining | None = None,
    ) -> Session:
        """Queue a new session; the engine takes it up when its turn comes.

        Args:
            settings: What it trains. Of a model of language only the limits count: those of its child process, of its
                gates and of time.
            name: For people.
            actor: Who starts it.
            reason: Why, for the record.
            text: The model of language that it trains instead of the models of the settings.
        Raises:
            UsageError: The name or the experiment is not a plain line of text, or the settings name an unknown domain,
                model or algorithm.
            UnknownGateError: `quality_gates.custom_gates` names a gate that is not installed.
            WrongKindError: It trains a model of language, and the versions of that name answer rows, or the other way
                round.
        """
        if not is_shown_as_is(name) or len(name) > _MAX_NAME:
            raise UsageError(
                f"{shown(name)} is not a session name: it must be one line of at most {_MAX_NAME} characters."
            )
        checked_experiment_name(settings.experiment_name)
        from core.training.agents.plan import agents_of
        from core.training.session_domain import checked  # lists the domains, for this operation only

        settings = checked(settings) if text is None else settings_for_text(settings, text)
        agents = agents_of(settings)
        self._require_kinds([settings, *(agent.settings for agent in agents)], text)
        now = self._clock()
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            number = max((_number(session.session_id) for session in self._documents.all()), default=0) + 1
            parent = Session(
                session_id=_session_id(number),
                name=name,
                created_at=now,
                created_by=str(actor),
                settings=as_document(settings),
                desired_by=str(actor),
                desired_at=now,
                reason=reason,
                observed=ObservedSession(n_epochs=settings.max_epochs * max(len(agents), 1) if text is None else 0),
                text=text,
                children=tuple(_session_id(number + place) for place in range(1, len(agents) + 1)),
                updated_at=now,
                updated_by=str(actor),
            )
            session = self._insert(parent, change)
            for child, planned in zip(parent.children, agents, strict=True):
                document = as_document(planned.settings)
                own = {"session_id": child, "name": planned.agent.name, "agent": planned.agent, "settings": document}
                alone = {
                    "parent": session.session_id,
                    "children": (),
                    "observed": ObservedSession(n_epochs=settings.max_epochs),
                }
                self._insert(msgspec.structs.replace(parent, **own, **alone), change)
        return session

    def children(self, parent: Session) -> list[Session]:
        """Return the sessions of the agents of a session, in the order of the settings; none without agents."""
        return [self.get(child) for child in parent.children]

    def _require_kinds(self, trainings: Iterable[TrainingSettings], text: TextTraining | None) -> None:
        """Refuse before the work what the registry would refuse after it."""
        from core.registry import Registry
        from core.training.specialism import registered_name

        registry = Registry(self._workspace)
        if text is not None:
            registry.require_kind(text.model, writes_texts=True)
            return
        for name in dict.fromkeys(registered_name(name, each.only) for each in trainings for name in each.models):
            registry.require_kind(name, writes_texts=False)

    def _insert(self, session: Session, change: AuditedChange) -> Session:
        session = self._documents.insert(session)
        of: dict[str, Any] = {"parent": session.parent} if session.parent else {}
        of |= {"text": msgspec.to_builtins(session.text)} if session.text is not None else {}
        change.record(
            "session.start", session.session_id, after={"name": session.name, "settings": session.settings, **of}
        )
        return session

    def request(
        self,
        session_id: str,
        desired: DesiredSession,
        *,
        actor: Actor,
        reason: str = "",
        expected_revision: int | None = None,
    ) -> Session:
        """Change the desired state of a session; with agents, of all of them that are not at rest.

        An agent that was paused or stopped by itself rests until it is resumed by itself.

        Args:
            session_id: Which one.
            desired: The desired state. A stopped or failed session that is to run again continues from its checkpoint.
            actor: Who requests it.
            reason: Why, for the record.
            expected_revision: The revision of the session that the decision was made on. Progress made since does not
                matter; another request made since does.
        Raises:
            NotFoundError: There is no such session.
            SessionRequestRefusedError: The session has finished or is finishing, or the same was requested already.
            StaleRevisionError: Another request was made meanwhile.
        """
        verb, participle = _VERBS[desired]
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            before = self._documents.get(session_id).in_its_queue()
            if expected_revision is not None and before.desired_revision > expected_revision:
                raise StaleRevisionError.asked_otherwise(TABLE, session_id, before, expected=expected_revision)
            refusal = before.refusal(desired) or self._refusal_of_parent(before, desired)
            if refusal is not None:
                raise SessionRequestRefusedError(session_id, participle, refusal)
            told = self.concerned(before, desired)
            is_held = bool(before.parent) and desired is not DesiredSession.RUNNING
            named = msgspec.structs.replace(before, is_held=is_held)
            session, *_ = [self._requested(each, verb, desired, change, actor, reason) for each in (named, *told)]
        return session.in_its_queue()

    def concerned(self, parent: Session, desired: DesiredSession) -> list[Session]:
        """Return the agents that a request to their parent is a request to, too."""
        told = [each for each in self.children(parent) if each.refusal(desired) is None]
        return [each for each in told if not (desired is DesiredSession.RUNNING and each.is_held)]

    def _requested(
        self, before: Session, verb: str, desired: DesiredSession, change: AuditedChange, actor: Actor, reason: str
    ) -> Session:
        now = self._clock()
        session = self._documents.replace(
            msgspec.structs.replace(
                before,
                desired=desired,
                desired_by=str(actor),
                desired_at=now,
                desired_revision=before.revision + 1,
                reason=reason,
                updated_at=now,
                updated_by=str(actor),
            )
        )
        change.record(verb, before.session_id, before={"desired": before.desired}, after={"desired": desired})
        return session

    def _refusal_of_parent(self, session: Session, desired: DesiredSession) -> str | None:
        """Return why an agent cannot train: its parent has ended, or is not to train."""
        if not session.parent or desired is not DesiredSession.RUNNING:
            return None
        parent = self.get(session.parent)
        if parent.wants_work:
            return None
        if parent.observed.phase is SessionPhase.FINISHED:
            return f"it is an agent of {parent.session_id}, which has finished; start a new session instead"
        state = parent.observed.phase if parent.desired is DesiredSession.RUNNING else parent.desired
        return f"it is an agent of {parent.session_id}, which is {state}; resume that session instead"

    def stop_tuning(
        self, session_id: str, *, actor: Actor, reason: str = "", expected_revision: int | None = None
    ) -> Session:
        """Let the search of parameters of a session end with the trials it has; then its verdicts and epochs follow.

        Args:
            session_id: Which one.
            actor: Who requests it.
            reason: Why, for the record.
            expected_revision: The revision of the session that the decision was made on. Progress made since does not
                matter.
        Raises:
            NotFoundError: There is no such session.
            SessionRequestRefusedError: It searches no parameters, its search has ended, or that was requested already.
            StaleRevisionError: Another request was made meanwhile.
        """
        now = self._clock()
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            before = self._documents.get(session_id)
            if expected_revision is not None and before.desired_revision > expected_revision:
                raise StaleRevisionError.asked_otherwise(TABLE, session_id, before, expected=expected_revision)
            if (refusal := stop_refusal(before)) is not None:
                raise SessionRequestRefusedError(session_id, "told to end its search", refusal)
            session = self._documents.replace(
                msgspec.structs.replace(
                    before,
                    tuning_stopped=f"stopped by {actor}{f': {reason}' if reason else ''}",
                    updated_at=now,
                    updated_by=str(actor),
                )
            )
            change.record("session.stop_tuning", session_id, after={"tuning_stopped": session.tuning_stopped})
        return session

    def observe(
        self,
        session_id: str,
        verb: str,
        *,
        actor: Actor,
        reason: str = "",
        evidence: tuple[Evidence, ...] = (),
        run_id: str | None = None,
        **observed: Any,
    ) -> Session:
        """Record the observed state of a session; for the engine alone.

        Args:
            session_id: Which one.
            verb: What happened, as the audit log calls it.
            actor: The engine.
            reason: Why, for the record.
            evidence: Files that support the event.
            run_id: The tracked run, once there is one.
            observed: Fields of `ObservedSession` with their new values.
        """
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            session = self._documents.get(session_id)
            before = session.observed
            session = self._documents.replace(
                msgspec.structs.replace(
                    session,
                    observed=msgspec.structs.replace(before, **observed),
                    run_id=run_id or session.run_id,
                    updated_at=self._clock(),
                    updated_by=str(actor),
                )
            )
            change.record(
                verb, session_id, before=_summary(before), after=_summary(session.observed), evidence=evidence
            )
        return session

    @property
    def _documents(self) -> Documents[Session]:
        return self._workspace.database(DATABASE).documents(TABLE, Session, "session_id")


def _totalled(session: Session, find: Callable[[str], Session | None]) -> Session:
    children = [child for name in session.children if (child := find(name)) is not None]
    return with_totals(session, children) if children and len(children) == len(session.children) else session


def _session_id(number: int) -> str:
    return f"s-{number:04d}"


def _number(session_id: str) -> int:
    return int(session_id.removeprefix("s-"))


def _summary(observed: ObservedSession) -> dict[str, Any]:
    """Reduce the observed state to what the audit log needs."""
    return {"phase": str(observed.phase), "epoch": observed.epoch, "score": observed.score}
