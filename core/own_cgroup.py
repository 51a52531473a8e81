"""The cgroup (version 2) of this process: how much of the machine its container or its service may use.

The limits of the groups above it hold, too.

Source:
    Linux, admin-guide/cgroup-v2.rst (memory.max, memory.current, cpu.max, and inactive_file of memory.stat: the cache
    of files that the kernel gives up first).
"""

import os
from pathlib import Path
from typing import NamedTuple

from core.plain_files import read_file
from core.typed_numbers import whole_number

MOUNT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


class CgroupMemory(NamedTuple):
    """The memory of a group that has a limit, bytes."""

    limit: int
    used: int

    @property
    def left(self) -> int:
        """How much its processes can still take."""
        return max(self.limit - self.used, 0)


def own_cgroup(own: Path, mount: Path) -> Path:
    """Return the folder of this process's group, or the topmost one, which is its own inside a container.

    Args:
        own: Names the group, as the kernel writes it.
        mount: Where the groups are.
    """
    name = next((line[3:] for line in _text(own).splitlines() if line.startswith("0::")), "/")
    return mount if ".." in Path(name).parts else mount / name.strip("/")


def memory_limits() -> list[CgroupMemory]:
    """Return limit and use of every limited group that this process is in, the innermost first."""
    return [memory for folder in _groups() if (memory := _memory(folder)) is not None]


def usable_processors() -> int:
    """Return on how many processors this process may run, whatever share of them its group has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_limit() -> float | None:
    """Return how many processors the kernel lets this process use at a time; None without a limit."""
    quotas = [_text(folder / "cpu.max").split() for folder in _groups()]
    limits = [whole_number(quota[0]) / whole_number(quota[1]) for quota in quotas if quota and quota[0] != "max"]
    return min(limits, default=None)


def _groups() -> list[Path]:
    own = own_cgroup(OWN, MOUNT)
    return [folder for folder in (own, *own.parents) if folder.is_relative_to(MOUNT)]


def _memory(folder: Path) -> CgroupMemory | None:
    limit, used = (_text(folder / name) for name in ("memory.max", "memory.current"))
    if not (limit.isdecimal() and used.isdecimal()):
        return None
    facts = dict(line.split() for line in _text(folder / "memory.stat").splitlines())
    return CgroupMemory(whole_number(limit), max(whole_number(used) - whole_number(facts.get("inactive_file", "0")), 0))


def _text(file: Path) -> str:
    try:
        return os.fsdecode(read_file(file)).strip()
    except OSError:
        return ""
