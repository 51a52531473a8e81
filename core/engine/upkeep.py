"""What a new engine does first: settle what the one before it may have left undone when it was killed."""

import logging

from core.actor import Actor
from core.governance import AuditLog
from core.registry import Registry
from core.state import Workspace
from core.tracking import Runs, RunStatus
from core.training.sessions import Sessions

KEPT_RUNS = 1000
"""How many of the newest runs stay; those behind a version stay whatever their age."""

log = logging.getLogger(__name__)


def take_stock(workspace: Workspace, *, actor: Actor) -> None:
    """Drain audit records into the log, account for every artifact, and close the runs that nobody will take up.

    Args:
        workspace: The workspace.
        actor: The engine.
    """
    AuditLog(workspace).drain()
    sweep = Registry(workspace).sweep(actor)
    for folder in sweep.left:
        log.warning("left alone: %s", folder)
    alive = {session.session_id for session in Sessions(workspace).all() if not session.observed.phase.is_at_rest}
    runs = Runs(workspace)
    for run in runs.all():
        if not run.is_over and run.session_id not in alive:
            runs.finish(run.run_id, RunStatus.LOST, actor=actor, reason="its process is gone")
    referenced = {version.run_id for version in Registry(workspace).versions()}
    runs.prune(keep=KEPT_RUNS, referenced=referenced, actor=actor)
