"""The resources that the machine and our processes use, sampled once a second by the engine."""

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import psutil

if TYPE_CHECKING:
    from core.state import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSample:
    """The resources of one process."""

    pid: int
    cpu_percent: float  # of one core, since the previous sample; 200 is two cores
    rss_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSample:
    """The resources in use at one instant. An unavailable figure is NaN, never zero."""

    at: datetime
    cpu_percent: float  # of all cores together, since the previous sample
    memory_percent: float
    memory_used_bytes: int
    memory_total_bytes: int
    disk_percent: float  # of the workspace's file system
    disk_free_bytes: int
    net_sent_bytes_per_second: float
    net_received_bytes_per_second: float
    processes: Mapping[str, ProcessSample] = field(default_factory=dict)  # by role: "engine", "trainer"

    @property
    def foreign_cpu_percent(self) -> float:
        """The CPU that other programs use, of all cores together: a training that uses what is idle is no incident."""
        own = sum(process.cpu_percent for process in self.processes.values())
        return max(self.cpu_percent - own / (os.cpu_count() or 1), 0.0)

    def series(self) -> Iterator[tuple[str, float]]:
        """Yield every figure as (telemetry series, value)."""
        yield "resource.cpu_percent", self.cpu_percent
        yield "resource.memory_percent", self.memory_percent
        yield "resource.disk_percent", self.disk_percent
        yield "resource.net_sent_bytes_per_second", self.net_sent_bytes_per_second
        yield "resource.net_received_bytes_per_second", self.net_received_bytes_per_second
        for role, process in self.processes.items():
            yield f"process.{role}.cpu_percent", process.cpu_percent
            yield f"process.{role}.rss_bytes", float(process.rss_bytes)


class Sink(Protocol):
    """The receiver of samples: the telemetry's writer."""

    def add(self, series: str, at: datetime, value: float) -> None:
        """Add one value of one series; a non-finite value is left out."""


class ResourceSampler:
    """Takes one sample per call, on one thread; the rates of the first sample are NaN."""

    def __init__(self, workspace: "Workspace", *, pids: Mapping[str, int] | None = None) -> None:
        """Start sampling.

        Args:
            workspace: The workspace whose disk is measured.
            pids: Processes to follow by role; by default this process as "engine".
        """
        self._workspace = workspace
        self._processes: dict[str, psutil.Process] = {}
        self._network: tuple[datetime, int, int] | None = None
        psutil.cpu_percent()  # starts the clock: the next call returns the use since then
        for role, pid in (pids if pids is not None else {"engine": os.getpid()}).items():
            self.follow(role, pid)

    def follow(self, role: str, pid: int | None) -> None:
        """Follow another process in a role, or no process: the trainer's child comes and goes.

        A pid that does not exist (any more) clears the role.
        """
        if (known := self._processes.get(role)) is not None and known.pid == pid and _is_alive(known):
            return
        self._processes.pop(role, None)
        if pid is None:
            return
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            process.cpu_percent()
            self._processes[role] = process

    def sample(self, now: datetime) -> ResourceSample:
        """Take a sample.

        Args:
            now: The time, also for the rates since the previous sample.
        """
        memory = psutil.virtual_memory()
        disk = psutil.disk_usage(str(self._workspace.root))
        sent, received = self._network_rates(now)
        return ResourceSample(
            at=now,
            cpu_percent=psutil.cpu_percent(),
            memory_percent=memory.percent,
            memory_used_bytes=memory.total - memory.available,
            memory_total_bytes=memory.total,
            disk_percent=disk.percent,
            disk_free_bytes=disk.free,
            net_sent_bytes_per_second=sent,
            net_received_bytes_per_second=received,
            processes=dict(self._process_samples()),
        )

    def _process_samples(self) -> Iterator[tuple[str, ProcessSample]]:
        for role, process in list(self._processes.items()):
            try:
                with process.oneshot():
                    sample = ProcessSample(
                        pid=process.pid, cpu_percent=process.cpu_percent(), rss_bytes=process.memory_info().rss
                    )
            except psutil.Error:  # it has ended
                del self._processes[role]
                continue
            yield role, sample

    def _network_rates(self, now: datetime) -> tuple[float, float]:
        counters = psutil.net_io_counters()
        if counters is None:  # no network interface, as in some containers
            return math.nan, math.nan
        before, self._network = self._network, (now, counters.bytes_sent, counters.bytes_recv)
        if before is None or (seconds := (now - before[0]).total_seconds()) <= 0:
            return math.nan, math.nan
        sent, received = counters.bytes_sent - before[1], counters.bytes_recv - before[2]
        if sent < 0 or received < 0:  # an interface has disappeared, and its counts with it
            return math.nan, math.nan
        return sent / seconds, received / seconds


def write_sample(sample: ResourceSample, sink: Sink) -> None:
    """Write every figure of a sample to the telemetry."""
    for series, value in sample.series():
        sink.add(series, sample.at, value)


def _is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
