"""Cost of the engine's look at many live models, once a minute.

    python benchmarks/bench_monitor.py [--models 50] [--columns 25] [--rows 10000] [--backlog 60] [--looks 5]

Each model has a profile of 20,000 rows and answers `--rows` rows a minute; `--backlog` minutes wait for the first look.
Printed are the times of the first look and of each later one, which finds one new minute of every model: by the clock,
and of the processor. The workspace is temporary.
"""

import argparse
import os
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from bench_drift import drawn

from core.actor import Actor, Origin
from core.alerts import Alerts
from core.engine.workers.monitor import Monitor
from core.models.scoring.fields import Rows
from core.monitoring.data_profile import PROFILE_NAME, DataProfile
from core.monitoring.live import ProfileIndex, SketchCounter, profile_number, to_bytes
from core.monitoring.live.counting import Served
from core.monitoring.profiling import kinds_of, profile_columns, profile_of
from core.registry import Registry
from core.settings import Settings
from core.settings.promotion import PromotionSettings
from core.state import Workspace
from core.telemetry.live import CountedMinute, LiveWriter
from core.telemetry.predictions import PredictionRecord, PredictionWriter
from tests.clocks import HandClock

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
REFERENCE_ROWS = 20_000
N_REQUESTS = 20  # recorded of each model and minute: their sums are read, whatever their number
MINUTE = timedelta(minutes=1)
ANA = Actor("ana", "desk", Origin.COMMAND_LINE)


class Traffic:
    """What servers would have stored of every model, minute by minute."""

    def __init__(self, workspace: Workspace, models: list[str], profile: DataProfile, n_rows: int) -> None:
        self._workspace, self._models, self._profile, self._n_rows = workspace, models, profile, n_rows
        self._sketches = [self._sketch(seed) for seed in range(10, 14)]

    def _sketch(self, seed: int) -> bytes:
        frame = drawn(self._n_rows, len(self._profile.features), seed=seed)
        numbers = [name for name in frame if not isinstance(frame[name].dtype, pd.CategoricalDtype)]
        texts = [name for name in frame if name not in numbers]
        cells = list(zip(*(frame[name].astype(str) for name in texts), strict=True))
        counter = SketchCounter(ProfileIndex(self._profile), numbers=numbers, texts=texts)
        rows = Rows(frame[numbers].to_numpy(float), cells)
        return to_bytes(counter.count([Served(rows, np.zeros(self._n_rows).tolist())]))

    def store(self, first: datetime, n_minutes: int) -> None:
        """Store some minutes of every model."""
        number = profile_number(self._profile)
        with (
            closing(LiveWriter(self._workspace.live_file, lambda parts: parts[-1])) as live,
            closing(PredictionWriter(self._workspace.predictions_file, clock=lambda: first)) as predictions,
        ):
            for k in range(n_minutes):
                at = first + k * MINUTE
                sketch = self._sketches[k % len(self._sketches)]
                for model in self._models:
                    live.add(CountedMinute(model, "1.0.0", number, int(at.timestamp()), self._n_rows, 0, sketch))
                    for n in range(N_REQUESTS):
                        predictions.add(PredictionRecord(f"{model}-{at}-{n}", at, model, "1.0.0", 3.0 + n / 10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=50)
    parser.add_argument("--columns", type=int, default=25)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--backlog", type=int, default=60)
    parser.add_argument("--looks", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.create(Path(folder) / "desk", settings_text="policy: {promotion: {min_accuracy: 0}}\n")
        profile = a_profile(args.columns)
        models = [f"model_{n:02d}" for n in range(args.models)]
        publish(workspace, models, profile, Path(folder) / "artifact")
        traffic, clock = Traffic(workspace, models, profile, args.rows), HandClock(START)
        traffic.store(START, args.backlog)
        clock.pass_by(args.backlog * 60 + 10)
        context = SimpleNamespace(
            workspace=workspace, clock=clock, alerts=Alerts(workspace, clock=clock), settings=Settings()
        )
        monitor = Monitor(context)  # type: ignore[arg-type]
        print(f"{args.models} models x {args.columns} columns, {args.rows:,} rows a minute each")
        print(f"first look, {args.backlog} minutes waiting: {look(monitor, clock())}")
        for _ in range(args.looks):
            traffic.store(clock().replace(second=0), 1)
            clock.pass_by(60)
            print(f"a look at one new minute: {look(monitor, clock())}")
        monitor.end(after_failure=False)
        size = workspace.state_file("monitoring").stat().st_size
        print(f"monitoring.json: {size / 1024:,.0f} KiB, {size / 1024 / args.models:.1f} KiB a model")


def a_profile(n_columns: int) -> DataProfile:
    """Return the profile of columns of five kinds in turn."""
    reference = drawn(REFERENCE_ROWS, n_columns, seed=1)
    kinds = kinds_of(reference)
    columns = profile_columns(reference, kinds)
    return profile_of(columns, features=tuple(kinds), target=None, group=None, held_out=None)


def publish(workspace: Workspace, models: list[str], profile: DataProfile, folder: Path) -> None:
    """Put each model into Production, with the same files."""
    folder.mkdir()
    (folder / PROFILE_NAME).write_bytes(profile.to_bytes())
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0, require_quality_gates=False))
    for model in models:
        version = registry.register(model, folder, metrics={"attainment": 0.9}, lineage={}, gates=(), actor=ANA)
        for _ in range(2):
            registry.apply(registry.plan_promotion(model, version.version), actor=ANA)


def look(monitor: Monitor, now: datetime) -> str:
    """Look once, and say how long it took."""
    begun, busy = time.perf_counter(), time.process_time()
    monitor.look(now)
    return f"{time.perf_counter() - begun:.2f} s, {time.process_time() - busy:.2f} s of the processor"


if __name__ == "__main__":
    main()
