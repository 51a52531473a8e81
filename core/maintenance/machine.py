"""The conditions that a machine sets: file system, time zones, clock, locale, descriptors, memory, processors."""

import ctypes
import locale
import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.maintenance.environment_item import EnvironmentItem
from core.state.filesystem import NETWORK_KINDS, mount_of
from core.typed_numbers import whole_number

LEAST_DESCRIPTORS = 4_096
LEAST_MEMORY_MIB = 1_024
LEAST_DISK_MIB = 1_024
LEAST_INODES = 10_000
PERISHABLE_KINDS = frozenset({"tmpfs", "ramfs", "overlay"})
CGROUPS = Path("/sys/fs/cgroup")
MEMORY = Path("/proc/meminfo")
A_ZONE = "Europe/Berlin"

_STA_UNSYNC = 0x40
_TIMEX_BYTES = 512  # more than the struct has anywhere
_STATUS_AT = 40 if ctypes.sizeof(ctypes.c_long) == 8 else 20
_UNLIMITED = "no limit"


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
        cure = "put the workspace on a local file system: locks and fsync do not hold across machines"
    elif not is_writable:
        cure = f"let this account write in {existing}, or choose another folder with --workspace"
    elif kind in PERISHABLE_KINDS:
        cure = "mount a volume for the workspace: what is written here is gone after a restart"
    return _condition(
        "file system of the workspace",
        cure=cure,
        is_required=is_network or not is_writable,
        found=f"{kind or 'unknown'} on {mount}, for {workspace}",
    )


def _room(workspace: Path) -> EnvironmentItem:
    existing = _nearest(workspace)
    free_mib = shutil.disk_usage(existing).free >> 20
    status = os.statvfs(existing)
    is_short = free_mib < LEAST_DISK_MIB or (status.f_files > 0 and status.f_favail < LEAST_INODES)
    inodes = f", {status.f_favail:,} files" if status.f_files else ""
    cure = "make room; `bondx doctor --space` shows what each store of a workspace takes" if is_short else ""
    return _condition("room for the workspace", cure=cure, found=f"{free_mib:,} MiB{inodes} free")


def _time_zones() -> EnvironmentItem:
    try:
        ZoneInfo(A_ZONE)
    except (ZoneInfoNotFoundError, OSError) as error:
        cure = "apt-get install tzdata, or pip install tzdata"
        purpose = "mute intervals, schedules and rotas name time zones"
        return _condition("time zones", cure=cure, is_required=True, found=str(error), purpose=purpose)
    return _condition("time zones", found=f"{A_ZONE} and others")


def _clock() -> EnvironmentItem:
    """Ask the kernel whether anything keeps its clock right; this needs no right."""
    name, purpose = "clock", "records, leases and tokens carry its time"
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes 0: only look
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(timex)
    except (AttributeError, OSError):
        state = -1
    if state < 0:
        return _condition(name, found="the kernel does not say whether it is synchronised", purpose=purpose)
    status = ctypes.c_int.from_buffer(timex, _STATUS_AT).value
    if status & _STA_UNSYNC:
        cure = "run chrony or systemd-timesyncd; in a container: on its host"
        return _condition(name, cure=cure, found="not synchronised", purpose=purpose)
    return _condition(name, found="synchronised", purpose=purpose)


def _locale() -> EnvironmentItem:
    encoding = locale.getpreferredencoding(do_setlocale=False)
    is_unicode = encoding.replace("-", "").lower() == "utf8"
    return _condition("locale", found=encoding, cure="" if is_unicode else "export LANG=C.UTF-8")


def _descriptors() -> EnvironmentItem:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_low = hard not in (resource.RLIM_INFINITY, -1) and hard < LEAST_DESCRIPTORS
    cure = f"raise the hard limit to {LEAST_DESCRIPTORS:,} (LimitNOFILE= of a unit, nofile in limits.conf)"
    return _condition(
        "open files",
        cure=cure if is_low else "",
        found=f"{_limit(soft)}, which a server raises to at most {_limit(hard)}",
        purpose="a connection to a server takes one",
    )


def _memory() -> EnvironmentItem:
    total = _meminfo("MemTotal")
    available = _meminfo("MemAvailable")
    limit, used = _cgroup_memory()
    address_space = resource.getrlimit(resource.RLIMIT_AS)[0]
    said, bounds = [f"{available:,} of {total:,} MiB available"], [available]
    if limit is not None:
        said.append(f"cgroup: {used:,} of {limit:,} MiB used")
        bounds.append(limit - used)
    if address_space not in (resource.RLIM_INFINITY, -1):
        said.append(f"address space: {address_space >> 20:,} MiB")
        bounds.append(address_space >> 20)
    cure = "give it memory, or lower dataset_size and serving.processes" if min(bounds) < LEAST_MEMORY_MIB else ""
    return _condition("memory", cure=cure, found=", ".join(said))


def _processors() -> EnvironmentItem:
    n = len(os.sched_getaffinity(0))
    quota = _cgroup_file("cpu.max").split()
    share = ""
    if len(quota) == 2 and quota[0] != "max":
        share = f", of which the cgroup gives {whole_number(quota[0]) / whole_number(quota[1]):g}"
    return _condition("processors", found=f"{n}{share}")


def _condition(
    name: str, *, found: str, cure: str = "", is_required: bool = False, purpose: str = ""
) -> EnvironmentItem:
    return EnvironmentItem(
        name=name,
        is_present=not cure,
        is_required=is_required,
        is_condition=True,
        found=found,
        purpose=purpose,
        cure=cure,
    )


def _nearest(folder: Path) -> Path:
    """Return the folder itself, or the nearest above it that exists."""
    return next(each for each in (folder, *folder.absolute().parents) if each.is_dir())


def _limit(n: int) -> str:
    return _UNLIMITED if n in (resource.RLIM_INFINITY, -1) else f"{n:,}"


def _meminfo(name: str) -> int:
    """Return a line of the kernel's list in MiB; 0 if it has none."""
    for line in MEMORY.read_text(encoding="ascii").splitlines() if MEMORY.exists() else ():
        if line.startswith(f"{name}:"):
            return whole_number(line.split()[1]) >> 10
    return 0


def _cgroup_memory() -> tuple[int | None, int]:
    """Return limit and use of the own cgroup in MiB; no limit if there is none.

    Files that were read or written count as used until somebody needs the memory; the kernel gives them up then.
    """
    limit, used = _cgroup_file("memory.max").strip(), _cgroup_file("memory.current").strip()
    if not limit.isdecimal() or not used.isdecimal():
        return None, 0
    return whole_number(limit) >> 20, max(whole_number(used) - _cgroup_statistic("inactive_file"), 0) >> 20


def _cgroup_statistic(name: str) -> int:
    """Return a line of the memory statistics of the own cgroup in bytes; 0 if there is none."""
    for line in _cgroup_file("memory.stat").splitlines():
        if line.startswith(f"{name} "):
            return whole_number(line.split()[1])
    return 0


def _cgroup_file(name: str) -> str:
    """Read a file of the own cgroup (version 2); empty where there is none."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        own = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "/")
        return (CGROUPS / own.lstrip("/") / name).read_text(encoding="ascii")
    except OSError:
        return ""
