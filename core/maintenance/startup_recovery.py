"""Startup recovery: the first work of a new engine, which completes the work of a killed engine."""

import logging
import time
from contextlib import suppress

from core.actor import Actor
from core.errors import CoreError
from core.files import UNFINISHED, remove_file
from core.governance import AuditLog
from core.maintenance.archiving import archive_documents
from core.registry import Registry
from core.rollout.rollouts import Rollouts
from core.state import Workspace
from core.tracking import RunIsOverError, RunNotFoundError, Runs, RunStatus
from core.training.sessions import Sessions

log = logging.getLogger(__name__)

_UNFINISHED_SECONDS = 3_600.0


def recover(workspace: Workspace, *, actor: Actor) -> None:
    """Drain audit records into the log, account for every artifact, and close the runs that no process continues.

    It deletes nothing that nobody asked for: it only completes removals that a killed process had begun, and removes
    what such a process left unfinished in the cache.

    Args:
        workspace: The workspace.
        actor: The engine.
    """
    _archive(workspace, actor)  # first, so that nothing else reads a large file whole
    Rollouts(workspace).settle_holds()  # before anything is swept or pruned
    AuditLog(workspace).drain()  # with the records of corrected holds
    sweep = Registry(workspace).sweep(actor)
    for folder in sweep.left:
        log.warning("left alone: %s", folder)
    alive = {session.session_id for session in Sessions(workspace).all() if not session.observed.phase.is_at_rest}
    runs = Runs(workspace)
    for run in runs.all():
        if not run.is_over and run.lost_after_seconds is None and run.session_id not in alive:
            # Its process may be alive after all, and end or remove the run in this very moment.
            with suppress(RunIsOverError, RunNotFoundError):
                runs.finish(run.run_id, RunStatus.LOST, actor=actor, reason="its process is gone")
    runs.complete_removals(actor=actor)
    _sweep_cache(workspace)


def _sweep_cache(workspace: Workspace) -> None:
    """Remove files that were begun so long ago that nobody writes them any more."""
    oldest = time.time() - _UNFINISHED_SECONDS
    for pattern in (f".*{UNFINISHED}", f"*/.*{UNFINISHED}"):
        for leftover in workspace.cache_dir.glob(pattern):
            try:
                if leftover.lstat().st_mtime < oldest:
                    remove_file(leftover)
            except (CoreError, OSError) as error:
                log.warning("an unfinished file of the cache stays: %s", error)


def _archive(workspace: Workspace, actor: Actor) -> None:
    try:
        archive_documents(workspace, actor=actor)
    except (CoreError, OSError) as error:  # a full disk, for one: the engine works without, and tries again later
        log.warning("older documents stay in their state files: %s", error)
