"""`BondXAIAutonomousTrainer`: one training session from a settings file, headless, in this process."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.api.arguments import checked
from core.errors import UsageError
from core.escape import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.engine import Engine
    from core.state import Workspace
    from core.training.session import Session
    from core.training.sessions import Sessions

POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """How a session ended.

    Attributes:
        session_id: The session.
        run_id: Its tracked run.
        status: finished, stopped or failed.
        reason: Why it ended.
        n_epochs: Its completed epochs.
        best_score: Its best score, a share of the best attainable score; None before the first epoch.
        metrics: The metrics of its last epoch, such as `spread.attainment`.
        registered: The registered versions, such as `spread/1.0.0`.
        reports: The folder of its reports, `final_report.md` among them once it has finished.
        agents: The outcome of each agent, where the settings divide the session.
    """

    session_id: str
    run_id: str | None
    status: str
    reason: str
    n_epochs: int
    best_score: float | None
    metrics: dict[str, float]
    registered: tuple[str, ...]
    reports: Path
    agents: "tuple[TrainingOutcome, ...]" = ()

    @property
    def success(self) -> bool:
        """Whether the session finished."""
        return self.status == "finished"


class BondXAIAutonomousTrainer:
    """Trains a session in the workspace of this process, as `bondx run --headless --config FILE` does."""

    @checked
    def __init__(
        self, config_path: Path | str | None = None, *, workspace: Path | str | None = None, user: str | None = None
    ) -> None:
        """Read the settings; nothing is trained yet.

        Args:
            config_path: A settings file that overrides the workspace's `bondx.yaml`.
            workspace: The workspace's folder, created if missing; by default `$BONDX_HOME`, else the user's state
                folder.
            user: The person to act for; by default the account of this process.
        Raises:
            SettingsError: The file cannot be used; the message names line, field and fix.
            UsageError: The settings name an unknown model, algorithm or gate.
        """
        from core.api import MLOpsConfig
        from core.settings import settings_in_force
        from core.training.session_domain import checked as known

        if config_path is not None and not os.fspath(config_path):
            raise UsageError(f"config_path is {shown(str(config_path))}; it must be the path of a settings file.")
        self._config = MLOpsConfig.from_yaml(workspace=workspace, user=user)
        config = Path(config_path) if config_path is not None else None
        in_force = settings_in_force(self._config.workspace.root, config=config)
        self.settings, self._text_model = known(in_force.training), in_force.text_model

    @property
    def workspace(self) -> "Workspace":
        """The workspace that it trains in."""
        return self._config.workspace

    @checked
    def run_autonomous_training_loop(
        self, *, name: str = "", experiment: str = "", reason: str = "", text: str = ""
    ) -> TrainingOutcome:
        """Train a session until it converges or reaches a limit, and register its models.

        If an engine is already running in the workspace, that engine trains the session and this call waits. Ctrl-C
        lets the epoch end and keeps the checkpoint; `bondx run` resumes.

        Args:
            name: A name for the session.
            experiment: The experiment of its run; by default that of the settings, else the domain.
            reason: Why, for the audit log.
            text: Train the model of language of `text_model` instead, and register it as this model.
        Returns:
            The outcome, also of a session that a person stopped or that failed.
        Raises:
            RefusedError: The engine ended before the session did.
            InvalidNameError: `text` is not a valid name of a model.
            UsageError: The model of language cannot be trained with these settings, or needs the extra `text`.
            KeyboardInterrupt: Ctrl-C, after the epoch has ended.
        """
        from msgspec.structs import replace

        from core.engine import Engine
        from core.state import LeaseHeldError
        from core.training.sessions import Sessions
        from core.training.text_training import text_training

        settings = replace(self.settings, experiment_name=experiment) if experiment else self.settings
        trained = text_training(text, self._text_model) if text else None
        own = Engine(self.workspace, mode="headless", actor=self._config.actor)
        engine: Engine | None = own
        try:
            own.start()
        except LeaseHeldError:
            engine = None
        try:
            sessions = Sessions(self.workspace)
            session = sessions.start(settings, name=name, actor=self._config.actor, reason=reason, text=trained)
            ended = _wait(sessions, session.session_id, engine, self.workspace)
        finally:
            if engine is not None:
                engine.stop()
        return _outcome(self.workspace, ended, agents=sessions.children(ended))


def _wait(sessions: "Sessions", session_id: str, engine: "Engine | None", workspace: "Workspace") -> "Session":
    """Return the session once it has ended."""
    from core.errors import RefusedError
    from core.state import read_lease

    pause = threading.Event()
    while not (session := sessions.get(session_id)).has_ended:
        if engine is not None and engine.loss is not None:
            raise RefusedError(engine.loss)
        if engine is None and read_lease(workspace) is None:
            raise RefusedError(f"The engine that trained {session_id} has ended. `bondx run` resumes the session.")
        pause.wait(POLL_SECONDS)
    return session


def _outcome(workspace: "Workspace", session: "Session", *, agents: "Sequence[Session]" = ()) -> TrainingOutcome:
    observed = session.observed
    return TrainingOutcome(
        session_id=session.session_id,
        run_id=session.run_id,
        status=str(observed.phase),
        reason=observed.stop_reason or observed.failure or "",
        n_epochs=observed.epoch,
        best_score=observed.best_score,
        metrics=dict(observed.metrics),
        registered=observed.registered,
        reports=workspace.reports_dir / session.session_id,
        agents=tuple(_outcome(workspace, agent) for agent in agents),
    )
