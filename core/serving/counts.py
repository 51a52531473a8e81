"""The figures of all processes of one server: each process keeps a file of its own, and any of them answers the sum.

A Prometheus counter never falls, whichever process answers. So a process writes its own file first and then adds up
files only. The file of an ended process stays, because its requests were answered.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path

import msgspec

from core.files import FileAccessError, rename, write_file
from core.json_documents import decode_json
from core.plain_files import read_file
from core.serving.stats import EarlierStats, ServerStats, VersionStats
from core.telemetry.live import LiveHealth
from core.telemetry.predictions import PredictionHealth

log = logging.getLogger(__name__)

_NEWEST = "process_start_time_seconds"
_COUNTER = "_total"
_RUNNING, _ENDED = ".json", ".over"  # of a process; equally long, so that a rename changes one entry of the folder
_NOTHING = PredictionHealth(0, 0, 0, None)

Values = dict[str, float]
"""Values of the standard metrics of a process, by the name of a sample and the values of its labels."""


class LoadedFacts(msgspec.Struct):
    """The facts about a version that a process, or several, have loaded."""

    model: str
    version: str
    stage: str
    load_seconds: float  # the longest
    loaded_at: float  # the latest
    n_bytes: float  # of all


class TableFacts(msgspec.Struct):
    """What the processes have loaded, or cannot load."""

    is_ready: bool = False  # whether each of them is
    models_ready: dict[str, bool] = {}
    loaded: list[LoadedFacts] = []
    failed: list[tuple[str, str]] = []  # model, version


class Counts(msgspec.Struct):
    """The counters of one process, or of several, and their present state."""

    versions: list[tuple[str, str, VersionStats]] = []
    refused: list[tuple[str, int, int]] = []  # dialect, status, how many
    n_outcomes_refused: int = 0
    n_evicted: int = 0
    health: PredictionHealth = _NOTHING
    process: Values = {}
    table: TableFacts | None = None  # None: it still loads, or has ended
    live: LiveHealth = LiveHealth()
    earlier: dict[str, EarlierStats] = {}  # by model, of versions that have no counters of their own any more
    n_spans_sent: int = 0
    n_spans_lost: int = 0

    @classmethod
    def of(cls, stats: ServerStats, health: PredictionHealth) -> "Counts":
        """Take the counters of this process."""
        refused = [(dialect, status, n) for (dialect, status), n in list(stats.refused.items())]
        versions, earlier = stats.versions(), dict(stats.earlier)
        return cls(versions, refused, stats.n_outcomes_refused, stats.n_evicted, health, earlier=earlier)


def total(parts: Iterable[Counts]) -> Counts:
    """Add up counters; recording has failed if it has failed in one process."""
    parts = list(parts)
    stats, health = ServerStats(), _NOTHING
    loaded = {(facts.model, facts.version) for part in parts if part.table for facts in part.table.loaded}
    for part in parts:
        for model, earlier in part.earlier.items():
            stats.add_earlier(model, earlier.until, earlier.counted)
    for part in parts:
        for model, version, counted in part.versions:
            joined = stats.earlier.get(model)  # by one process, and a moment later by the others
            if joined is not None and joined.covers(version) and (model, version) not in loaded:
                joined.add(version, counted)
            else:
                stats.of(model, version).add(counted)
        for dialect, status, n in part.refused:
            stats.refused[dialect, status] += n
        stats.n_outcomes_refused += part.n_outcomes_refused
        stats.n_evicted += part.n_evicted
        sums = {
            field.name: getattr(health, field.name) + getattr(part.health, field.name)
            for field in fields(PredictionHealth)
            if field.name != "failure"
        }
        health = PredictionHealth(**sums, failure=health.failure or part.health.failure)
    found = Counts.of(stats, health)
    found.live = LiveHealth(
        sum(part.live.n_waiting for part in parts),
        sum(part.live.n_stored for part in parts),
        sum(part.live.n_dropped for part in parts),
        next((part.live.failure for part in parts if part.live.failure is not None), None),
    )
    found.n_spans_sent = sum(part.n_spans_sent for part in parts)
    found.n_spans_lost = sum(part.n_spans_lost for part in parts)
    found.process = added(part.process for part in parts)
    found.table = _joined([part.table for part in parts if part.table is not None])
    return found


def _joined(parts: list[TableFacts]) -> TableFacts | None:
    """Join what several processes have loaded; a model is ready if it is in all of them. The first knows the stages."""
    loaded: dict[tuple[str, str], LoadedFacts] = {}
    ready: dict[str, bool] = {}
    for part in parts:
        for model, is_ready in part.models_ready.items():
            ready[model] = ready.get(model, True) and is_ready
        for facts in part.loaded:
            key = (facts.model, facts.version)
            if (known := loaded.get(key)) is None:
                loaded[key] = facts
            else:
                known.n_bytes += facts.n_bytes
                known.load_seconds = max(known.load_seconds, facts.load_seconds)
                known.loaded_at = max(known.loaded_at, facts.loaded_at)
    failed = list(dict.fromkeys(key for part in parts for key in part.failed))
    return TableFacts(all(part.is_ready for part in parts), ready, list(loaded.values()), failed) if parts else None


def added(parts: Iterable[Mapping[str, float]]) -> Values:
    """Add up the values of several processes; the start is that of the newest, so that it changes with every restart.

    >>> added([{"process_open_fds": 3.0, "process_start_time_seconds": 5.0}, {"process_start_time_seconds": 9.0}])
    {'process_open_fds': 3.0, 'process_start_time_seconds': 9.0}
    """
    sums: Values = defaultdict(float)
    for part in parts:
        for key, value in part.items():
            sums[key] = max(sums[key], value) if key == _NEWEST else sums[key] + value
    return dict(sums)


def lasting(values: Mapping[str, float]) -> Values:
    """Return the values that an ended process leaves behind: its counters.

    >>> lasting({"process_open_fds": 3.0, "process_cpu_seconds_total": 1.5})
    {'process_cpu_seconds_total': 1.5}
    """
    return {key: value for key, value in values.items() if key.partition(" ")[0].endswith(_COUNTER)}


class SharedCounts:
    """The counters of the processes of one server, in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        """Prepare.

        Args:
            folder: Of all processes.
            name: Of this process; never used again after it has ended.
        """
        self._folder = folder
        self._name = name
        self._is_refused = False

    @property
    def recorder_lock(self) -> Path:
        """The file whose lock is held by the process that records the series of the server."""
        return self._folder / "recorder.lock"

    def write(self, own: Counts) -> None:
        """Write the counters of this process; on a full disk, the last ones that had room go on being read."""
        try:
            write_file(self._file(self._name, _RUNNING), msgspec.json.encode(own), durable=False)
        except FileAccessError as error:
            if not self._is_refused:
                log.error("the counters of this worker cannot be written: %s", error)
            self._is_refused = True
        else:
            self._is_refused = False

    def settle(self) -> None:
        """Note that the process has ended: its counters stay, and nothing of its state. This needs no room."""
        with suppress(OSError):  # it ended before it counted anything, or its folder is gone
            rename(self._file(self._name, _RUNNING), self._file(self._name, _ENDED))

    def total(self, own: Counts) -> Counts:
        """Add up the counters of all processes; a file that cannot be read is left out and logged."""
        self.write(own)
        parts = []
        names = {file.stem for kind in (_RUNNING, _ENDED) for file in self._folder.glob(f"[!.]*{kind}")}
        for name in sorted(names, key=lambda name: (name != self._name, name)):
            try:
                parts.append(self._read(name))
            except (OSError, msgspec.DecodeError) as error:
                log.error("the counters of %s in %s cannot be read: %s", name, self._folder, error)
        return total(parts)

    def _read(self, name: str) -> Counts:
        try:
            return decode_json(read_file(self._file(name, _RUNNING)), Counts)
        except FileNotFoundError:  # also if it has ended just now
            left = decode_json(read_file(self._file(name, _ENDED)), Counts)
        left.health = replace(left.health, n_waiting=0, failure=None)
        left.live = replace(left.live, n_waiting=0, failure=None)
        left.process, left.table = lasting(left.process), None
        return left

    def _file(self, name: str, kind: str) -> Path:
        return self._folder / f"{name}{kind}"
