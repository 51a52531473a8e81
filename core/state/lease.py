"""The engine's lease: an operating system lock that admits one engine to a workspace."""

import fcntl
import os
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Literal

import msgspec

from core.actor import Actor
from core.clock import Clock, in_words, to_iso, utc_now
from core.files import access_error, open_to_write, write_all
from core.json_documents import decode_json
from core.lock_files import locked_within, unlock
from core.state.errors import LeaseHeldError, NoRoomError
from core.state.workspace import Workspace
from core.state.write_health import disk_problem

Mode = Literal["headless", "embedded"]

BEAT_SECONDS = 1.0
SILENT_BEATS = 3
"""How many beats an engine may miss before it counts as silent."""

process_id = os.getpid

# Covers an engine that is just leaving, or just writing its record.
_PATIENCE_SECONDS = 0.2
_PAUSE_SECONDS = 0.005
_RECORD_BYTES = 2048


class LeaseHolder(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of the lease, and since when."""

    user: str
    host: str
    pid: int
    mode: str
    acquired_at: datetime
    beat_seconds: float = 0.0  # how often it shows that it is alive; 0: never
    silent_since: datetime | None = None  # set by the reader: the last sign of life of a process that does not move
    refused: str = ""  # why the holder's writes are refused, which it can record nowhere else

    @property
    def silence(self) -> str | None:
        """Say that the holder does not move, and what to do; None while it does."""
        if self.silent_since is None:
            return None
        return (
            f"engine pid {self.pid} on {self.host} holds the lease and is silent since {to_iso(self.silent_since)}: it "
            f"was stopped or hangs. kill -CONT {self.pid} wakes a stopped process; kill {self.pid} ends it"
        )


class Lease:
    """The right to be a workspace's engine; it ends with `release`, or with the death of the process."""

    def __init__(self, holder: LeaseHolder, descriptor: int, path: Path) -> None:
        self.holder = holder
        self._path = path
        self._descriptor: int | None = descriptor
        _held.add(self)

    @classmethod
    def acquire(
        cls, workspace: Workspace, actor: Actor, mode: Mode, *, clock: Clock = utc_now, beat_seconds: float = 0.0
    ) -> "Lease":
        """Acquire the lease of a workspace.

        Args:
            workspace: The workspace.
            actor: The person for whom the engine runs; every screen shows the name.
            mode: Headless, or embedded in a console.
            clock: The time.
            beat_seconds: How often the holder will call `beat`; 0 if never.

        Raises:
            LeaseHeldError: Another engine holds the lease; the message names it.
            FileAccessError: The lease file can be neither opened nor written.
        """
        path = workspace.lease_file
        holder = LeaseHolder(
            user=actor.name,
            host=actor.host,
            pid=process_id(),
            mode=mode,
            acquired_at=clock(),
            beat_seconds=beat_seconds,
        )
        try:
            descriptor = open_to_write(path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise access_error(path, "open", error) from error
        try:
            while not locked_within(descriptor, _PATIENCE_SECONDS, pause_seconds=_PAUSE_SECONDS):
                if _is_held(descriptor):
                    raise LeaseHeldError(_held_by(read_lease(workspace), workspace))
            os.ftruncate(descriptor, 0)
            write_all(descriptor, _record(holder))
        except OSError as error:
            os.close(descriptor)
            raise access_error(path, "write", error) from error
        except BaseException:
            os.close(descriptor)
            raise
        return cls(holder, descriptor, path)

    def release(self) -> None:
        """Release the lease; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        _held.discard(self)
        if descriptor is not None:
            with suppress(OSError):  # only helps readers between truncation and unlocking
                os.ftruncate(descriptor, 0)
            unlock(descriptor)

    def beat(self) -> bool:
        """Show that the holder is alive.

        Returns:
            Whether the lease still holds: False once its file was removed or replaced, since others lock the new file.
        Raises:
            OSError: The file cannot be touched.
        """
        if (descriptor := self._descriptor) is None:
            return True
        os.utime(descriptor)
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._path))
        except FileNotFoundError:
            return False

    def tell(self, refused: str) -> None:
        """Say in the lease why the holder's writes are refused; "" once they succeed.

        The record is overwritten in place, for which a full disk has room.

        Raises:
            OSError: The file cannot be written.
        """
        if (descriptor := self._descriptor) is None or refused == self.holder.refused:
            return
        holder = msgspec.structs.replace(self.holder, refused=refused)
        os.pwrite(descriptor, _record(holder), 0)
        self.holder = holder

    def forget_inherited(self) -> None:
        """Let go of the lease in a forked child, so that it ends with the parent and not with the last child."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> "Lease":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def require_room(workspace: Workspace) -> None:
    """Refuse to start an engine that could record nothing. Beside a running engine, nothing is looked for.

    Raises:
        NoRoomError: The disk of the workspace is full.
        FileAccessError: Reading the lease file is denied.
    """
    if (problem := disk_problem(workspace.root)) is not None and read_lease(workspace) is None:
        raise NoRoomError(problem)


def read_lease(workspace: Workspace) -> LeaseHolder | None:
    """Return the current holder of the lease.

    Returns:
        The holder, and since when it is silent if it is; None: the record of a killed holder does not count.

    Raises:
        FileAccessError: Reading the lease file is denied.
    """
    path = workspace.lease_file
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise access_error(path, "read", error) from error
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None
            except BlockingIOError:
                pass
            try:
                holder = decode_json(os.pread(descriptor, 4096, 0), LeaseHolder)
                return _heard(holder, os.fstat(descriptor).st_mtime)
            except msgspec.DecodeError:  # the holder is just writing it
                if time.monotonic() > deadline:
                    return _unreadable(path)
            time.sleep(_PAUSE_SECONDS)
    finally:
        os.close(descriptor)


def last_beat(workspace: Workspace) -> datetime | None:
    """Return when an engine last showed that it is alive, or ended; None if none ever ran here."""
    try:
        return datetime.fromtimestamp(round(workspace.lease_file.stat().st_mtime), tz=utc_now().tzinfo)
    except OSError:
        return None


def _record(holder: LeaseHolder) -> bytes:
    """Encode a holder, always in as many bytes, so that another record of it fits in its place."""
    encoded = msgspec.json.encode(holder)
    if len(encoded) >= _RECORD_BYTES:
        kept = holder.refused[: _RECORD_BYTES // 4]
        encoded = msgspec.json.encode(msgspec.structs.replace(holder, refused=kept))
    return encoded.ljust(_RECORD_BYTES - 1) + b"\n"


def _heard(holder: LeaseHolder, beat_at: float) -> LeaseHolder:
    """Add since when the holder is silent, if it is."""
    if holder.beat_seconds <= 0 or time.time() - beat_at <= SILENT_BEATS * holder.beat_seconds:
        return holder
    silent_since = datetime.fromtimestamp(round(beat_at), tz=utc_now().tzinfo)
    return msgspec.structs.replace(holder, silent_since=silent_since)


def _is_held(descriptor: int) -> bool:
    """Tell an engine from readers, which share their lock for some microseconds and never block an engine."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _held_by(holder: LeaseHolder | None, workspace: Workspace) -> str:
    if holder is None:
        return f"Another engine is just starting or stopping on {workspace.root}; try again."
    if holder.silence is not None:
        return f"A workspace has one engine, and {holder.silence}."
    return (
        f"An engine is already running on {workspace.root}: {holder.mode}, {holder.user}@{holder.host}, process "
        f"{holder.pid}, since {in_words(holder.acquired_at)}. A workspace has one engine; `bondx` attaches to it."
    )


def _unreadable(path: Path) -> LeaseHolder:
    acquired_at = datetime.fromtimestamp(path.stat().st_mtime, tz=utc_now().tzinfo)
    return LeaseHolder(user="unknown", host="unknown", pid=0, mode="unknown", acquired_at=acquired_at)


def _after_fork_in_child() -> None:
    while _held:
        _held.pop().forget_inherited()


_held: set[Lease] = set()
os.register_at_fork(after_in_child=_after_fork_in_child)
