"""The memory that this machine still has: a trial that fails without any says nothing about the version."""

from contextlib import suppress
from pathlib import Path

from core.own_cgroup import memory_limits
from core.plain_files import read_file
from core.typed_numbers import whole_number

SHORT_MIB = 512
"""A machine with less is short of memory: the libraries alone take some 300 MiB in the child that tries versions."""

_OVERCOMMIT, _MEMORY = Path("/proc/sys/vm/overcommit_memory"), Path("/proc/meminfo")
_STRICT = b"2"  # the kernel promises no memory that it does not have


def free_mib() -> int:
    """Return the memory that a new process could take, MiB: of the machine, of its container, and by its promises.

    Source:
        Linux, Documentation/filesystems/proc.rst (MemAvailable, CommitLimit).
    """
    import psutil

    rooms = [int(psutil.virtual_memory().available), *(memory.left for memory in memory_limits())]
    with suppress(OSError):  # a container can hide these files
        if read_file(_OVERCOMMIT).strip() == _STRICT:
            facts = dict(line.split(":") for line in read_file(_MEMORY).decode().splitlines())
            promised, limit = (whole_number(facts[name].split()[0]) << 10 for name in ("Committed_AS", "CommitLimit"))
            rooms.append(limit - promised)
    return max(min(rooms), 0) >> 20
