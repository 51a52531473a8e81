"""A cgroup v2 for the processes of one agent, where this process may make one: the kernel then shares out by weight.

The kernel allows limits only below a group without processes of its own. A service of systemd has one with
`Delegate=cpu memory` and `DelegateSubgroup=engine`: the engine then stands in a group below that of the service, and
the agents stand beside it. Everywhere else niceness and address space are the limits.
"""

import logging
from contextlib import suppress
from pathlib import Path

from core.own_cgroup import MOUNT, OWN, own_cgroup
from core.training.agents.agent import Agent

log = logging.getLogger(__name__)

CONTROLLERS = ("cpu", "memory")
SUBGROUP = "engine"
"""The group of the engine below a delegated one, as `DelegateSubgroup=` names it: without, nothing was delegated."""
_PROCESSES, _SWITCHES = "cgroup.procs", "cgroup.subtree_control"
_USUAL_WEIGHT = 100  # the kernel's, of a group that has none of its own
_LEAST_WEIGHT, _MOST_WEIGHT = 1, 10_000
_PERIOD = 100_000  # µs, the kernel's own


def delegated_group(*, own: Path = OWN, mount: Path = MOUNT) -> Path | None:
    """Return the group below which groups with limits can be made, after switching its controllers on; else None.

    Args:
        own: Names the group of this process, as the kernel writes it.
        mount: Where the groups are.
    """
    group = own_cgroup(own, mount)
    parent = group.parent
    if parent in (mount, mount.parent) or group.name != SUBGROUP:
        return None  # it belongs to the system, or to systemd, whatever root may write
    try:
        offered = (parent / "cgroup.controllers").read_text().split()
        if not set(CONTROLLERS) <= set(offered) or (parent / _PROCESSES).read_text().strip():
            return None
        (parent / _SWITCHES).write_text(" ".join(f"+{name}" for name in CONTROLLERS))
    except OSError as error:
        log.debug("agents get no cgroups: %s", error)
        return None
    return parent


class AgentGroup:
    """The group of one agent."""

    def __init__(self, folder: Path) -> None:
        """Take a folder of the file system of groups; it may be there already, after an engine was killed."""
        self._folder = folder

    @classmethod
    def below(cls, parent: Path, name: str, agent: Agent) -> "AgentGroup | None":
        """Make the group of an agent with its limits; None if the system refuses.

        Args:
            parent: As `delegated_group` returns it.
            name: Of the session.
            agent: Its weight, its processors and its memory.
        """
        folder = parent / f"bondx-{name}"
        weight = min(max(round(_USUAL_WEIGHT * agent.weight), _LEAST_WEIGHT), _MOST_WEIGHT)
        try:
            folder.mkdir(exist_ok=True)
            (folder / "cpu.weight").write_text(str(weight))
            (folder / "cpu.max").write_text(_cpu_max(agent.cpu_limit))
            (folder / "memory.max").write_text(str(agent.memory_limit_mb << 20) if agent.memory_limit_mb else "max")
        except OSError as error:
            log.warning("%s gets no cgroup: %s", name, error)
            return None
        return cls(folder)

    def add(self, pid: int) -> None:
        """Move a process into the group; what it starts later is in it, too."""
        try:
            (self._folder / _PROCESSES).write_text(str(pid))
        except OSError as error:
            log.warning("process %d stays out of the cgroup %s: %s", pid, self._folder, error)

    def remove(self) -> None:
        """Remove the group once its processes have ended; a group that still has some stays for the next agent."""
        with suppress(OSError):
            self._folder.rmdir()


def _cpu_max(n_processors: float) -> str:
    """Return the limit as the kernel reads it: processor time, µs, in each period.

    >>> _cpu_max(1.5), _cpu_max(0.0)
    ('150000 100000', 'max 100000')
    """
    return f"{round(n_processors * _PERIOD) if n_processors else 'max'} {_PERIOD}"
