"""The sessions of a workspace, and the operations on them for people and for the engine."""

from typing import Any

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.errors import UsageError
from core.escape import is_shown_as_is, shown
from core.governance import Evidence, audited
from core.settings import TrainingSettings
from core.state import Documents, StaleRevisionError, Workspace
from core.tracking.experiments import checked_experiment_name
from core.training.errors import SessionRequestRefusedError
from core.training.session import DesiredSession, ObservedSession, Session, as_document
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
        """Return every session, oldest first."""
        return sorted(self._documents.all(), key=lambda session: _number(session.session_id))

    def get(self, session_id: str) -> Session:
        """Return one session.

        Raises:
            NotFoundError: There is no session with this id; the message lists the known ids.
        """
        return self._documents.get(session_id)

    def start(self, settings: TrainingSettings, *, name: str, actor: Actor, reason: str = "") -> Session:
        """Queue a new session; the engine takes it up when its turn comes.

        Raises:
            UsageError: The name or the experiment is not a plain line of text, or the settings name an unknown domain,
                model or algorithm.
            UnknownGateError: `quality_gates.custom_gates` names a gate that is not installed.
        """
        if not is_shown_as_is(name) or len(name) > _MAX_NAME:
            raise UsageError(
                f"{shown(name)} is not a session name: it must be one line of at most {_MAX_NAME} characters."
            )
        checked_experiment_name(settings.experiment_name)
        from core.training.session_domain import checked  # lists the domains, for this operation only

        document = as_document(checked(settings))
        now = self._clock()
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            number = max((_number(session.session_id) for session in self._documents.all()), default=0) + 1
            session = self._documents.insert(
                Session(
                    session_id=f"s-{number:04d}",
                    name=name,
                    created_at=now,
                    created_by=str(actor),
                    settings=document,
                    desired_by=str(actor),
                    desired_at=now,
                    reason=reason,
                    observed=ObservedSession(n_epochs=settings.max_epochs),
                    updated_at=now,
                    updated_by=str(actor),
                )
            )
            change.record("session.start", session.session_id, after={"name": name, "settings": session.settings})
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
        """Change the desired state of a session.

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
        now = self._clock()
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            before = self._documents.get(session_id)
            if expected_revision is not None and before.desired_revision > expected_revision:
                raise StaleRevisionError.asked_otherwise(TABLE, session_id, before, expected=expected_revision)
            if (refusal := before.refusal(desired)) is not None:
                raise SessionRequestRefusedError(session_id, participle, refusal)
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
            change.record(verb, session_id, before={"desired": before.desired}, after={"desired": desired})
        return session

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


def _number(session_id: str) -> int:
    return int(session_id.removeprefix("s-"))


def _summary(observed: ObservedSession) -> dict[str, Any]:
    """Reduce the observed state to what the audit log needs."""
    return {"phase": str(observed.phase), "epoch": observed.epoch, "score": observed.score}
