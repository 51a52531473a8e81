"""The tracked runs still in use, which a prune must keep."""

from core.registry import Registry
from core.state import Workspace
from core.training.sessions import Sessions


def runs_in_use(workspace: Workspace) -> frozenset[str]:
    """Return the ids of the runs that produced versions or that sessions write to."""
    made = {version.run_id for version in Registry(workspace).versions_in_brief()}
    return frozenset(made | {session.run_id for session in Sessions(workspace).all() if session.run_id})
