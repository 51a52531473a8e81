"""The space that a workspace takes, store by store: its size, its growth, its rule, and the day its disk is full."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from core.clock import Clock, utc_now
from core.monitoring.disk_forecast import DAY_SECONDS, DiskForecast, forecast
from core.settings import Settings
from core.settings.retention import RetentionSettings
from core.state import Workspace
from core.telemetry import TelemetryError, TelemetryReader
from core.telemetry.compaction import pages_of
from core.telemetry.errors import translated
from core.telemetry.schema import connect_to_read
from core.training.session_files import CHECKPOINTS

if TYPE_CHECKING:
    from core.telemetry import TelemetryWriter

USED_SERIES = "disk.used_bytes"
DAYS_SERIES = ("disk.days_until_full", "disk.days_until_full_low", "disk.days_until_full_high")
FORECAST_OVER = timedelta(days=1)
GROWTH_OVER = timedelta(days=7)
LEAST_GROWTH_SECONDS = 600.0
_FORMAT = ",.10g"  # of a limit, a number of things or of days


class StoreSpace(msgspec.Struct, frozen=True, kw_only=True):
    """One store of a workspace."""

    store: str
    path: str  # relative to the workspace
    n_files: int
    n_bytes: int
    free_bytes: int = 0  # of it, pages of deleted rows, which `bondx doctor --compact` gives back
    bytes_per_day: float | None = None  # None: not observed for ten minutes yet
    rule: str = ""  # what limits it


class WorkspaceSpace(msgspec.Struct, frozen=True, kw_only=True):
    """The space of a workspace and of its disk."""

    as_of: datetime
    n_bytes: int
    stores: tuple[StoreSpace, ...]
    disk_total_bytes: int
    disk_free_bytes: int
    forecast: DiskForecast | None  # None: the disk was not observed for half an hour yet


def series_of(store: str) -> str:
    """Name the telemetry series of the size of a store."""
    return f"store.{store}.bytes"


def measure(workspace: Workspace, settings: Settings, *, clock: Clock = utc_now) -> WorkspaceSpace:
    """Measure every store, and compare with what the engine has measured before.

    Args:
        workspace: The workspace.
        settings: Its settings, for the rules.
        clock: The time.
    """
    now, disk = clock(), shutil.disk_usage(workspace.root)
    with closing(TelemetryReader(workspace.telemetry_file, clock=clock)) as reader:
        stores = tuple(
            msgspec.structs.replace(
                store, bytes_per_day=_growth(reader, store, now), rule=_rule_of(store.store, settings)
            )
            for store in sizes(workspace)
        )
        found = disk_forecast(reader, disk.free, now)
    return WorkspaceSpace(
        as_of=now,
        n_bytes=sum(store.n_bytes for store in stores),
        stores=stores,
        disk_total_bytes=disk.total,
        disk_free_bytes=disk.free,
        forecast=found,
    )


def record(workspace: Workspace, telemetry: "TelemetryWriter", now: datetime) -> None:
    """Store the size of every store as a sample of its series."""
    for store in sizes(workspace):
        telemetry.add(series_of(store.store), now, float(store.n_bytes))


def disk_forecast(reader: TelemetryReader, free_bytes: int, now: datetime) -> DiskForecast | None:
    """Extrapolate the use of the disk over the last day; none without a readable history."""
    try:
        return forecast(reader.means(USED_SERIES, now - FORECAST_OVER, now), free_bytes)
    except TelemetryError:
        return None


def sizes(workspace: Workspace) -> list[StoreSpace]:
    """Measure every store, the largest first; what belongs to none is `other`."""
    root = workspace.root
    checkpoints = workspace.artifacts_dir / CHECKPOINTS
    folders = {
        "state": workspace.state_dir,
        "audit": workspace.audit_dir,
        "checkpoints": checkpoints,
        "artifacts": workspace.artifacts_dir,
        "reports": workspace.reports_dir,
        "datasets": workspace.datasets_dir,
        "logs": workspace.logs_dir,
    }
    databases = {
        "telemetry": workspace.telemetry_file,
        "predictions": workspace.predictions_file,
        "live": workspace.live_file,
        "contributions": workspace.contributions_file,
        "features": workspace.features_file,
        "metrics": workspace.metrics_file,
        "past": workspace.past_file,
    }
    counted: dict[str, list[int]] = {name: [0, 0] for name in (*folders, *databases, "other")}
    for path, n_bytes in _files_below(root):
        name = next((name for name, file in databases.items() if path.startswith(str(file))), None)
        name = name or next((name for name, folder in folders.items() if path.startswith(f"{folder}/")), "other")
        counted[name][0] += 1
        counted[name][1] += n_bytes
    places: dict[str, Path] = {**folders, **databases, "other": root}
    found = [
        StoreSpace(
            store=name,
            path=places[name].relative_to(root).as_posix(),
            n_files=n_files,
            n_bytes=n_bytes,
            free_bytes=_free_bytes(databases[name]) if name in databases else 0,
        )
        for name, (n_files, n_bytes) in counted.items()
    ]
    return sorted(found, key=lambda store: -store.n_bytes)


def bytes_below(folder: Path) -> int:
    """Return the bytes that the files of a folder take on the disk."""
    return sum(n_bytes for _, n_bytes in _files_below(folder))


def _files_below(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield the path of every file and the bytes that it takes on the disk; what vanishes meanwhile is left out."""
    waiting = [str(folder)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                    continue
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            yield entry.path, status.st_blocks * 512  # POSIX counts blocks of 512 bytes, whatever the disk's are


def _free_bytes(file: Path) -> int:
    if not file.exists():
        return 0
    try:
        with translated(file), closing(connect_to_read(file)) as connection:
            return pages_of(connection).free_bytes
    except TelemetryError:
        return 0  # `bondx doctor` names the damage


def _growth(reader: TelemetryReader, store: StoreSpace, now: datetime) -> float | None:
    """Return the growth of a store in bytes a day, from its oldest to its newest size of the last days."""
    try:
        means = reader.means(series_of(store.store), now - GROWTH_OVER, now)
    except TelemetryError:
        return None
    if not means or now.timestamp() - means[0][0] < LEAST_GROWTH_SECONDS:
        return None
    begun, size_then = means[0]
    return (store.n_bytes - size_then) / (now.timestamp() - begun) * DAY_SECONDS


def _rule_of(store: str, settings: Settings) -> str:
    """Name the limits of a store: those that always apply, and the rules under `retention:` that are set."""
    kept, sampled = settings.telemetry, settings.serving.log_features
    always = {
        "telemetry": f"samples {kept.raw_hours:g} h, seconds {kept.seconds_hours:g} h, minutes {kept.minutes_days:g} d",
        "predictions": f"{kept.predictions.keep_days:g} d or {kept.predictions.keep_rows:,} rows",
        "live": f"minutes {kept.live.minutes_days:g} d, hours {kept.live.hours_days:g} d",
        "features": f"{sampled.keep_days:g} d or {sampled.keep_rows:,} rows",
        "past": f"{kept.past_hours:g} h or {kept.past_mib:g} MiB",
        "checkpoints": "the newest and the best of each session",
        "logs": "5 files of 100 MB a log",
    }
    return ", ".join(filter(None, (always.get(store, ""), *_retention_of(store, settings.retention))))


def _retention_of(store: str, rules: RetentionSettings) -> list[str]:
    """Name the rules under `retention:` that limit a store, as a file of settings spells them."""
    limiting = {
        "telemetry": ("runs", "epochs"),
        "state": ("runs", "versions", "rollouts"),
        "artifacts": ("versions",),
        "reports": ("report_days", "stress_tests"),
    }
    found = ((name, getattr(rules, name)) for name in limiting.get(store, ()))
    return [f"retention.{name}" + ("" if value is True else f" {value:{_FORMAT}}") for name, value in found if value]


def largest_growth(stores: Sequence[StoreSpace]) -> StoreSpace | None:
    """Return the store that grows most, if one grows."""
    growing = [store for store in stores if (store.bytes_per_day or 0) > 0]
    return max(growing, key=lambda store: store.bytes_per_day or 0.0, default=None)
