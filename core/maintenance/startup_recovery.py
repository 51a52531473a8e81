"""Startup recovery: the first work of a new engine, which completes the work of a killed engine."""

import logging

from core.actor import Actor
from core.governance import AuditLog
from core.registry import Registry
from core.rollout.rollouts import Rollouts
from core.settings.policy_source import PolicySource
from core.state import Workspace
from core.tracking import Runs, RunStatus
from core.training.runs_in_use import runs_in_use
from core.training.sessions import Sessions

log = logging.getLogger(__name__)


def recover(workspace: Workspace, *, actor: Actor) -> None:
    """Drain audit records into the log, account for every artifact, and close the runs that no process continues.

    Args:
        workspace: The workspace.
        actor: The engine.
    """
    Rollouts(workspace).settle_holds()  # before anything is swept or pruned
    AuditLog(workspace).drain()  # with the records of corrected holds
    sweep = Registry(workspace).sweep(actor)
    for folder in sweep.left:
        log.warning("left alone: %s", folder)
    alive = {session.session_id for session in Sessions(workspace).all() if not session.observed.phase.is_at_rest}
    runs = Runs(workspace)
    for run in runs.all():
        if not run.is_over and run.lost_after_seconds is None and run.session_id not in alive:
            runs.finish(run.run_id, RunStatus.LOST, actor=actor, reason="its process is gone")
    keep = PolicySource(workspace.root).policy().tracking.keep_runs
    runs.prune(keep=keep, referenced=runs_in_use(workspace), actor=actor)
