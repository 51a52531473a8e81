"""One look at a live version: its new minutes are read, judged, and shown."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from core.explain.deny_list import DenyList
from core.monitoring.documents import DriftPart
from core.monitoring.live import LiveSketch, ProfileIndex, SketchError, from_bytes, profile_number
from core.monitoring.performance.residual_counts import residual_counts
from core.monitoring.performance.watch import MOST_BATCHES, OutcomeFeed
from core.monitoring.sequential.budget import FalseAlarmBudget
from core.monitoring.sequential.drift_part import FineRows, drift_part, unwatched_text
from core.monitoring.sequential.live_state import LiveState, live_state_from_bytes
from core.monitoring.sequential.recent_rows import TimedSketch
from core.monitoring.sequential.sequential_drift import OF_OUTCOMES, BinnedMinute, SequentialDrift
from core.monitoring.sequential.sketch_bins import SketchBins
from core.monitoring.sequential.stored_state import DriftStateError
from core.monitoring.sequential.streams import Streams
from core.monitoring.verdicts import DriftType, DriftVerdict
from core.monitoring.watch import LiveVersion, WatcherLook
from core.settings.monitoring import MonitoringSettings
from core.telemetry.errors import TelemetryError
from core.telemetry.live import LiveMinute, LiveReader

if TYPE_CHECKING:
    from core.monitoring.data_profile import DataProfile

log = logging.getLogger(__name__)

WATCHED_DAYS = 7  # a model without rows for longer has no share of the budget
ANSWERING = timedelta(days=1)  # a version without rows for longer has no share of the part of its model
MOST_PREPARED = 100  # versions whose bets are kept between looks
NEWEST = timedelta(minutes=10)  # counts of a minute are stored up to two minutes later
KEPT_FOR = timedelta(minutes=10)  # after a look: a watched version is looked at once a minute


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What follows from the profile of a version: computed once."""

    profile: "DataProfile"
    harmless: float
    number: str
    index: ProfileIndex
    streams: Streams
    bins: SketchBins

    def binned(self, minutes: Iterable[TimedSketch]) -> list[BinnedMinute]:
        """Count rows in the cells of the verdict."""
        return [BinnedMinute(at, self.bins.counts(sketch)) for at, sketch in minutes]


class LiveDrift:
    """Keeps the sequential verdict of every live version."""

    def __init__(
        self, live_file: Path, settings: Callable[[], MonitoringSettings], denied: Callable[[], DenyList]
    ) -> None:
        """Prepare.

        Args:
            live_file: The store of the counted minutes.
            settings: Returns the settings in force.
            denied: Returns the columns whose shares, values and slices must not appear.
        """
        self._reader = LiveReader(live_file)
        self._settings, self._denied = settings, denied
        self._prepared: dict[str, _Prepared] = {}
        self._looked_at: dict[str, datetime] = {}  # the same versions, the one looked at last at the end
        self._feeds: dict[Path, OutcomeFeed] = {}

    def look(self, version: LiveVersion, profile: "DataProfile", now: datetime, state: bytes | None) -> WatcherLook:
        """Take in the minutes that are new, and judge.

        Args:
            version: The version.
            profile: What it learned from.
            now: The time.
            state: Of the last look.
        """
        settings = self._settings()
        self._drop_unwatched(version.key, now)
        prepared = self._prepare(version, profile, settings.for_model(version.model).harmless_sd)
        known, notes = _restored(state, prepared, now)
        drift = SequentialDrift(
            prepared.streams,
            false_alarm_days=self._false_alarm_days(settings, version, now),
            matters={
                DriftType.FEATURE: version.rules.drift.feature,
                DriftType.PREDICTION: version.rules.drift.feature,
                DriftType.TARGET: version.rules.drift.target,
                DriftType.RESIDUAL: version.rules.drift.residual,
            },
            state=known.drift,
        )
        stored = self._reader.minutes(version.model, version.version, known.cursor)
        new, left_out = _sketches(prepared, stored, now)
        notes = (*notes, *left_out, *self._lacking(version, now))
        known.cursor = max([known.cursor, *(minute.seq for minute in stored)])
        drift.observe(prepared.binned(new))
        try:
            outcomes = self._outcomes(version, prepared, known, now)
        except TelemetryError as error:  # served rows are judged all the same, and no outcome is lost
            outcomes = []
            notes = (*notes, f"outcomes cannot be read now: {error}")
        drift.observe(prepared.binned(outcomes))
        new += outcomes
        known.recent.add(new)
        for minute in prepared.binned(new):
            known.course.add(minute.at, prepared.streams.table(minute.counts))
        dated = self._date(version, prepared, known, drift, now)
        drift.judge_findings()
        known.recent.follow(drift.state, prepared.streams, new, dated, prepared.index.measured_features)
        content = known.to_bytes(drift.state, prepared.streams, prepared.index)
        fine = FineRows(prepared.index, known.recent, known.course, self._denied())
        part = drift_part(drift, version.importance, fine, notes=notes)
        if part is None and prepared.streams.unwatched and not prepared.streams.columns:
            text = unwatched_text(prepared.streams.unwatched)
            part = DriftPart(as_of=now, verdict=DriftVerdict.INCONCLUSIVE, notes=(text, *notes))
        elif part is not None:
            newest = self._newest(version, prepared, now)
            part = replace(
                part, prediction_mean=newest.prediction_mean(prepared.index), missing_share=newest.missing_share()
            )
        return WatcherLook(part=part, state=content, cursor=known.cursor)

    def _newest(self, version: LiveVersion, prepared: _Prepared, now: datetime) -> LiveSketch:
        """Return the rows of the last minutes; a minute that cannot be read is left out, as in the verdict."""
        stored = self._reader.between(version.model, version.version, now - NEWEST, now)
        newest = LiveSketch()
        for _, sketch in _sketches(prepared, stored, now)[0]:
            newest.merge(sketch)
        return newest

    def _lacking(self, version: LiveVersion, now: datetime) -> list[str]:
        """Say how many answered rows of today and yesterday are not in the counts, and of how many."""
        yesterday = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
        n, n_dropped = self._reader.answered(version.model, version.version, yesterday, now)
        if not n_dropped:
            return []
        return [
            f"{n_dropped:,} of the {n:,} rows answered today and yesterday are not counted: in busy minutes only a "
            "random share of the requests is counted, and rows that come too fast are dropped"
        ]

    def _date(
        self, version: LiveVersion, prepared: _Prepared, known: LiveState, drift: SequentialDrift, now: datetime
    ) -> dict[int, list[TimedSketch]]:
        """Date what has moved; return, by stream that was dated, the rows around its change."""
        if (since := drift.history_from) is None:
            return {}
        end = (drift.state.last_at or now) + timedelta(minutes=1)
        served, _ = _sketches(prepared, self._reader.between(version.model, version.version, since, end), now)
        outcomes = list(known.outcomes.since(since, prepared.index))
        drift.date_findings(prepared.binned([*served, *outcomes]))
        return {k: outcomes if prepared.streams.streams[k].key[0] in OF_OUTCOMES else served for k in drift.undated()}

    def _outcomes(
        self, version: LiveVersion, prepared: _Prepared, known: LiveState, now: datetime
    ) -> list[TimedSketch]:
        """Read the outcomes that are new, by the minute of their prediction, and note how far they were read."""
        file = version.workspace.predictions_file
        feed = self._feeds.setdefault(file, OutcomeFeed(file))
        found: dict[int, LiveSketch] = {}
        for _ in range(MOST_BATCHES):
            batch = feed.labelled(known.outcomes_read, now)
            known.outcomes_read = batch.cursor
            own = batch.versions.get((version.model, version.version), ())
            for at_us, sketch in residual_counts(prepared.index, own).items():
                found.setdefault(at_us // 1_000_000, LiveSketch()).merge(LiveSketch(answers=sketch.answers))
            if batch.is_last:
                break
        known.outcomes.add(found)
        return [(datetime.fromtimestamp(at, UTC), found[at]) for at in sorted(found) if at <= now.timestamp()]

    def _drop_unwatched(self, key: str, now: datetime) -> None:
        """Drop the bets of versions that are no longer looked at, a megabyte and more each."""
        self._looked_at.pop(key, None)
        n_others = len(self._looked_at)
        for k, (other, at) in enumerate(tuple(self._looked_at.items())):
            if now - at > KEPT_FOR or n_others - k >= MOST_PREPARED:
                del self._looked_at[other]
                self._prepared.pop(other, None)
        self._looked_at[key] = now

    def _prepare(self, version: LiveVersion, profile: "DataProfile", harmless: float) -> _Prepared:
        known = self._prepared.get(version.key)
        if known is None or known.harmless != harmless or (known.profile is not profile and known.profile != profile):
            streams = Streams(profile, version.importance, harmless=harmless)
            bins = SketchBins(streams.layouts)
            known = _Prepared(profile, harmless, profile_number(profile), ProfileIndex(profile), streams, bins)
            self._prepared[version.key] = known
        return known

    def _false_alarm_days(self, settings: MonitoringSettings, version: LiveVersion, now: datetime) -> float:
        """Split the budget over the models that answered lately, and the part of a model over its versions."""
        known = list(self._reader.versions())
        models = {found.model for found in known if found.last_at >= now - timedelta(days=WATCHED_DAYS)}
        own = {found.version for found in known if found.model == version.model and found.last_at >= now - ANSWERING}
        budget = FalseAlarmBudget.of(settings, models | {version.model})
        return budget.false_alarm_days(version.model, len(own | {version.version}))


def _restored(state: bytes | None, prepared: _Prepared, now: datetime) -> tuple[LiveState, tuple[str, ...]]:
    """Return the state of the last look; a state that cannot be used is replaced by what is still stored."""
    if state is None:
        return LiveState(), ()
    try:
        found = live_state_from_bytes(state, prepared.streams, prepared.index)
    except DriftStateError as error:
        return LiveState(), (f"judged again from the stored minutes: {error}",)
    if found.drift is not None and found.drift.last_at is not None and found.drift.last_at > now:
        return LiveState(), ("judged again from the stored minutes: the clock was ahead at an earlier look",)
    return found, ()


def _sketches(prepared: _Prepared, minutes: Iterable[LiveMinute], now: datetime) -> tuple[list[TimedSketch], list[str]]:
    """Add up the parts of each minute, oldest first; minutes in the bins of other profiles are left out.

    Returns:
        The minutes, and what was left out besides: what cannot be read, and what a clock that was ahead has dated.
    """
    found: dict[datetime, LiveSketch] = {}
    n_damaged = n_ahead = 0
    for minute in minutes:
        if not minute.sketch or minute.profile != prepared.number:
            continue
        if minute.at > now:  # it would make all that comes until then late
            n_ahead += 1
            continue
        try:
            sketch = from_bytes(prepared.index, minute.sketch)
        except SketchError as error:
            log.warning("the minute %s of live.db is left out: %s", minute.at, error)
            n_damaged += 1
        else:
            found.setdefault(minute.at, LiveSketch()).merge(sketch)
    said = [
        f"{n:,} minutes are left out: {why}"
        for n, why in ((n_damaged, "their counts are damaged"), (n_ahead, "they are dated later than now"))
        if n
    ]
    return sorted(found.items(), key=lambda pair: pair[0]), said
