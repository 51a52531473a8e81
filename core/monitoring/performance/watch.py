"""The watcher of performance: it reads what is new, adds it up, and reports.

One pass over new outcomes serves all versions: what the look at one version has read is kept for the looks at the
others in the same round. A state that cannot be read is begun again from the first outcome that is stored.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, TypeVar

from core.explain.deny_list import NONE_DENIED, DenyList
from core.monitoring.data_profile import DataProfile
from core.monitoring.performance.report import report_of
from core.monitoring.performance.shown import PerformanceReport
from core.monitoring.performance.state import PerformanceState
from core.monitoring.performance.verdict import PerformanceRules
from core.monitoring.watch import LiveVersion, Watcher, WatcherLook
from core.settings.monitoring import MonitoringSettings
from core.telemetry.predictions import AnswerCounts, Cursor, LabelledBatch, PredictionReader

log = logging.getLogger(__name__)

SETTLED = timedelta(seconds=5)
"""Another server process may not have committed the prediction of a younger outcome yet."""
TAKEN_UP = timedelta(minutes=1)
"""After a profile was made, servers record its slices: they look at the registry every second, and read it again."""
MOST_BATCHES = 60
"""Batches of one look: a million outcomes and more, so that a first look at a long past ends within a minute."""
_KEPT = 8

_Place = tuple[Cursor, datetime]
_Found = TypeVar("_Found")


class OutcomeFeed:
    """Reads new outcomes and answers once for all versions that are at the same place."""

    def __init__(self, file: Path) -> None:
        """Open; a store that is not there yet has nothing new.

        Args:
            file: Of predictions and outcomes.
        """
        self._reader = PredictionReader(file)
        self._labelled: OrderedDict[_Place, LabelledBatch] = OrderedDict()
        self._counted: OrderedDict[_Place, AnswerCounts] = OrderedDict()

    def labelled(self, after: Cursor, now: datetime) -> LabelledBatch:
        """Return the next labelled answers of all versions."""
        return _once(self._labelled, (after, now), lambda: self._reader.labelled(after, settled_before=now - SETTLED))

    def answers(self, after: Cursor, now: datetime) -> AnswerCounts:
        """Return the next answers of all versions, counted."""
        return _once(self._counted, (after, now), lambda: self._reader.answer_counts(after))

    def close(self) -> None:
        """Close the store."""
        self._reader.close()


def _once(known: "OrderedDict[_Place, _Found]", key: _Place, read: "Callable[[], _Found]") -> _Found:
    if key not in known:
        known[key] = read()
        while len(known) > _KEPT:
            known.popitem(last=False)
    return known[key]


class PerformanceWatch(Watcher):
    """Watches the performance of live versions, of the answers whose outcomes are known."""

    name: ClassVar[str] = "performance"

    def __init__(
        self,
        settings: Callable[[], MonitoringSettings] = MonitoringSettings,
        denied: Callable[[], DenyList] = lambda: NONE_DENIED,
    ) -> None:
        """Prepare to watch.

        Args:
            settings: Return the `monitoring` block that is in force.
            denied: Returns the columns whose slices must not appear.
        """
        self._settings, self._denied = settings, denied
        self._feeds: dict[Path, OutcomeFeed] = {}

    def look(self, version: LiveVersion, now: datetime, state: bytes | None) -> WatcherLook:
        """Add what is new, and report; arguments as in the protocol."""
        if version.writes_texts:
            return WatcherLook()
        file = version.workspace.predictions_file
        feed = self._feeds.setdefault(file, OutcomeFeed(file))
        found = read_state(version.key, state, version.profile, version.profile_since)
        catch_up(found, feed, version.model, version.version, version.profile, now)
        rules = PerformanceRules.of(self._settings().for_model(version.model))
        report = report_of(found, version.profile, now, rules=rules, denied=self._denied())
        part = report.part() if found.n_answered or found.n_outcomes else None
        return WatcherLook(part=part, state=found.to_bytes(), cursor=found.cursor.outcome)


def read_state(
    version: str, state: bytes | None, profile: DataProfile | None, profile_since: datetime | None = None
) -> PerformanceState:
    """Read the state of a version, or begin again where there is none that can be read, or that the profile fits.

    Args:
        version: Its name, for the log.
        state: The state.
        profile: What it learned from.
        profile_since: When the profile was made, if that was after the version was registered.
    """
    found = PerformanceState.begun(profile)
    if state is not None:
        try:
            found = PerformanceState.from_bytes(state, found.columns)
            if not found.fits(profile):
                raise ValueError("a profile was made for it since")
        except ValueError as error:
            log.warning("%s: its performance is counted from the first stored outcome again: %s", version, error)
            found = PerformanceState.begun(profile)
    if profile_since is not None:
        found.slices_since_us = int((profile_since + TAKEN_UP).timestamp() * 1e6)
    return found


def catch_up(
    state: PerformanceState, feed: OutcomeFeed, model: str, version: str, profile: DataProfile | None, now: datetime
) -> None:
    """Add the outcomes and the answers that are new.

    Args:
        state: What is added to.
        feed: Where they are read.
        model: The model.
        version: Its version.
        profile: What it learned from.
        now: The time.
    """
    now_us = int(now.timestamp() * 1e6)
    for _ in range(MOST_BATCHES):
        counted = feed.answers(state.cursor, now)
        state.count(counted.versions.get((model, version), {}))
        state.cursor = counted.cursor
        batch = feed.labelled(state.cursor, now)
        state.add(batch.versions.get((model, version), ()), profile)
        state.cursor = batch.cursor
        state.is_behind = not (batch.is_last and counted.is_last)
        state.forget(now_us)
        if not state.is_behind:
            return


def current_report(
    file: Path,
    model: str,
    version: str,
    profile: DataProfile | None,
    now: datetime,
    *,
    state: bytes | None = None,
    profile_since: datetime | None = None,
    by: str = "",
    rules: PerformanceRules = PerformanceRules(),  # noqa: B008 - it cannot change
    denied: DenyList = NONE_DENIED,
) -> PerformanceReport:
    """Report on a version as of now, without writing anything.

    Args:
        file: Of predictions and outcomes.
        model: The model.
        version: Its version.
        profile: What it learned from.
        now: The time.
        state: What the engine has added up; without it, all stored outcomes are read.
        profile_since: When the profile was made, if that was after the version was registered.
        by: Only slices of this column are listed.
        rules: What is judged.
        denied: Columns whose slices must not appear.
    """
    feed = OutcomeFeed(file)
    try:
        found = read_state(f"{model}@{version}", state, profile, profile_since)
        catch_up(found, feed, model, version, profile, now)
    finally:
        feed.close()
    return report_of(found, profile, now, by=by, rules=rules, denied=denied)
