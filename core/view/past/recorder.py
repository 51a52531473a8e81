"""Recording of the past: audited changes immediately, other changes in coarse steps."""

import hashlib
import logging
from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import Any

from core.clock import Clock, utc_now
from core.periodic import Periodic
from core.state import Workspace
from core.telemetry.past import PastKey, PastWriter
from core.view.parts.histories import audit_mark
from core.view.past.pages import documents_of, encoded
from core.view.source import SnapshotSource

log = logging.getLogger(__name__)

COARSE_SECONDS = 10.0
"""The interval between recorded figures of a running rollout; every second, they would fill 150 MB a day."""
_COARSE = timedelta(seconds=COARSE_SECONDS)
_MAINTENANCE_EVERY = timedelta(minutes=10)


class DocumentRecorder:
    """Records the documents of one workspace. A new recorder continues where the last one stopped."""

    def __init__(
        self, workspace: Workspace, *, hours: float, most_bytes: int | None = None, clock: Clock = utc_now
    ) -> None:
        """Open the store.

        Args:
            workspace: The recorded workspace.
            hours: How far back the past is kept.
            most_bytes: How large it may become; beyond that, the oldest of it goes earlier.
            clock: The time.

        Raises:
            TelemetryError: The store cannot be opened.
        """
        self._workspace = workspace
        self._clock = clock
        self._kept = timedelta(hours=hours)
        self._most_bytes = most_bytes
        self._source = SnapshotSource(workspace, clock=clock, documents_only=True)
        self._writer = PastWriter(workspace.past_file)
        self._mark: Hashable = None
        self._written_at: datetime | None = None
        self._begin(clock())

    def _begin(self, now: datetime) -> None:
        """Continue from the states recorded up to an instant."""
        self._writer.forget_from(now)
        self._stored = {key: _mark(body) for key, body in self._writer.newest_states()}
        self._seen: dict[PastKey, Any] = {}
        self._since = now
        self._maintenance = Periodic(_MAINTENANCE_EVERY, first_at=now)
        self._written_at = None

    def close(self) -> None:
        """Close the store."""
        self._writer.close()

    def look(self) -> None:
        """Record documents that differ from their last recorded state, if it is time to.

        Raises:
            TelemetryError: The store cannot be written; the next look tries again.
        """
        if self._written_at is not None and (now := self._clock()) < self._written_at:
            self._begin(now)
        mark = audit_mark(self._workspace)  # before the documents: a change is in them before it is on record
        is_moment = mark != self._mark
        if not (is_moment or self._is_due()):
            return
        documents = documents_of(self._source.take())
        now = self._clock()
        marks: dict[PastKey, bytes] = {}
        states: dict[PastKey, bytes | None] = {}
        for key, each in documents.items():
            if not self._is_known(key, each):
                body = encoded(each)
                marks[key] = _mark(body)
                if self._stored.get(key) != marks[key]:
                    states[key] = body
        states.update(dict.fromkeys(self._stored.keys() - documents.keys()))
        self._writer.write(now, states, since=self._since, is_moment=is_moment)
        self._seen, self._mark, self._written_at = documents, mark, now
        self._stored = {key: marks.get(key) or self._stored[key] for key in documents}
        if self._maintenance.is_due(now):
            self._expire(now)

    def _expire(self, now: datetime) -> None:
        wanted = now - self._kept
        horizon = self._writer.expire(wanted, most_bytes=self._most_bytes, now=now)
        if horizon > wanted:
            reach = (now - horizon).total_seconds() / 3600
            log.warning(
                "telemetry.past_mib keeps %.1f h of the past, not the %g h of telemetry.past_hours",
                reach,
                self._kept.total_seconds() / 3600,
            )

    def _is_due(self) -> bool:
        return self._written_at is None or self._clock() - self._written_at >= _COARSE

    def _is_known(self, key: PastKey, document: Any) -> bool:
        """Whether a document is unchanged since it was last seen; cheap for documents that were not read again."""
        seen = self._seen.get(key)
        return seen is document or (seen is not None and seen == document)


def _mark(body: bytes) -> bytes:
    """Return what tells states apart: a digest, since ten thousand states would take the memory of their bodies."""
    return hashlib.blake2b(body, digest_size=16).digest()
