"""The thread that counts answered rows in the bins of profiles, and hands finished minutes to the store."""

import logging
import math
import threading
import time
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.clock import Clock, utc_now
from core.errors import CoreError
from core.monitoring.data_profile import DataProfile
from core.monitoring.live import LiveSketch, merged_bytes, to_bytes
from core.monitoring.live.counting import Served
from core.monitoring.live.encoding import SketchError
from core.replication.outbox import ReplicaOutbox
from core.serving.live.explaining import ServedExplanations
from core.serving.live.feature_log import FeatureLog
from core.serving.live.tap import AnsweredRequest, LiveTap, UnixClock
from core.serving.stats import VersionStats
from core.settings.current import CurrentSettings
from core.settings.feature_log import FeatureLogSettings
from core.settings.telemetry import LiveRetention
from core.state import Workspace
from core.telemetry.live import CountedMinute, LiveHealth, LiveWriter

if TYPE_CHECKING:
    from core.serving.scoring.scorer import Scorer

log = logging.getLogger(__name__)

COUNT_SECONDS = 1.0
MINUTE = 60
_RETIRED_SECONDS = 120.0  # after which no request of an unloaded version can still be under way


_PartOfMinute = tuple[int, int]
"""The beginning of a minute, in seconds since 1970, and the power of two above the share of the requests counted then.

A row stands for as many as the share says, so rows of very different shares are not added up: of a minute in which the
rates rise, those of its beginning would weigh as much as those that stand for hundreds.
"""


@dataclass(slots=True)
class _Minute:
    """The rows of one version within one minute, or a part of it, so far."""

    n: int = 0
    n_dropped: int = 0  # those for which others stand, too
    sketch: LiveSketch = field(default_factory=LiveSketch)


class LiveCounter:
    """Counts the answered rows of all versions of one server process; an unusable store never blocks an answer."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        is_on: bool = True,
        retention: LiveRetention | None = None,
        logs: FeatureLogSettings | None = None,
        explains: CurrentSettings | None = None,
        outbox: ReplicaOutbox | None = None,
        clock: Clock = utc_now,
        count_seconds: float = COUNT_SECONDS,
    ) -> None:
        """Open the store; nothing is counted before `start`.

        Args:
            workspace: The workspace with the store.
            is_on: Whether to count at all.
            retention: How long minutes and hours are kept; the defaults if None.
            logs: Which rows are kept as a sample; none if None.
            explains: How answered rows are explained; not at all if None.
            outbox: Takes the minutes for the control plane, too, on a replica.
            clock: The time.
            count_seconds: How often rows are counted.
        """
        self._seconds: UnixClock = time.time if clock is utc_now else lambda: clock().timestamp()
        self._count_seconds = count_seconds
        self._is_on = is_on
        self._outbox = outbox
        self._taps: list[LiveTap] = []
        self._minutes: dict[LiveTap, dict[_PartOfMinute, _Minute]] = {}
        self._counted_at: float | None = None  # when all was counted last
        self._told: set[LiveTap] = set()  # versions of which it was said that rows are dropped
        self._lock = threading.Lock()  # of counting; and of the list of taps
        self._wake = threading.Event()
        self._stopping = False
        self._writer: LiveWriter | None = None
        self._failure: str | None = None
        self._file: Path = workspace.live_file
        self._features: FeatureLog | None = None
        self._explaining: ServedExplanations | None = None
        self._thread = threading.Thread(target=self._run, name="serving-live", daemon=True)
        if not is_on:
            return
        try:
            self._writer = LiveWriter(self._file, merged_bytes, retention=retention, clock=clock)
        except (CoreError, OSError) as error:
            self._failure = str(error)
            log.error("served rows are not counted: %s", error)
        self._features = FeatureLog(workspace, logs, clock) if logs is not None else None
        if self._writer is None or explains is None or not explains.read().explanation.served_rows:
            return
        try:
            self._explaining = ServedExplanations(workspace, explains, retention=retention, clock=clock)
        except (CoreError, OSError) as error:
            log.error("served rows are not explained: %s", error)

    def take(self, minutes: Iterable[CountedMinute]) -> int:
        """Take minutes that a replica has counted; return how many: what is no sketch is left out."""
        n_taken, writer = 0, self._writer
        if writer is None:
            return 0
        for minute in minutes:
            try:
                if minute.sketch:
                    merged_bytes([minute.sketch])
            except (SketchError, ValueError, ArithmeticError, LookupError, TypeError) as error:
                log.warning("the counts of a replica of %s %s cannot be read: %s", minute.model, minute.version, error)
                continue
            writer.add(minute)
            n_taken += 1
        return n_taken

    def tap(
        self, model: str, version: str, scorer: "Scorer", profile: DataProfile | None, stats: VersionStats
    ) -> LiveTap | None:
        """Return the tap of a version that was loaded; None if nothing is counted.

        Args:
            model: The model.
            version: Its version.
            scorer: Its scorer.
            profile: What it learned from, if it has a profile.
            stats: Its counters.
        """
        if self._writer is None:
            return None
        takes_all = self._features is not None
        tap = LiveTap(
            model, version, scorer, profile, stats, wake=self._wake, seconds=self._seconds, takes_all=takes_all
        )
        if tap.counter is None and scorer.signature.writes_texts:
            log.info("%s %s writes texts: what is watched of them is measured apart", model, version)
        elif tap.counter is None:
            log.info("%s %s has no profile: its rows are only numbered, and its drift is not watched", model, version)
        elif names := tap.counter.left_out:
            log.info("%s %s: not counted, since requests do not carry them: %s", model, version, ", ".join(names))
        with self._lock:
            self._taps.append(tap)
        return tap

    def keep(self, loaded: Iterable[LiveTap | None]) -> None:
        """Forget the taps of versions that are not loaded any more, once their last rows are counted."""
        kept: Container[LiveTap | None] = set(loaded)
        with self._lock:
            for tap in self._taps:
                if tap not in kept and tap.retired_at is None:
                    tap.retired_at = self._seconds()

    def start(self) -> None:
        """Begin to count."""
        if self._writer is not None:
            self._thread.start()
        if self._explaining is not None:
            self._explaining.start()

    def health(self) -> LiveHealth:
        """Return the state of the store."""
        return LiveHealth(failure=self._failure) if self._writer is None else self._writer.health()

    def count(self) -> None:
        """Count what waits, and hand finished minutes to the store."""
        with self._lock:
            now = self._seconds()
            since = now if self._counted_at is None else self._counted_at
            self._counted_at = now
            for tap in self._taps:
                self._count_tap(tap, since)
                self._hand_over(tap, before=int(now) // MINUTE * MINUTE)
            self._taps = [
                tap
                for tap in self._taps
                if tap.retired_at is None or now - tap.retired_at < _RETIRED_SECONDS or self._minutes.get(tap)
            ]
            self._told.intersection_update(self._taps)
            if self._explaining is not None:
                self._explaining.keep(self._taps)

    def close(self) -> None:
        """Count what waits, store it with the minute under way, and stop."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._writer is None:
            return
        self.count()
        with self._lock:
            for tap in list(self._minutes):
                self._hand_over(tap, before=None)
        self._writer.close()
        if self._features is not None:
            self._features.close()
        if self._explaining is not None:  # last: it may take its time, and a server that stops has only some seconds
            self._explaining.close()

    def _run(self) -> None:
        while not self._stopping:
            # At the end of a minute, too: rows that are not counted belong to the minute of the last count.
            self._wake.wait(min(self._count_seconds, MINUTE - self._seconds() % MINUTE))
            self._wake.clear()
            try:
                self.count()
            except Exception:  # one version's rows must not end the counting of all others
                log.exception("served rows could not be counted")

    def _count_tap(self, tap: LiveTap, since: float) -> None:
        """Count what waits of one version.

        Args:
            tap: Of the version.
            since: When it was counted before: the rows that were not handed over were answered since then.
        """
        n_left_out, n_dropped, share = tap.left_out.take(), tap.dropped.take(), tap.share
        tap.follow()
        minutes = self._minutes.setdefault(tap, {})
        while taken := tap.take():
            if self._features is not None:
                self._features.add(tap, taken)
            by_part: dict[_PartOfMinute, list[AnsweredRequest]] = {}
            for each in taken:
                if each.is_counted:
                    by_part.setdefault(_part(each.at, each.share), []).append(each)
            for part, requests in by_part.items():
                self._add(tap, minutes.setdefault(part, _Minute()), requests)
                if self._explaining is not None:
                    self._explaining.add(tap, part[0], requests)
        if not n_left_out + n_dropped:
            return
        part = _part(since, share)
        minutes.setdefault(part, _Minute()).n_dropped += n_left_out + n_dropped
        if self._explaining is not None:
            self._explaining.lack(tap, part[0], n_left_out=n_left_out, share=share, n_dropped=n_dropped)
        tap.stats.n_live_left_out += n_left_out
        if n_dropped:
            tap.stats.n_live_dropped += n_dropped
            self._tell(tap, "more rows are answered than can be counted: the counts of a minute say how many they lack")

    def _add(self, tap: LiveTap, minute: _Minute, requests: list[AnsweredRequest]) -> None:
        n = sum(len(each.values) for each in requests)
        if tap.counter is None:
            minute.n += n
            tap.stats.n_live_unprofiled += n
            return
        try:
            with np.errstate(all="ignore"):
                minute.sketch.merge(tap.counter.count([Served(each.rows, each.values) for each in requests]))
        except Exception:  # a model of a plug-in may answer anything
            log.debug("%s %s: %d rows could not be counted", tap.model, tap.version, n, exc_info=True)
            minute.n_dropped += n
            tap.stats.n_live_dropped += n
            self._tell(tap, "rows cannot be counted in the bins of its profile")
        else:
            minute.n += n
            tap.stats.n_live += n

    def _tell(self, tap: LiveTap, why: str) -> None:
        if tap not in self._told:
            self._told.add(tap)
            log.warning("%s %s: %s (bondx_live_dropped_rows_total)", tap.model, tap.version, why)

    def _hand_over(self, tap: LiveTap, before: int | None) -> None:
        """Hand the minutes that began before an instant to the store; all of them if it is None."""
        assert self._writer is not None
        minutes = self._minutes.get(tap, {})
        for part in sorted(minutes):
            at, _ = part
            if before is None or at < before:
                minute = minutes.pop(part)
                index = None if tap.counter is None else tap.counter.index
                content = to_bytes(minute.sketch, index) if minute.sketch.n else b""
                counted = CountedMinute(tap.model, tap.version, tap.profile, at, minute.n, minute.n_dropped, content)
                self._writer.add(counted)
                if self._outbox is not None:
                    self._outbox.add(counted)
        if self._explaining is not None:
            self._explaining.finish(tap, before)
        if not minutes:
            self._minutes.pop(tap, None)


def _part(at: float, share: float) -> _PartOfMinute:
    """Return the part of a minute in which a share of the requests was counted.

    >>> _part(61.0, 1.0), [_part(61.0, share)[1] for share in (0.99, 0.5, 0.49, 0.02)]
    ((60, 1), [0, 0, -1, -5])
    """
    return int(at) // MINUTE * MINUTE, math.frexp(share)[1]
