"""A part of a snapshot: how it is read now, and how playback restores it.

There are two kinds. The engine's recorder stores the documents of a `DocumentPart`, because nothing else keeps their
earlier states. A `HistoryPart` is read from a store that keeps its own past.
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
class PartSource:
    """The state that the parts of one source share."""

    workspace: "Workspace"
    clock: Clock
    seen: Snapshot  # the newest snapshot, with the fields of the next one that have been read so far
    history: timedelta = timedelta(seconds=HISTORY_SECONDS)  # how far samples reach back
    followed: frozenset[str] = frozenset()  # runs whose epochs are wanted, beside those of the active session
    around: Mapping[str, int] = field(default_factory=dict)  # by run, the epoch around which a page is wanted
    looks_at_runs: bool = True
    looks_at_epochs: bool = True
    _reader: "TelemetryReader | None" = field(default=None, init=False, repr=False)

    @property
    def telemetry(self) -> "TelemetryReader":
        """The reader of the time series, shared by all parts."""
        from core.telemetry import TelemetryReader

        if self._reader is None:
            self._reader = TelemetryReader(self.workspace.telemetry_file)
        return self._reader

    @property
    def run_ids(self) -> frozenset[str]:
        """The runs whose epochs are read."""
        session = self.seen.active_session()
        return self.followed | {session.run_id} if session and session.run_id else self.followed

    def close(self) -> None:
        """Close the reader, if one was opened."""
        if self._reader is not None:
            self._reader.close()


class Part(ABC):
    """One part of a snapshot: fields of `Snapshot` that are read together, and fail together.

    Each source makes its own instance, which may cache values between reads.
    """

    name: ClassVar[str]

    def __init__(self, look: PartSource) -> None:
        self._look = look
        self._workspace = look.workspace

    @property
    def is_wanted(self) -> bool:
        """Whether the part is shown anywhere at the moment."""
        return True

    def mark(self) -> Hashable:
        """Return a value that changes whenever the part may have changed; by default, a new value each time."""
        return object()

    @abstractmethod
    def read(self) -> Mapping[str, Any]:
        """Read the part's fields of the snapshot.

        Raises:
            CoreError: The part cannot be read; the snapshot keeps the earlier values and names the problem.
            OSError: The operating system refuses; with the same effect.
        """


class DocumentPart(Part):
    """A part whose documents the recorder stores."""

    @classmethod
    @abstractmethod
    def stored(cls) -> tuple[Stored, ...]:
        """Return how each of the part's fields is split into documents."""


class HistoryPart(Part):
    """A part that is read from a history of its own."""

    @abstractmethod
    def read_as_of(self, when: datetime) -> Mapping[str, Any]:
        """Read the part's fields as they were at an instant.

        Raises:
            CoreError: The history cannot be read.
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
