"""Which predictions and outcomes are deleted, and when: by age and number, chain by chain of segments."""

import logging
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from core.errors import CoreError
from core.settings.telemetry import PredictionRetention
from core.telemetry.chunk import from_us, to_us
from core.telemetry.predictions.schema import Segment, add_segment, forget_segment, segments_of
from core.telemetry.predictions.tally import OUTCOMES, WAITING, add_to_tally
from core.telemetry.predictions.traffic import TrafficGrain, expire_traffic

log = logging.getLogger(__name__)

_LEAST_SLICE = 1_000
_SEGMENT_ROWS = 500_000
_SEGMENTS_KEPT = 24
_MICROSECOND = timedelta(microseconds=1)


def segment_to_write(
    connection: sqlite3.Connection, retention: PredictionRetention, chain: str, now_us: int
) -> Segment:
    """Return the segment of a chain to write to: a new one when its time has come."""
    segments = segments_of(connection)
    newest = next((segment for segment in reversed(segments) if segment.chain == chain), None)
    rows = min(_SEGMENT_ROWS, max(1, retention.rows(chain) // _SEGMENTS_KEPT))
    lasts_us = retention.kept(chain) // _MICROSECOND // _SEGMENTS_KEPT
    if newest is None or newest.n >= rows or (newest.n and now_us - newest.begun_us >= lasts_us):
        return add_segment(connection, segments, chain, now_us)
    return newest


class Expiry:
    """Deletes what is too old or too many."""

    def __init__(self, retention: PredictionRetention, held_since: Callable[[], Mapping[str, datetime]]) -> None:
        """Prepare.

        Args:
            retention: The limits.
            held_since: By model, since when predictions are kept however old they are.
        """
        self._retention = retention
        self._held_since = held_since

    def forget_segments(self, connection: sqlite3.Connection, now: datetime) -> None:
        """Forget the segments that are too old or too many; their tables are deleted later, piece by piece.

        A segment that an active rollout may still need is never too old, but it may be one too many: the disk is
        finite.
        """
        segments = segments_of(connection)
        newest_seq = max((segment.last for segment in segments), default=0)
        held: Mapping[str, datetime] | None = None
        for chain in {segment.chain for segment in segments}:
            own = [segment for segment in segments if segment.chain == chain]
            limit_us = to_us(now - self._retention.kept(chain))
            n_after = sum(segment.n for segment in own)
            for segment, ended_us in zip(own, _ends(connection, own), strict=True):
                n_after -= segment.n
                if segment.last == newest_seq:  # the numbers go on from it
                    continue
                if n_after < self._retention.rows(chain):
                    if ended_us >= limit_us:
                        continue
                    if held is None and (held := self._held()) is None:
                        return  # nobody can say what is still needed
                    if any(
                        self._retention.chain(model) == chain and ended_us >= to_us(since)
                        for model, since in held.items()
                    ):
                        continue
                self._say(chain, segment, ended_us, now)
                forget_segment(connection, segment)

    def _say(self, chain: str, segment: Segment, ended_us: int, now: datetime) -> None:
        """Log what is deleted, and warn if the limit of rows took predictions before their time."""
        age, kept = now - from_us(ended_us), self._retention.kept(chain)
        of = f" of {chain}" if chain else ""
        if age < kept:
            log.warning(
                "deleted %d predictions%s, %.1f h old: telemetry.predictions.keep_rows (%d) keeps fewer than keep_days "
                "(%g) asks for",
                segment.n,
                of,
                age.total_seconds() / 3600,
                self._retention.rows(chain),
                kept / timedelta(days=1),
            )
        else:
            log.info("deleted %d predictions%s older than %g days", segment.n, of, kept / timedelta(days=1))

    def _held(self) -> Mapping[str, datetime] | None:
        try:
            return self._held_since()
        except (CoreError, OSError):
            log.exception("old predictions are kept: the active rollouts, which may need them, cannot be read")
            return None

    def drop_outcomes(self, connection: sqlite3.Connection, now: datetime, n_at_most: int) -> None:
        """Delete a slice of the outcomes that are too old or too many: at most twice of what came."""
        kept = max(map(self._retention.kept, ("", *_chains(connection))))
        for table, limit in (
            (OUTCOMES, now - kept),
            (WAITING, now - timedelta(hours=self._retention.unmatched_hours)),
        ):
            first, last = connection.execute(f"SELECT min(seq), max(seq) FROM {table}").fetchone()
            if first is None:
                continue
            end = first + max(n_at_most, _LEAST_SLICE)
            (young,) = connection.execute(
                f"SELECT coalesce(min(seq), ?2) FROM {table} WHERE seq BETWEEN ?1 AND ?2 AND at >= ?3",
                (first, end, to_us(limit)),
            ).fetchone()
            too_many = last + 1 - self._retention.keep_rows
            deleted = connection.execute(f"DELETE FROM {table} WHERE seq < ?", (max(young, min(too_many, end)),))
            add_to_tally(connection, table, -deleted.rowcount)

    def expire_traffic(self, connection: sqlite3.Connection, now: datetime) -> int:
        """Delete a slice of the minutes and of the hours of traffic that are too old; return how many."""
        kept = {TrafficGrain.MINUTE: self._retention.minutes_days, TrafficGrain.HOUR: self._retention.hours_days}
        return sum(
            expire_traffic(connection, grain, now - timedelta(days=days), _LEAST_SLICE) for grain, days in kept.items()
        )


def _chains(connection: sqlite3.Connection) -> set[str]:
    return {segment.chain for segment in segments_of(connection)}


def _ends(connection: sqlite3.Connection, own: list[Segment]) -> list[int]:
    """Return when the last row of each segment of a chain was stored at the latest, µs."""
    ends = [segment.begun_us for segment in own[1:]]
    newest = own[-1]
    found = connection.execute(f"SELECT at FROM {newest.table} WHERE seq = ?", (newest.last,)).fetchone()
    return [*ends, found[0] if found else newest.begun_us]
