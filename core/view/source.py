"""Take snapshots of a workspace, at little cost while nothing changes.

Each part is read only when the signature of its file has moved, and a part that cannot be read keeps its last
good state and names the problem: a damaged file is then one sentence on a screen, not a dead screen.
Nothing heavy is imported here: the console and `bondx status` start from this module.
"""

import functools
import threading
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from core.clock import Clock, utc_now
from core.errors import CoreError
from core.settings.followed import followed_url
from core.state.write_health import write_problem
from core.view import parts
from core.view.parts.part import DocumentPart, Part, PartSource
from core.view.parts.settings import SettingsPart
from core.view.snapshot import HISTORY_SECONDS, Snapshot

if TYPE_CHECKING:
    from core.state import Workspace


class SnapshotSource:
    """Takes snapshots of one workspace, reading again only the parts that have changed."""

    def __init__(
        self,
        workspace: "Workspace",
        *,
        clock: Clock = utc_now,
        history_seconds: float = HISTORY_SECONDS,
        documents_only: bool = False,
        looks_at_epochs: bool = True,
        only: Collection[type[Part]] = (),
    ) -> None:
        """Prepare to take snapshots; nothing is read yet.

        Args:
            workspace: An open workspace.
            clock: The time.
            history_seconds: How far the samples reach back.
            documents_only: Every document, and nothing that is kept as a history of its own: samples, epochs and the
                audit record.
            looks_at_epochs: Whether the metrics of epochs are read: who wants only the state of sessions finds their
                newest values in their documents.
            only: The parts to read, for who looks at no other field; by default all of them.
        """
        self._clock = clock
        self._look = PartSource(
            workspace=workspace,
            clock=clock,
            seen=unread_snapshot(workspace, clock),
            history=timedelta(seconds=history_seconds),
            looks_at_runs=documents_only,
            looks_at_epochs=looks_at_epochs,
        )
        wanted = (each for each in only or parts.PARTS if not documents_only or issubclass(each, DocumentPart))
        self._parts = tuple(part(self._look) for part in wanted)
        self._marks: dict[str, Hashable] = {}
        self._problems: dict[str, str] = {}
        self._last = self._look.seen
        self._lock = threading.Lock()

    def follow(self, run_ids: Iterable[str]) -> None:
        """Ask for the epoch history of these runs, beside that of the active session."""
        self._look.followed = frozenset(run_ids)

    def look_around(self, run_id: str, epoch: int | None) -> None:
        """Ask for the page of a run's epochs that has this epoch; None asks for the newest page."""
        others = {other: place for other, place in self._look.around.items() if other != run_id}
        self._look.around = others if epoch is None else {**others, run_id: epoch}

    def look_at_runs(self, wanted: bool) -> None:
        """Include the runs in snapshots, or keep their last state: logging changes runs every second."""
        self._look.looks_at_runs = wanted

    def take(self) -> Snapshot:
        """Return the current snapshot: the very object of the last call when nothing has changed."""
        with self._lock:
            if self._look.workspace.root.is_dir():
                for part in self._parts:
                    if part.is_wanted:
                        self._refresh(part)
            else:
                self._miss_the_folder()
            unwritable = self._unwritable()
            problems = tuple(dict.fromkeys((*filter(None, (unwritable,)), *self._problems.values())))
            of_files = (problem for part, problem in self._problems.items() if part != SettingsPart.name)
            self._look_at(
                {
                    "problems": problems,
                    "damaged": tuple(dict.fromkeys(of_files)),
                    "unreadable": frozenset(self._problems),
                    "unwritable": unwritable,
                    "follows": followed_url(self._look.workspace.root) or "",
                }
            )
            if self._look.seen is not self._last:
                self._last = self._look.seen = replace(self._look.seen, taken_at=self._clock())
            return self._last

    def _unwritable(self) -> str:
        """Say why this process, or the engine, cannot write; "" while both can. No alert can be written about it."""
        if (own := write_problem(self._look.workspace.root)) is not None:
            return own
        engine = self._look.seen.engine
        return f"the engine's last change was refused: {engine.refused}" if engine and engine.refused else ""

    def _miss_the_folder(self) -> None:
        """Name the one problem of a workspace that is gone: without its files, every part would read as empty."""
        gone = f"{self._look.workspace.root} is gone: it was moved, deleted or unmounted. Put it back."
        self._problems = dict.fromkeys((part.name for part in self._parts if part.is_wanted), gone)
        self._marks.clear()

    def _refresh(self, part: Part) -> None:
        try:
            mark = part.mark()
            if self._marks.get(part.name) == mark:
                return
            fields = part.read()
        except (CoreError, OSError) as error:
            self._problems[part.name] = str(error)
            self._marks.pop(part.name, None)  # read it again next time: it may have been repaired
            return
        self._marks[part.name] = mark
        self._problems.pop(part.name, None)
        self._look_at({**fields, "unread": self._look.seen.unread - {part.name}})

    def _look_at(self, fields: Mapping[str, Any]) -> None:
        """Take over the fields whose values have changed."""
        news = {name: value for name, value in fields.items() if value != getattr(self._look.seen, name)}
        if news:
            self._look.seen = replace(self._look.seen, **news)


def unread_snapshot(workspace: "Workspace", clock: Clock) -> Snapshot:
    """Return the snapshot of a workspace of which nothing has been read."""
    unread = frozenset(part.name for part in parts.PARTS)
    return Snapshot(taken_at=clock(), workspace=workspace.root, unread=unread)


@functools.lru_cache(maxsize=4)
def _source_of(workspace: "Workspace") -> SnapshotSource:
    return SnapshotSource(workspace, looks_at_epochs=False)


def take_snapshot(workspace: "Workspace") -> Snapshot:
    """Take a snapshot for a caller that keeps no source of its own; repeated calls share one cache.

    Args:
        workspace: An open workspace.
    Returns:
        Its present state, without the metrics of epochs; `problems` names the parts that could not be read.
    """
    return _source_of(workspace).take()
