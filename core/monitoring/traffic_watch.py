"""Watch what a live version answers: how many requests, how many failed, how fast, and since when there was none."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

import msgspec

from core.json_documents import decode_json
from core.monitoring.documents import TrafficPart
from core.monitoring.watch import LiveVersion, Watcher, WatcherLook
from core.telemetry.predictions import PredictionReader
from core.telemetry.predictions.traffic import TrafficGrain, TrafficSpan

WEEK_DAYS = 7
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_LEAST_USUAL = 50
"""Fewer requests in the last day do not say which latency is usual."""


class _Gaps(msgspec.Struct, frozen=True, kw_only=True):
    """The times without a request, as far as a week needs them."""

    first_at: datetime
    last_at: datetime  # the last minute with a request
    longest: dict[str, float] = {}  # by day, in seconds

    def seen(self, minutes: Iterable[datetime]) -> "_Gaps":
        """Return the gaps after further minutes with requests, in order."""
        last_at, longest = self.last_at, dict(self.longest)
        for at in minutes:
            if at > last_at:
                day = f"{at:%Y-%m-%d}"
                longest[day] = max(longest.get(day, 0.0), (at - last_at).total_seconds())
                last_at = at
        kept = dict(sorted(longest.items())[-WEEK_DAYS - 1 :])
        return _Gaps(first_at=self.first_at, last_at=last_at, longest=kept)

    def usual(self, now: datetime) -> float | None:
        """Return the longest gap of a week with requests in seconds; None if it was watched for less than a week."""
        if now - self.first_at < WEEK_DAYS * _DAY:
            return None
        since = f"{now - WEEK_DAYS * _DAY:%Y-%m-%d}"
        lately = [seconds for day, seconds in self.longest.items() if day >= since]
        return max(lately or self.longest.values(), default=None)  # silent for a week: the gaps of the week before


class TrafficWatch(Watcher):
    """Reads the sums that servers store with their predictions; no prediction is read."""

    name: ClassVar[str] = "traffic"

    def __init__(self, predictions_file: Path) -> None:
        """Prepare to read a store, which need not be there yet."""
        self._reader = PredictionReader(predictions_file)

    def look(self, version: LiveVersion, now: datetime, state: bytes | None) -> WatcherLook:
        """Sum up the window of the policy, and note gaps since the last look."""
        window = timedelta(minutes=version.rules.health.window_minutes)
        minute = now.replace(second=0, microsecond=0)
        hours = self._spans(version, minute - _DAY, minute, TrafficGrain.HOUR)
        gaps = _remembered(state, now) or self._first_gaps(version, minute)
        since = minute - window if gaps is None else min(max(gaps.last_at, minute - _DAY), minute - window)
        minutes = self._spans(version, since, minute, TrafficGrain.MINUTE)
        asked = [span.at for span in minutes if span.n_requests]
        if gaps is None and not asked:
            return WatcherLook()
        gaps = (gaps or _Gaps(first_at=asked[0], last_at=asked[0])).seen(asked)
        recent = [span for span in minutes if span.at >= minute - window]
        before = [span for span in hours if span.at + _HOUR <= minute]
        part = TrafficPart(
            as_of=minute,
            minutes=version.rules.health.window_minutes,
            n_requests=sum(span.n_requests for span in recent),
            n_failed=sum(span.n_failed for span in recent),
            p50_ms=_typical([(span.p50_ms, span) for span in recent]),
            p95_ms=_typical([(span.p95_ms, span) for span in recent]),
            usual_p95_ms=_usual(before),
            last_at=gaps.last_at,
            usual_gap_seconds=gaps.usual(now),
            requests=_by_hour(hours, minute),
        )
        return WatcherLook(part=part, state=msgspec.json.encode(gaps), cursor=int(gaps.last_at.timestamp()))

    def _first_gaps(self, version: LiveVersion, now: datetime) -> _Gaps | None:
        """Return the gaps of the last week by the hour: longer than they were, which calls nothing silent too early."""
        hours = self._spans(version, now - (WEEK_DAYS + 1) * _DAY, now, TrafficGrain.HOUR)
        asked = [span.at for span in hours if span.n_requests]
        return _Gaps(first_at=asked[0], last_at=asked[0]).seen(asked) if asked else None

    def _spans(self, version: LiveVersion, since: datetime, until: datetime, grain: TrafficGrain) -> list[TrafficSpan]:
        return self._reader.traffic(since, until, by=grain, model=version.model, version=version.version)


def _remembered(state: bytes | None, now: datetime) -> _Gaps | None:
    """Return what was noted; None if it cannot be read, or was noted while the clock was ahead."""
    try:
        gaps = decode_json(state, type=_Gaps) if state else None
    except msgspec.DecodeError:
        return None
    return gaps if gaps is not None and gaps.last_at <= now else None


def _usual(hours: Sequence[TrafficSpan]) -> float | None:
    enough = sum(span.n_requests - span.n_failed for span in hours) >= _LEAST_USUAL
    return _typical([(span.p95_ms, span) for span in hours]) if enough else None


def _typical(values: Sequence[tuple[float | None, TrafficSpan]]) -> float | None:
    """Return the median of a quantile over spans, weighted by their answers: one slow minute does not decide."""
    known = sorted((value, span.n_requests - span.n_failed) for value, span in values if value is not None)
    half, so_far = sum(n for _, n in known) / 2, 0
    for value, n in known:
        so_far += n
        if so_far >= half:
            return round(value, 3)
    return None


def _by_hour(hours: Sequence[TrafficSpan], now: datetime) -> tuple[int, ...]:
    """Return the requests of each hour of the last day, oldest first; the last hour has begun."""
    newest = now.replace(minute=0)
    found = {span.at: span.n_requests for span in hours}
    return tuple(found.get(newest - n * _HOUR, 0) for n in range(23, -1, -1))
