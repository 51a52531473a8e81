"""Looking further on a frozen screen: epochs of other pages and of other runs, as they were when it was frozen."""

import asyncio
from typing import Protocol

from console.runtime.background import BackgroundHost, in_background
from core.errors import CoreError
from core.state import Workspace
from core.view.frozen import with_epochs_of
from core.view.snapshot import Snapshot


class FrozenHost(BackgroundHost, Protocol):
    """The console whose screens are frozen."""

    @property
    def workspace(self) -> Workspace:
        """The workspace that is shown."""

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that is shown."""

    @property
    def is_frozen(self) -> bool:
        """Whether the shown snapshot is that of the moment at which the screens were frozen."""

    def show_frozen(self, snapshot: Snapshot) -> None:
        """Show the frozen snapshot with more epochs."""

    def say(self, text: str, tone: str = "") -> None:
        """Show the operator a sentence."""


class FrozenEpochs:
    """Adds epochs to the frozen snapshot; of pages asked for while another is read, only the last is read."""

    def __init__(self, host: FrozenHost) -> None:
        self._host = host
        self._wanted: tuple[str, int | None] | None = None
        self._is_reading = False

    def follow(self, run_id: str | None) -> None:
        """Include the epochs of this run."""
        if self._host.is_frozen and run_id is not None and run_id not in self._host.snapshot.epochs:
            self._want(run_id, None)

    def look_around(self, run_id: str, epoch: int | None) -> None:
        """Include the page of a run's epochs that has this epoch; None asks for the newest page."""
        if self._host.is_frozen:
            self._want(run_id, epoch)

    def _want(self, run_id: str, epoch: int | None) -> None:
        self._wanted = (run_id, epoch)
        if not self._is_reading:
            self._is_reading = True
            in_background(self._host, self._read)

    async def _read(self) -> None:
        try:
            while self._wanted is not None:
                (run_id, epoch), self._wanted, frozen = self._wanted, None, self._host.snapshot
                found = await asyncio.to_thread(with_epochs_of, frozen, self._host.workspace, run_id, epoch)
                if self._host.is_frozen and self._host.snapshot is frozen:
                    self._host.show_frozen(found)
        except CoreError as error:
            self._wanted = None
            self._host.say(f"The epochs of the frozen screen cannot be read: {error}", "warn")
        finally:
            self._is_reading = False
