"""A version that a session trained and a person put live, made in this process."""

from pathlib import Path

from core.actor import Actor, Origin
from core.registry import ModelVersion, Registry
from core.settings import ModelSettings, TrainingSettings
from core.state import Workspace
from core.training.convergence import EndReason, Judgement
from core.training.registration import register_models
from core.training.session_files import SessionFiles
from core.training.session_work import SessionWork
from core.training.sessions import Sessions

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)


def put_live(workspace: Workspace, registry: Registry, settings: TrainingSettings) -> ModelVersion:
    """Train the one model of some settings as a session does, register it and promote it twice."""
    session = Sessions(workspace).start(settings, name="first", actor=ANA)
    files = SessionFiles(workspace)
    folder = files.checkpoints_of(session)
    work = SessionWork(settings, Path(folder))
    for epoch in range(1, settings.max_epochs + 1):
        work.run_epoch(epoch)
    final, last = work.finish(), work.last
    assert last is not None
    files.write_final(session, final, work.history, last, Judgement(EndReason.EPOCH_LIMIT, "its last epoch"))
    (key,) = register_models(workspace, session, final, last, folder=folder, actor=ANA)
    model, _, number = key.partition("/")
    for _ in range(2):
        registry.apply(registry.plan_promotion(model, number), actor=ANA, reason="the first version")
    return registry.get(model, number)


def recipe(domain: str, model: str, algorithm: str, **settings: object) -> TrainingSettings:
    """Return the settings of a short session that trains one model."""
    return TrainingSettings(
        domain=domain, max_epochs=2, dataset_size=300, models={model: ModelSettings(algorithm=algorithm)}, **settings
    )
