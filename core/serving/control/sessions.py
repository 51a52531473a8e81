"""Training sessions over HTTP."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from core.errors import NotFoundError
from core.explain.deny_list import DenyList
from core.field_problems import field_problem
from core.json_documents import converted
from core.serving.authenticator import Caller
from core.serving.control.admission import LOOK, OPERATE, Given
from core.serving.errors import BadRequestError
from core.settings import TrainingSettings, settings_in_force
from core.settings.text_model import TextModelSettings
from core.state import Workspace
from core.training.data_lineage import DataSetLineage, kept_data_sets
from core.training.epoch_slices import SliceScores, scores_by
from core.training.later_denied import epoch_as_shown, session_as_shown, sessions_as_shown
from core.training.records import EpochRecord
from core.training.session import DesiredSession, Session
from core.training.session_files import SessionFiles
from core.training.sessions import Sessions
from core.training.text_training import FILES, TextTraining, text_training
from core.training.tuning.records import SessionTrial
from core.training.tuning.trial_rows import sorted_trials

EXECUTOR = "executor"


class TextSessionStart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model of language that a session is to train."""

    model: str  # the name to register it under
    settings: dict[str, Any] = {}  # overrides of the workspace's `text_model`


class SessionStart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A session to queue."""

    name: str = "api"
    settings: dict[str, Any] = {}  # overrides of the workspace's training settings
    text: TextSessionStart | None = None  # train a model of language instead
    reason: str = ""


class SessionRequestBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The desired state of a session."""

    desired: DesiredSession
    expected_revision: int | None = None  # of the session, when this was decided
    reason: str = ""


class TuningStop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The end of a search of parameters."""

    expected_revision: int | None = None  # of the session, when this was decided
    reason: str = ""


class SessionRoutes(Controller):
    """Training sessions."""

    path = "/sessions"
    tags = ["training"]

    @get("/", opt=LOOK, sync_to_thread=True)
    def list_sessions(self, workspace: Given[Workspace]) -> list[Session]:
        """List every session, newest first."""
        return sessions_as_shown(workspace, Sessions(workspace).all()[::-1])

    @get("/{session_id:str}", opt=LOOK, sync_to_thread=True)
    def get_session(self, workspace: Given[Workspace], session_id: FromPath[str]) -> Session:
        """Return one session."""
        return session_as_shown(workspace, Sessions(workspace).get(session_id))

    @get("/{session_id:str}/datasets", opt=LOOK, sync_to_thread=True)
    def list_data_sets(self, workspace: Given[Workspace], session_id: FromPath[str]) -> list[DataSetLineage]:
        """List the data sets that a session keeps as files, with hashes and the command that draws them again."""
        session = Sessions(workspace).get(session_id)
        return kept_data_sets(SessionFiles(workspace).data_sets_of(session))

    @get("/{session_id:str}/epochs/{epoch:str}", opt=LOOK, sync_to_thread=True)
    def get_epoch(self, workspace: Given[Workspace], session_id: FromPath[str], epoch: FromPath[int]) -> EpochRecord:
        """Return the report of an epoch: its draw, gates, scores and metrics."""
        return _epoch(workspace, session_id, epoch)

    @get("/{session_id:str}/epochs/{epoch:str}/slices", opt=LOOK, sync_to_thread=True)
    def list_slices(
        self,
        workspace: Given[Workspace],
        session_id: FromPath[str],
        epoch: FromPath[int],
        by: Annotated[str | None, QueryParameter(description="Only the slices by this, such as sector.")] = None,
    ) -> list[SliceScores]:
        """Return the scores of each model by slice of the validation panel, as they were after an epoch."""
        return scores_by(_epoch(workspace, session_id, epoch).slices, by)

    @get("/{session_id:str}/trials", opt=LOOK, sync_to_thread=True)
    def list_trials(
        self,
        workspace: Given[Workspace],
        session_id: FromPath[str],
        model: Annotated[str | None, QueryParameter(description="Only the trials of this model.")] = None,
    ) -> list[SessionTrial]:
        """List the trials of a session's search of parameters, the best of each model first."""
        session = Sessions(workspace).get(session_id)
        return sorted_trials(SessionFiles(workspace).trials(session, model=model))

    @post("/", opt=OPERATE, sync_to_thread=True)
    def start_session(
        self, workspace: Given[Workspace], caller: Given[Caller], data: JSONBody[SessionStart]
    ) -> Session:
        """Queue a session; the engine starts it when its turn comes."""
        training = settings_in_force(workspace.root).training
        if unknown := sorted(data.settings.keys() - set(TrainingSettings.__struct_fields__)):
            raise BadRequestError("is not a training setting", field=f"settings.{unknown[0]}")
        if EXECUTOR in data.settings:
            raise BadRequestError(
                "is for the settings file alone: the engine runs what the cluster of that address answers",
                field=f"settings.{EXECUTOR}",
            )
        try:
            training = converted(msgspec.to_builtins(training) | data.settings, TrainingSettings)
        except msgspec.ValidationError as error:
            raise _not_valid(error, "settings") from None
        try:
            text = None if data.text is None else _text_of(workspace, data.text)
            return Sessions(workspace).start(
                training, name=data.name, actor=caller.actor, reason=data.reason, text=text
            )
        except NotFoundError as error:  # a model or a gate that the request names, not the address it was sent to
            raise BadRequestError(str(error)) from None

    @post("/{session_id:str}/requests", opt=OPERATE, status_code=200, sync_to_thread=True)
    def request_change(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        session_id: FromPath[str],
        data: JSONBody[SessionRequestBody],
    ) -> Session:
        """Request that a session run, pause or stop."""
        changed = Sessions(workspace).request(
            session_id,
            data.desired,
            actor=caller.actor,
            reason=data.reason,
            expected_revision=data.expected_revision,
        )
        return session_as_shown(workspace, changed)

    @post("/{session_id:str}/tuning/stop", opt=OPERATE, status_code=200, sync_to_thread=True)
    def stop_tuning(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        session_id: FromPath[str],
        data: JSONBody[TuningStop],
    ) -> Session:
        """Let the search of parameters of a session end with the trials it has; its epochs follow."""
        changed = Sessions(workspace).stop_tuning(
            session_id, actor=caller.actor, reason=data.reason, expected_revision=data.expected_revision
        )
        return session_as_shown(workspace, changed)


def _epoch(workspace: Workspace, session_id: str, epoch: int) -> EpochRecord:
    record = SessionFiles(workspace).epoch(Sessions(workspace).get(session_id), epoch)
    return epoch_as_shown(record, DenyList.in_force(workspace.root))


def _text_of(workspace: Workspace, asked: TextSessionStart) -> TextTraining:
    """Return the model of language that a request asks for: `text_model` of the workspace, and over it the request.

    Raises:
        BadRequestError: A setting is unknown or invalid, or names a file.
        CoreError: It cannot be trained.
    """
    if unknown := sorted(asked.settings.keys() - set(TextModelSettings.__struct_fields__)):
        raise BadRequestError("is no setting of text_model", field=f"text.settings.{unknown[0]}")
    if named := next((name for name in FILES if name in asked.settings), None):
        raise BadRequestError(
            "is for the settings file alone: it names a file of the engine's machine", field=f"text.settings.{named}"
        )
    before = msgspec.to_builtins(settings_in_force(workspace.root).text_model)
    try:
        text_model = converted(before | asked.settings, TextModelSettings)
    except msgspec.ValidationError as error:
        raise _not_valid(error, "text.settings") from None
    return text_training(asked.model, text_model)


def _not_valid(error: msgspec.ValidationError, block: str) -> BadRequestError:
    """Name the setting of a block that a request may not set so."""
    field, problem = field_problem(error)
    return BadRequestError(problem, field=f"{block}.{field}" if field else block)
