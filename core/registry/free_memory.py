"""The memory that this machine still has: a trial that fails without any says nothing about the version."""

from pathlib import Path

from core.plain_files import read_file

SHORT_MIB = 512
"""A machine with less is short of memory: the libraries alone take some 300 MiB in the child that tries versions."""

_MIB = 1 << 20
_CGROUP = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_STRICT = "2"  # the kernel promises no memory that it does not have


def free_mib() -> int:
    """Return the memory that a new process could take, MiB: of the machine, of its container, and by its promises.

    Source:
        Linux, Documentation/filesystems/proc.rst (MemAvailable, CommitLimit), admin-guide/cgroup-v2.rst (memory.max,
        and inactive_file of memory.stat: the cache of files that the kernel gives up first).
    """
    import psutil

    rooms = [int(psutil.virtual_memory().available)]
    folder = _own_cgroup()
    rooms += [room for place in (folder, *folder.parents) if place.is_relative_to(_CGROUP) for room in _room(place)]
    if _text(Path("/proc/sys/vm/overcommit_memory")) == _STRICT:
        facts = dict(line.split(":") for line in _text(Path("/proc/meminfo")).splitlines())
        promised, most = (int(facts[name].split()[0]) * 1024 for name in ("Committed_AS", "CommitLimit"))
        rooms.append(most - promised)
    return max(min(rooms), 0) // _MIB


def _own_cgroup() -> Path:
    """Return the folder of this process's cgroup, or the topmost one, which is its own inside a container."""
    own = next((line[3:] for line in _text(_OWN).splitlines() if line.startswith("0::")), "/")
    return _CGROUP / own.lstrip("/") if ".." not in own else _CGROUP


def _room(folder: Path) -> list[int]:
    """Return what a limited cgroup has left, bytes; the cache of files goes when a process needs its memory."""
    limit, used = (_text(folder / name) for name in ("memory.max", "memory.current"))
    if not (limit.isdecimal() and used.isdecimal()):
        return []
    facts = dict(line.split() for line in _text(folder / "memory.stat").splitlines())
    return [int(limit) - int(used) + int(facts.get("inactive_file", 0))]


def _text(file: Path) -> str:
    try:
        return read_file(file).decode().strip()
    except OSError:
        return ""
