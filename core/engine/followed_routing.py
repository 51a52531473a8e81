"""The record of the routing that the engine follows: written when it changes, and followed itself after a restart."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from core.alerts.routing.config import RoutingConfig
from core.alerts.routing.last_good import NAME, RoutingRecord, recalled, recorded, records_of
from core.clock import Clock
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

    @property
    def unreachable(self) -> Sequence[str]:
        """The receivers that cannot be told by the record that is followed."""
        record = self._find()
        return record.unreachable if record is not None and record.follows_record else ()

    def follow(self, config: RoutingConfig) -> None:
        """Record a configuration that the file holds now; it is written if it is another one, or was faulty before."""
        try:
            new, known = recorded(config, self._clock()), self._find()
            if known is not None and _content(known) == _content(new):
                new = replace(new, read_at=known.read_at)
            self._store(known, new)
        except (CoreError, OSError) as error:
            log.error("could not record the routing in force: %s", error)

    def without(self, config: RoutingConfig | None) -> RoutingConfig | None:
        """Record that the file cannot be used.

        Args:
            config: What the engine follows; None after a start.

        Returns:
            What it follows from now on: after a start, what an earlier engine recorded.
        """
        known = self._find()
        if known is None:
            return config
        follows_record = config is None or known.follows_record
        if config is None:
            try:
                config = recalled(known)
            except CoreError as error:
                log.error("the last good routing, of %s, cannot be used: %s", known.read_at, error)
                return None
            log.warning("the routing file cannot be used; that of %s is followed", f"{known.read_at:%Y-%m-%d %H:%M}")
        since = known.faulty_since or self._clock()
        try:
            self._store(known, replace(known, faulty_since=since, follows_record=follows_record))
        except (CoreError, OSError) as error:
            log.error("could not record that the routing file cannot be used: %s", error)
        return config

    def forget(self) -> None:
        """Forget the record: the settings name no file."""
        try:
            if self._find() is not None:
                records_of(self._workspace).remove(NAME)
        except (CoreError, OSError) as error:
            log.error("could not forget the routing that was in force: %s", error)

    def _find(self) -> RoutingRecord | None:
        try:
            return records_of(self._workspace).find(NAME)
        except (CoreError, OSError) as error:
            log.error("the record of the routing in force cannot be read: %s", error)
            return None

    def _store(self, known: RoutingRecord | None, record: RoutingRecord) -> None:
        records = records_of(self._workspace)
        if known is None:
            records.insert(record)
        elif (changed := replace(record, revision=known.revision)) != known:
            records.replace(changed)


def _content(record: RoutingRecord) -> tuple[object, ...]:
    return (record.file, record.document, record.templates, record.blocks)
