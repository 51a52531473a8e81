"""Exporting telemetry: a file for each kind into a new folder, which appears once all of them are written."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from core.errors import NotFoundError, UsageError
from core.escape import shown
from core.files import FolderInUseError, is_occupied, write_folder
from core.output_files import require_output
from core.progress import begins
from core.sealed_files import SEALED_SUFFIX, FileSealer
from core.telemetry.export.columns import KINDS, ExportKind, ExportRows
from core.telemetry.export.files import ExportFormat, write_rows
from core.telemetry.export.predictions import ExportPeriod, outcome_rows, prediction_rows, traffic_rows
from core.telemetry.export.series import epoch_rows, resource_rows
from core.telemetry.predictions.traffic import TrafficGrain

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class ExportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to export."""

    kinds: tuple[ExportKind, ...] = tuple(ExportKind)
    since: datetime | None = None  # rows at or after it; None: from the beginning
    until: datetime | None = None  # rows before it; None: until now
    model: str | None = None
    format: ExportFormat = ExportFormat.PARQUET
    by: TrafficGrain = TrafficGrain.MINUTE  # of the metrics


class ExportedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of an export."""

    what: ExportKind
    file: str
    n_rows: int
    n_bytes: int


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """An export."""

    folder: str
    since: datetime | None
    until: datetime
    files: tuple[ExportedFile, ...]


def export_telemetry(
    predictions_file: Path,
    telemetry_file: Path,
    out: Path,
    wanted: ExportRequest,
    *,
    now: datetime,
    sealer: FileSealer | None = None,
) -> Exported:
    """Write telemetry into a folder, which is new or empty: all files or none.

    Args:
        predictions_file: The store of predictions.
        telemetry_file: The time series.
        out: The folder.
        wanted: What to export.
        now: The present, where the export ends unless it ends before.
        sealer: What seals the files, of which each has `.sealed` behind its name then; None: nothing.
    Returns:
        What was written.
    Raises:
        UsageError: The request contradicts itself, or the folder is a link.
        RefusedError: The folder is in a workspace.
        NotFoundError: A model was named, and nothing is stored of it in this time.
        FolderInUseError: The folder is not empty.
        FileAccessError: It cannot be written; nothing is left of it.
        TelemetryError: A store cannot be read.
    """
    until = wanted.until or now
    _check(wanted, until)
    require_output(out)
    if is_occupied(out):
        raise FolderInUseError(out)
    rows = ExportPeriod(wanted.since or _BEGINNING, until, wanted.model)
    files: list[ExportedFile] = []

    def fill(folder: Path) -> None:
        for kind in wanted.kinds:
            path = folder / f"{kind}.{wanted.format}{SEALED_SUFFIX if sealer is not None else ''}"
            pages = _pages(kind, predictions_file, telemetry_file, rows, wanted.by)
            begins(f"the export of {kind}")
            n = write_rows(path, wanted.format, KINDS[kind], pages, partial(_announce, kind), sealer=sealer)
            files.append(ExportedFile(what=kind, file=path.name, n_rows=n, n_bytes=path.stat().st_size))
        if wanted.model is not None and not any(file.n_rows for file in files):
            raise NotFoundError(
                f"Nothing is stored of {shown(wanted.model)} in this time, so nothing was written. Check the name, "
                "--since and --until."
            )

    write_folder(out, fill)
    return Exported(folder=str(out), since=wanted.since, until=until, files=tuple(files))


def _check(wanted: ExportRequest, until: datetime) -> None:
    if not wanted.kinds:
        raise UsageError(f"Name what to export: {', '.join(ExportKind)}.")
    if len(set(wanted.kinds)) < len(wanted.kinds):
        raise UsageError("Name each kind of export once.")
    if wanted.since is not None and wanted.since >= until:
        raise UsageError(f"The export begins at {wanted.since:%Y-%m-%d %H:%M} UTC and must end after that.")
    if wanted.model is not None and ExportKind.RESOURCES in wanted.kinds:
        raise UsageError("Resources are the machine's and of no model: leave out the model, or name other kinds.")


def _pages(
    kind: ExportKind, predictions_file: Path, telemetry_file: Path, rows: ExportPeriod, by: TrafficGrain
) -> Iterator[ExportRows]:
    match kind:
        case ExportKind.PREDICTIONS:
            return prediction_rows(predictions_file, rows)
        case ExportKind.OUTCOMES:
            return outcome_rows(predictions_file, rows)
        case ExportKind.METRICS:
            return traffic_rows(predictions_file, rows, by)
        case ExportKind.RESOURCES:
            return resource_rows(telemetry_file, rows)
        case ExportKind.EPOCHS:
            return epoch_rows(telemetry_file, rows)


def _announce(kind: ExportKind, n: int) -> None:
    begins(f"the export of {kind}: {n:,} rows")


def default_kinds(model: str | None) -> tuple[ExportKind, ...]:
    """Return what is exported unless it is named: everything, or everything of a model."""
    return tuple(kind for kind in ExportKind if model is None or kind is not ExportKind.RESOURCES)
