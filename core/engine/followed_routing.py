"""The record of the routing that the engine follows: written when it changes, and followed itself after a restart."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from core.alerts.routing.config import RoutingConfig
from core.alerts.routing.last_good import NAME, RoutingRecord, recalled, recorded, records_of
from core.clock import Clock, in_words
from core.errors import CoreError

if TYPE_CHECKING:
    from core.state import Workspace

log = logging.getLogger(__name__)


class FollowedRouting:
    """Keeps the record; while the state cannot be written, the engine goes on with what it has read."""

    def __init__(self, workspace: "Workspace", clock: Clock) -> None:
        """Prepare; nothing is read.

        Args:
            workspace: The workspace.
            clock: The time.
        """
        self._workspace = workspace
        self._clock = clock
        self._unwritten: RoutingRecord | None = None
        self._said: set[str] = set()

    @property
    def unreachable(self) -> Sequence[str]:
        """The receivers that cannot be told by the record that is followed."""
        record = self._unwritten or self._find()
        return record.unreachable if record is not None and record.follows_record else ()

    def follow(self, config: RoutingConfig) -> bool:
        """Record a configuration that the file holds now; it is written if it is another one, or was faulty before.

        Returns:
            Whether it is recorded; else it is to be tried again.
        """
        known = self._find()
        try:
            new = recorded(config, self._clock())
        except CoreError as error:
            self._say(f"could not record the routing in force: {error}")
            return False
        before = self._unwritten or known
        if before is not None and _content(before) == _content(new):
            new = replace(new, read_at=before.read_at)
        return self._store(known, new)

    def without(self, config: RoutingConfig | None) -> RoutingConfig | None:
        """Record that the file cannot be used.

        Args:
            config: What the engine follows; None after a start.

        Returns:
            What it follows from now on: after a start, what an earlier engine recorded.
        """
        known = self._find()
        if (record := self._unwritten or known) is None:
            return config
        follows_record = config is None or record.follows_record
        if config is None:
            try:
                config = recalled(record)
            except CoreError as error:
                log.error("the last good routing, of %s, cannot be used: %s", in_words(record.read_at), error)
                return None
            log.warning("the routing file cannot be used; that of %s is followed", in_words(record.read_at))
        since = record.faulty_since or self._clock()
        self._store(known, replace(record, faulty_since=since, follows_record=follows_record))
        return config

    def forget(self) -> bool:
        """Forget the record: the settings name no file.

        Returns:
            Whether it is forgotten; else it is to be tried again.
        """
        self._unwritten = None
        try:
            records = records_of(self._workspace)
            if records.find(NAME) is not None:
                records.remove(NAME)
        except (CoreError, OSError) as error:
            self._say(f"could not forget the routing that was in force: {error}")
            return False
        self._said.clear()
        return True

    def _find(self) -> RoutingRecord | None:
        try:
            return records_of(self._workspace).find(NAME)
        except (CoreError, OSError) as error:
            self._say(f"the record of the routing in force cannot be read: {error}")
            return None

    def _store(self, known: RoutingRecord | None, record: RoutingRecord) -> bool:
        """Write a record; one that cannot be written is what the engine follows all the same, so it is kept here."""
        self._unwritten = record
        try:
            records = records_of(self._workspace)
            if known is None:
                records.insert(record)
            elif (changed := replace(record, revision=known.revision)) != known:
                records.replace(changed)
        except (CoreError, OSError) as error:
            self._say(f"could not record the routing in force: {error}")
            return False
        self._unwritten = None
        self._said.clear()
        return True

    def _say(self, problem: str) -> None:
        """Log a problem once: it is tried again at each step."""
        if problem not in self._said:
            log.error("%s", problem)
        self._said.add(problem)


def _content(record: RoutingRecord) -> tuple[object, ...]:
    return (record.file, record.document, record.templates, record.blocks)
