"""The parts that keep their own past: samples, epochs, the audit record, and the end of the last engine."""

from bisect import bisect_left
from collections.abc import Hashable, Mapping
from datetime import datetime
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from core.view.parts.part import HistoryPart, PartSource, file_mark
from core.view.snapshot import SeriesPoint

if TYPE_CHECKING:
    from core.governance import AuditRecord
    from core.state import Workspace
    from core.telemetry.courses import EpochCourses
    from core.telemetry.epoch_page import EpochPages
    from core.telemetry.series_watch import SeriesWatch

RESOURCE_SERIES = (
    "resource.cpu_percent",
    "resource.memory_percent",
    "resource.disk_percent",
    "disk.days_until_full",
    "disk.days_until_full_low",
    "disk.days_until_full_high",
    "resource.net_sent_bytes_per_second",
    "resource.net_received_bytes_per_second",
    "process.engine.cpu_percent",
    "process.engine.rss_bytes",
    "process.trainer.cpu_percent",
    "process.trainer.rss_bytes",
)
MAX_AUDIT_RECORDS = 300
_sampled_at = itemgetter(0)


class LastEnginePart(HistoryPart):
    """When the engine ended that runs no more. Its lease file tells only of the last one, and nothing of the past."""

    name = "last_engine"

    @override
    def read(self) -> Mapping[str, Any]:
        from core.state import last_beat

        return {"engine_left_at": None if self._look.seen.engine is not None else last_beat(self._workspace)}

    @override
    def read_as_of(self, when: datetime) -> Mapping[str, Any]:
        return {"engine_left_at": None}


class ResourcesPart(HistoryPart):
    """Samples of the machine and our processes, as far back as the source reaches."""

    name = "resources"

    def __init__(self, look: PartSource) -> None:
        super().__init__(look)
        self._samples: dict[str, tuple[SeriesPoint, ...]] = {}

    @override
    def mark(self) -> Hashable:
        return file_mark(self._workspace.telemetry_file)

    @override
    def read(self) -> Mapping[str, Any]:
        """Fetch the samples since the last read, and drop those older than the history."""
        now = self._look.clock()
        horizon = now - self._look.history
        oldest = horizon.timestamp()
        for series in RESOURCE_SERIES:
            known = self._samples.get(series, ())
            newest = known[-1][0] if known else 0.0
            start = max(horizon, datetime.fromtimestamp(newest, now.tzinfo))
            samples = self._look.telemetry.samples(series, start, now)
            fresh = tuple(point for point in samples if point[0] > newest)
            if fresh or (known and known[0][0] < oldest):
                kept = known + fresh
                self._samples[series] = kept[bisect_left(kept, oldest, key=_sampled_at) :]
        return {"resources": MappingProxyType(dict(self._samples))}

    @override
    def read_as_of(self, when: datetime) -> Mapping[str, Any]:
        start, reader = when - self._look.history, self._look.telemetry
        resources = {series: tuple(reader.between(series, start, when)) for series in RESOURCE_SERIES}
        return {"resources": MappingProxyType({series: points for series, points in resources.items() if points})}


class EpochsPart(HistoryPart):
    """The metrics of the active session's run and of the followed runs: their course, thinned, and a page of epochs.

    Both are brought up to date by what is new: their cost does not grow with a run.
    """

    name = "epochs"

    def __init__(self, look: PartSource) -> None:
        super().__init__(look)
        self._watch: SeriesWatch | None = None
        self._courses: EpochCourses | None = None
        self._pages: EpochPages | None = None

    @property
    @override
    def is_wanted(self) -> bool:
        return self._look.looks_at_epochs

    @override
    def mark(self) -> Hashable:
        around = tuple(sorted(self._look.around.items()))
        return file_mark(self._workspace.telemetry_file), self._look.run_ids, around

    @override
    def read(self) -> Mapping[str, Any]:
        from core.telemetry.courses import EpochCourses
        from core.telemetry.epoch_page import EpochPages
        from core.telemetry.series_watch import SeriesWatch

        if self._watch is None or self._courses is None or self._pages is None:
            reader = self._look.telemetry
            self._watch = SeriesWatch(reader)
            self._courses, self._pages = EpochCourses(reader.of_epochs), EpochPages(reader.of_epochs)
        seen = self._watch.look(self._look.run_ids)
        return {
            "epochs": self._courses.follow(seen),
            "epoch_pages": self._pages.follow(seen, self._look.around),
        }

    @override
    def read_as_of(self, when: datetime) -> Mapping[str, Any]:
        from core.telemetry.chunk import to_us
        from core.telemetry.courses import courses_as_of
        from core.telemetry.epoch_page import page_as_of

        epochs, until_us = self._look.telemetry.of_epochs, to_us(when)
        courses, pages = {}, {}
        for run_id in sorted(self._look.run_ids):
            courses[run_id] = courses_as_of(epochs, run_id, until_us)
            newest = max((points[-1][0] for points in courses[run_id].values()), default=None)
            around = self._look.around.get(run_id)
            pages[run_id] = page_as_of(epochs, run_id, until_us, newest, around)
        return {"epochs": MappingProxyType(courses), "epoch_pages": MappingProxyType(pages)}


class AuditPart(HistoryPart):
    """The newest audit records, the newest first."""

    name = "audit"

    @override
    def mark(self) -> Hashable:
        return audit_mark(self._workspace)

    @override
    def read(self) -> Mapping[str, Any]:
        return {"audit": _newest_records(self._workspace, until=None)}

    @override
    def read_as_of(self, when: datetime) -> Mapping[str, Any]:
        return {"audit": _newest_records(self._workspace, until=when)}


def audit_mark(workspace: "Workspace") -> Hashable:
    """Return a value that changes whenever a record is added to the audit log."""
    return file_mark(workspace.audit_file)


def _newest_records(workspace: "Workspace", *, until: datetime | None) -> "tuple[AuditRecord, ...]":
    from core.governance import AuditLog

    if not workspace.audit_file.exists():
        return ()  # opening the log would create its key; only writers may do that
    return tuple(reversed(AuditLog(workspace).tail(MAX_AUDIT_RECORDS, until=until)))
