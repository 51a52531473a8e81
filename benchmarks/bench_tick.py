"""What a second costs a console beside an engine: reading the workspace, and drawing what is new in it.

    python benchmarks/bench_tick.py [--size 120x40] [--ticks 20]

The console runs in this process without a terminal, and the engine is this script: each second it samples the machine,
and in the second pass it completes an epoch as well. The calls of functions do not depend on how busy the machine is;
the milliseconds are CPU time, the lower quartile of all ticks. Twenty consoles beside a training cost twenty times as
much: the goal is 20 ms a tick for each, 2 % of a core.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from textual._compositor import CompositorUpdate
from textual.pilot import Pilot

from console.app.app import BondxApp
from console.screen_catalog import IN_ROW
from core.actor import Actor
from core.quality.gate import judge
from core.settings import load_settings
from core.state import Lease, Workspace
from core.telemetry import TelemetryWriter
from core.training.sessions import Sessions
from core.view.parts.histories import RESOURCE_SERIES
from core.view.snapshot import HISTORY_SECONDS
from tests.apps import settled
from tools.demo import N_EPOCHS, epoch_metrics, make_demo

NOW = datetime(2026, 3, 2, 3, 4, tzinfo=UTC)
RUN, SESSION = "r-0001", "s-0002"
SAMPLED = tuple(series for series in RESOURCE_SERIES if not series.startswith("disk."))


class Engine:
    """What an engine writes, one second after the other."""

    def __init__(self, workspace: Workspace) -> None:
        self.now = NOW
        self._telemetry = TelemetryWriter(workspace.telemetry_file, clock=lambda: self.now)
        self._sessions = Sessions(workspace, clock=lambda: self.now)
        self._epoch = N_EPOCHS
        for seconds in range(-HISTORY_SECONDS, 0):
            self._sample(NOW + timedelta(seconds=seconds))
        self._telemetry.flush()

    def sample(self) -> None:
        """Let a second pass, and sample the machine."""
        self.now += timedelta(seconds=1)
        self._sample(self.now - timedelta(milliseconds=5))
        self._telemetry.flush()

    def _sample(self, at: datetime) -> None:
        for number, series in enumerate(SAMPLED, 1):
            self._telemetry.add(series, at, 20.0 + int(at.timestamp()) * 7919 * number % 60)

    def complete_epoch(self) -> None:
        """Complete an epoch of four models, with its gates."""
        self._epoch += 1
        metrics = epoch_metrics(self._epoch)
        gates = tuple(judge(f"gate_{n}", 40 + 7.3 * n + self._epoch / 7, ">=", 30.0, unit="%") for n in range(18))
        self._telemetry.add_epoch(RUN, self._epoch, metrics, self.now)
        self._telemetry.flush()
        self._sessions.observe(
            SESSION, "epoch.complete", actor=Actor.engine(), run_id=RUN, epoch=self._epoch,
            score=metrics.get("score"), quality_score=metrics["quality.score"], metrics=metrics, gates=gates,
            last_progress_at=self.now, eta_seconds=1720.0 - self._epoch,
        )  # fmt: skip

    def close(self) -> None:
        """Close its store."""
        self._telemetry.close()


class MeasuredApp(BondxApp):
    """A console that counts the bytes that it would send."""

    n_bytes = 0

    def _display(self, screen: object, renderable: object) -> None:
        if isinstance(renderable, CompositorUpdate) and not self._batch_count:
            self.n_bytes += len(renderable.render_segments(self.console).encode())


@dataclass
class Cost:
    """What a piece of work cost."""

    calls: int
    cpu_ms: float


async def cost_of(work: Callable[[], Awaitable[None]], *, counts: bool) -> Cost:
    """Measure a piece of work, either its calls or its time: counting takes three times as long."""
    n_calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal n_calls
        n_calls += event in ("call", "c_call")

    begin = time.thread_time()
    if counts:
        sys.setprofile(count)
    try:
        await work()
    finally:
        sys.setprofile(None)
    return Cost(n_calls, (time.thread_time() - begin) * 1000)


async def ticks(
    app: MeasuredApp, pilot: Pilot[None], engine: Engine, *, number: int, trains: bool, counts: bool
) -> str:
    """Let an engine work for some seconds, and describe what each cost the console."""

    async def read() -> None:
        app._poller.look()

    async def draw() -> None:
        await settled(pilot)

    found: list[tuple[Cost, Cost]] = []
    before = app.n_bytes
    for _ in range(number):
        engine.sample()
        if trains:
            engine.complete_epoch()
        rest = await cost_of(draw, counts=counts)  # what it takes to see that nothing is to be done
        reading = await cost_of(read, counts=counts)
        drawing = await cost_of(draw, counts=counts)
        found.append((reading, Cost(drawing.calls - rest.calls, drawing.cpu_ms - rest.cpu_ms)))
    if counts:
        return "".join(f"{_quartile([pair[part].calls for pair in found]):>12,.0f}" for part in (0, 1))
    milliseconds = "".join(f"{_quartile([pair[part].cpu_ms for pair in found]):>12.2f}" for part in (0, 1))
    return f"{milliseconds}{(app.n_bytes - before) / number:>12,.0f}"


def _quartile(figures: list[float]) -> float:
    return max(0, sorted(figures)[len(figures) // 4])


async def measure(folder: Path, size: tuple[int, int], number: int) -> None:
    """Print the cost of a tick for each screen, with samples alone and with an epoch."""
    root = folder / "desk-risk"
    make_demo(root, now=NOW)
    workspace = Workspace.open(root)
    engine = Engine(workspace)
    app = MeasuredApp(workspace, load_settings(workspace.settings_file), embed=False, clock=lambda: engine.now)
    print(f"{'':<26}{'read calls':>12}{'draw calls':>12}{'read ms':>12}{'draw ms':>12}{'bytes':>12}")
    with Lease.acquire(workspace, Actor.engine(), "headless"):
        async with app.run_test(size=size) as pilot:
            while app.snapshot.unread - {"runs"}:
                await pilot.pause(0.02)
            app._poller.stop()
            app._poller.join()
            for trains in (False, True):
                for screen in IN_ROW:
                    await pilot.press(screen.key)
                    told = []
                    for counts in (True, False):
                        await ticks(app, pilot, engine, number=3, trains=trains, counts=False)
                        told.append(await ticks(app, pilot, engine, number=number, trains=trains, counts=counts))
                    print(f"{screen.title + (', an epoch' if trains else ''):<26}{''.join(told)}", flush=True)
    engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="120x40", help="columns x rows")
    parser.add_argument("--ticks", type=int, default=20)
    arguments = parser.parse_args()
    columns, rows = map(int, arguments.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), (columns, rows), arguments.ticks))


if __name__ == "__main__":
    main()
