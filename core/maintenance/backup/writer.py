"""Who writes to a place that has no locks: a file whose name says which process it is, and when that was last alive.

Everything is in the name, since a file system elsewhere may show a file that is only partly written, but no partly
written name:

    lock-<16 digits of the writer>-<12 of its machine>-<process>-<when it began>-<when it was last alive>.json

A writer adds its file and then looks for others, so of two that begin at the same time at least one sees the other.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec

from core.plain_files import read_file
from core.typed_numbers import whole_number

PREFIX: Final = "lock-"
ALIVE_EVERY: Final = timedelta(minutes=5)
LOST_AFTER: Final = timedelta(minutes=20)
"""A writer that could not show for so long that it is alive gives up: others may count it as dead soon."""
DEAD_AFTER: Final = timedelta(hours=1)
"""After so long without a sign, a writer on another machine counts as dead; the clocks may differ by 20 minutes."""
_NAME = re.compile(r"lock-([0-9a-f]{16})-([0-9a-f]{12})-([0-9]{1,10})-([0-9]{1,19})-([0-9]{1,12})\.json")
_BOOT, _PROCESSES = Path("/proc/sys/kernel/random/boot_id"), "/proc/self/ns/pid"


class BackupWriter(msgspec.Struct, frozen=True, kw_only=True):
    """A process that writes, as the name of its file says it."""

    token: str
    machine: str  # this start of this machine, and which numbers of processes it means
    pid: int
    began: int  # clock ticks after the start of the machine
    alive_at: int  # seconds since 1970

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{PREFIX}{self.token}-{self.machine}-{self.pid}-{self.began}-{self.alive_at}.json"


def this_writer(now: float) -> BackupWriter:
    """Return a new writer in this process."""
    pid = os.getpid()
    return BackupWriter(
        token=secrets.token_hex(8), machine=this_machine(), pid=pid, began=_began(pid) or 0, alive_at=int(now)
    )


def writers(names: Iterable[str]) -> list[BackupWriter]:
    """Return the writers whose files are among some names, each with its last sign of life."""
    found: dict[str, BackupWriter] = {}
    for match in filter(None, map(_NAME.fullmatch, names)):
        token, machine, *numbers = match.groups()
        pid, began, alive_at = map(whole_number, numbers)
        each = BackupWriter(token=token, machine=machine, pid=pid, began=began, alive_at=alive_at)
        if token not in found or found[token].alive_at < alive_at:
            found[token] = each
    return list(found.values())


def is_dead(writer: BackupWriter, now: float, held: Iterable[str]) -> bool:
    """Say whether a writer writes no more.

    Args:
        writer: The writer.
        now: The time, seconds since 1970.
        held: The tokens of the writers in this process that are at work.
    """
    if writer.machine != this_machine():
        return abs(now - writer.alive_at) > DEAD_AFTER.total_seconds()  # a time far ahead is no sign of life either
    if writer.pid == os.getpid():
        return writer.token not in held
    return _began(writer.pid) != writer.began


def this_machine() -> str:
    """Return 12 digits that are equal for two processes only if each sees the other by its number.

    They stand for this start of the machine and this namespace of processes: two containers see other processes.
    """
    try:
        seen = read_file(_BOOT) + os.readlink(_PROCESSES).encode()
    except OSError:
        seen = secrets.token_bytes(16)  # nobody is known to be dead, but by time
    return hashlib.sha256(seen).hexdigest()[:12]


def _began(pid: int) -> int | None:
    """Return when a process began; None if there is none.

    Source:
        proc_pid_stat(5): field 22, counted after the name of the program, which ends with the last parenthesis.
    """
    try:
        fields = read_file(Path(f"/proc/{pid}/stat")).rpartition(b")")[2].split()
        return whole_number(fields[19].decode())
    except (OSError, IndexError, ValueError):
        return None
