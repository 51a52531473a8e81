"""What a part of a snapshot is: how it is read now, and how playback brings it back.

There are two kinds. The documents of a `DocumentPart` are written down by the engine's recorder, since nothing else
keeps what they said; a `HistoryPart` is read from something that keeps its own past.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from core.clock import Clock
from core.view.parts.stored import Stored
from core.view.snapshot import HISTORY_SECONDS, Snapshot

if TYPE_CHECKING:
    from core.state import Workspace
    from core.telemetry import TelemetryReader


@dataclass(kw_only=True)
class Look:
    """What the parts of one source go by."""

    workspace: "Workspace"
    clock: Clock
    seen: Snapshot  # the newest, with what has been read of the next
    history: timedelta = timedelta(seconds=HISTORY_SECONDS)  # how far samples reach back
    followed: frozenset[str] = frozenset()  # runs whose epochs are wanted, beside those of the active session
    looks_at_runs: bool = True
    _reader: "TelemetryReader | None" = field(default=None, init=False, repr=False)

    @property
    def telemetry(self) -> "TelemetryReader":
        """The one reader of the time series."""
        from core.telemetry import TelemetryReader

        if self._reader is None:
            self._reader = TelemetryReader(self.workspace.telemetry_file)
        return self._reader

    @property
    def run_ids(self) -> frozenset[str]:
        """The runs whose epochs are wanted."""
        session = self.seen.active_session()
        return self.followed | {session.run_id} if session and session.run_id else self.followed

    def close(self) -> None:
        """Close what was opened."""
        if self._reader is not None:
            self._reader.close()


class Part(ABC):
    """One part of a snapshot: the fields of `Snapshot` that are read together, and fail together.

    A source makes one instance, which may keep what it has read so far.
    """

    name: ClassVar[str]

    def __init__(self, look: Look) -> None:
        self._look = look
        self._workspace = look.workspace

    @property
    def is_wanted(self) -> bool:
        """Whether anybody looks at it now."""
        return True

    def mark(self) -> Hashable:
        """Return what differs whenever the part may have changed; by default, it may at every look."""
        return object()

    @abstractmethod
    def read(self) -> Mapping[str, Any]:
        """Read its fields of the snapshot.

        Raises:
            CoreError: It cannot be read; the snapshot keeps what was read before, and says so.
            OSError: As well.
        """


class DocumentPart(Part):
    """A part whose documents the recorder writes down."""

    @classmethod
    @abstractmethod
    def stored(cls) -> tuple[Stored, ...]:
        """Say how each of its fields is taken apart into documents."""


class HistoryPart(Part):
    """A part that is kept as a history of its own."""

    @abstractmethod
    def read_as_of(self, when: datetime) -> Mapping[str, Any]:
        """Read its fields as they were at an instant.

        Raises:
            CoreError: It cannot be read.
        """


def file_mark(file: Path) -> Hashable:
    """Tell two states of an SQLite or append-only file apart by a stat of it and of its write-ahead log."""
    marks: list[tuple[int, int, int] | None] = []
    for path in (file, file.with_name(file.name + "-wal")):
        try:
            status = path.stat()
            marks.append((status.st_ino, status.st_size, status.st_mtime_ns))
        except OSError:
            marks.append(None)
    return tuple(marks)
