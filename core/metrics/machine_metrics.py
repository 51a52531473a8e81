"""The metrics of the machine, measured at each request, and of the engine's processes, as the engine samples them."""

from collections.abc import Callable, Iterable
from contextlib import suppress

import psutil
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from core.clock import Clock, utc_now
from core.metrics import catalogue
from core.view.snapshot import Snapshot

MOST_AGE_SECONDS = 60.0
"""The engine samples once a second: an older sample says nothing about now."""
_ROLES = ("engine", "trainer")
_MODES = ("user", "system", "idle", "iowait", "irq", "softirq", "steal", "nice")


class MachineMetrics(Collector):
    """CPU, memory, disk and network."""

    def __init__(self, snapshot: Callable[[], Snapshot], clock: Clock = utc_now) -> None:
        self._snapshot = snapshot
        self._clock = clock

    def collect(self) -> Iterable[Metric]:
        """Measure the machine, and pass on the newest samples of the engine."""
        snapshot = self._snapshot()
        times = psutil.cpu_times()._asdict()
        cpu = catalogue.MACHINE_CPU.family()
        for mode in _MODES:
            if mode in times:
                cpu.add_metric((mode,), times[mode])
        yield cpu
        memory = psutil.virtual_memory()
        yield catalogue.MACHINE_MEMORY_USED.family(memory.total - memory.available)
        yield catalogue.MACHINE_MEMORY_TOTAL.family(memory.total)
        with suppress(OSError):  # the folder is gone: `bondx_state_problems` says so
            disk = psutil.disk_usage(str(snapshot.workspace))
            yield catalogue.MACHINE_DISK_FREE.family(disk.free)
            yield catalogue.MACHINE_DISK_USED.family(disk.used)
            yield catalogue.MACHINE_DISK_TOTAL.family(disk.total)
        if (network := psutil.net_io_counters()) is not None:  # none in some containers
            yield catalogue.MACHINE_NETWORK_SENT.family(network.bytes_sent)
            yield catalogue.MACHINE_NETWORK_RECEIVED.family(network.bytes_recv)
        yield from self._of_the_engine(snapshot)

    def _of_the_engine(self, snapshot: Snapshot) -> Iterable[Metric]:
        cpu, memory = catalogue.ENGINE_CPU.family(), catalogue.ENGINE_MEMORY.family()
        for role in _ROLES:
            if (percent := self._sampled(snapshot, f"process.{role}.cpu_percent")) is not None:
                cpu.add_metric((role,), percent / 100)
            if (n_bytes := self._sampled(snapshot, f"process.{role}.rss_bytes")) is not None:
                memory.add_metric((role,), n_bytes)
        yield from (cpu, memory)
        if (days := snapshot.latest("disk.days_until_full")) is not None:
            yield catalogue.DISK_DAYS.family(days)

    def _sampled(self, snapshot: Snapshot, series: str) -> float | None:
        points = snapshot.resources.get(series, ())
        if not points or self._clock().timestamp() - points[-1][0] > MOST_AGE_SECONDS:
            return None
        return points[-1][1]
