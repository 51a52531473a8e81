"""The conditions that a machine sets: file system, time zones, clock, locale, descriptors, memory, processors."""

import ctypes
import locale
import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.maintenance.environment_item import EnvironmentItem, condition
from core.own_cgroup import memory_limits, processor_limit, usable_processors
from core.plain_files import read_file
from core.state.filesystem import NETWORK_KINDS, mount_of
from core.typed_numbers import whole_number

LEAST_DESCRIPTORS = 4_096
LEAST_MEMORY_MIB = 1_024
LEAST_DISK_MIB = 1_024
LEAST_INODES = 10_000
PERISHABLE_KINDS = frozenset({"tmpfs", "ramfs", "overlay"})
MEMORY = Path("/proc/meminfo")
A_ZONE = "Europe/Berlin"

_STA_UNSYNC = 0x40
_TIMEX_BYTES = 512  # more than the struct has anywhere
_STATUS_AT = 40 if ctypes.sizeof(ctypes.c_long) == 8 else 20


def examine_machine(workspace: Path | None) -> Iterator[EnvironmentItem]:
    """Check what the machine allows, without changing anything.

    Args:
        workspace: The folder of the workspace, existing or not; None checks no file system.
    """
    if workspace is not None:
        yield _file_system(workspace)
        yield _room(workspace)
    yield from (_time_zones(), _clock(), _locale(), _descriptors(), _memory(), _processors())


def _file_system(workspace: Path) -> EnvironmentItem:
    mount, kind = mount_of(workspace)
    existing = _nearest(workspace)
    is_network, is_writable = kind in NETWORK_KINDS, os.access(existing, os.W_OK)
    cure = ""
    if is_network:
        cure = "move the workspace to a local file system; a network file system keeps no locks across machines"
    elif not is_writable:
        cure = f"give this account write access to {existing}, or choose another folder with --workspace"
    elif kind in PERISHABLE_KINDS:
        cure = f"mount a volume for the workspace; {kind} loses its files at a restart"
    return condition(
        "file system of the workspace",
        cure=cure,
        is_required=is_network or not is_writable,
        found=f"{kind or 'unknown'} on {mount}, for {workspace}",
    )


def _room(workspace: Path) -> EnvironmentItem:
    existing = _nearest(workspace)
    free_mib = shutil.disk_usage(existing).free >> 20
    status = os.statvfs(existing)
    n_inodes = status.f_favail if status.f_files > 0 else None  # Btrfs counts none
    is_short = free_mib < LEAST_DISK_MIB or (n_inodes is not None and n_inodes < LEAST_INODES)
    cure = (
        f"delete files until {LEAST_DISK_MIB:,} MiB and {LEAST_INODES:,} inodes are free; "
        "`bondx doctor --space` prints the size of every store"
    )
    return condition(
        "room for the workspace",
        cure=cure if is_short else "",
        found=f"{free_mib:,} MiB{'' if n_inodes is None else f' and {n_inodes:,} inodes'} free",
    )


def _time_zones() -> EnvironmentItem:
    try:
        ZoneInfo(A_ZONE)
    except (ZoneInfoNotFoundError, OSError) as error:
        cure = "apt-get install tzdata, or pip install tzdata"
        purpose = "mute intervals, schedules and rotas name time zones"
        return condition("time zones", cure=cure, is_required=True, found=str(error), purpose=purpose)
    return condition("time zones", found=f"{A_ZONE} and others")


def _clock() -> EnvironmentItem:
    """Ask the kernel whether a program keeps its clock right; this needs no right."""
    name, purpose = "clock", "records, leases and tokens use its time"
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes 0: only look
    try:
        failed = ctypes.CDLL(None, use_errno=True).adjtimex(timex) < 0
        reason = os.strerror(ctypes.get_errno())
    except (AttributeError, OSError) as error:  # another C library
        failed, reason = True, str(error)
    if failed:
        return condition(name, found=f"the kernel does not say whether it is synchronised: {reason}", purpose=purpose)
    status = ctypes.c_int.from_buffer(timex, _STATUS_AT).value
    if status & _STA_UNSYNC:
        cure = "run chrony or systemd-timesyncd; for a container, run it on the host"
        return condition(name, cure=cure, found="not synchronised", purpose=purpose)
    return condition(name, found="synchronised", purpose=purpose)


def _locale() -> EnvironmentItem:
    encoding = locale.getpreferredencoding(do_setlocale=False)
    is_unicode = encoding.replace("-", "").lower() == "utf8"
    return condition("locale", found=encoding, cure="" if is_unicode else "export LC_ALL=C.UTF-8")


def _descriptors() -> EnvironmentItem:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_low = hard != resource.RLIM_INFINITY and hard < LEAST_DESCRIPTORS
    cure = f"raise the hard limit to {LEAST_DESCRIPTORS:,} (LimitNOFILE= of a unit, nofile in limits.conf)"
    return condition(
        "open files",
        cure=cure if is_low else "",
        found=f"soft limit {_limit(soft)}, hard limit {_limit(hard)}",
        purpose="a server raises its soft limit to the hard limit; each connection takes one file",
    )


def _memory() -> EnvironmentItem:
    available = _meminfo("MemAvailable")
    address_space = resource.getrlimit(resource.RLIMIT_AS)[0]
    said, bounds = [f"{available:,} of {_meminfo('MemTotal'):,} MiB available"], [available]
    if limits := memory_limits():
        tightest = min(limits, key=lambda limit: limit.left)
        said.append(f"cgroup: {tightest.used >> 20:,} of {tightest.limit >> 20:,} MiB used")
        bounds.append(tightest.left >> 20)
    if address_space != resource.RLIM_INFINITY:
        said.append(f"address space: {address_space >> 20:,} MiB")
        bounds.append(address_space >> 20)
    is_short = min(bounds) < LEAST_MEMORY_MIB
    cure = f"make {LEAST_MEMORY_MIB:,} MiB available, or lower dataset_size and serving.processes" if is_short else ""
    return condition("memory", cure=cure, found=", ".join(said))


def _processors() -> EnvironmentItem:
    limit = processor_limit()
    limited = "" if limit is None else f", limited to {limit:g} by the cgroup"
    return condition("processors", found=f"{usable_processors()}{limited}")


def _nearest(folder: Path) -> Path:
    """Return the folder itself, or the nearest above it that exists."""
    return next(each for each in (folder, *folder.absolute().parents) if each.is_dir())


def _limit(n: int) -> str:
    return "none" if n == resource.RLIM_INFINITY else f"{n:,}"


def _meminfo(name: str) -> int:
    """Return a line of the kernel's list in MiB; 0 if it has none."""
    for line in read_file(MEMORY).decode("ascii").splitlines() if MEMORY.exists() else ():
        if line.startswith(f"{name}:"):
            return whole_number(line.split()[1]) >> 10
    return 0
