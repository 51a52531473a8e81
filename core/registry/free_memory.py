"""The memory that this machine still has: a trial that fails without any says nothing about the version."""

from pathlib import Path

from core.plain_files import read_file

SHORT_MIB = 512
"""A machine with less is short of memory: the libraries alone take some 300 MiB in the child that tries versions."""

_MIB = 1 << 20
_CGROUP = Path("/sys/fs/cgroup")
_STRICT = "2"  # the kernel promises no memory that it does not have


def free_mib() -> int:
    """Return the memory that a new process could take, MiB: of the machine, of its container, and by its promises.

    Source:
        Linux, Documentation/filesystems/proc.rst (MemAvailable, CommitLimit), admin-guide/cgroup-v2.rst (memory.max).
    """
    import psutil

    rooms = [int(psutil.virtual_memory().available)]
    limit, used = (_text(_CGROUP / name) for name in ("memory.max", "memory.current"))
    if limit.isdecimal() and used.isdecimal():
        rooms.append(int(limit) - int(used))
    if _text(Path("/proc/sys/vm/overcommit_memory")) == _STRICT:
        facts = dict(line.split(":") for line in _text(Path("/proc/meminfo")).splitlines())
        promised, most = (int(facts[name].split()[0]) * 1024 for name in ("Committed_AS", "CommitLimit"))
        rooms.append(most - promised)
    return max(min(rooms), 0) // _MIB


def _text(file: Path) -> str:
    try:
        return read_file(file).decode().strip()
    except OSError:
        return ""
