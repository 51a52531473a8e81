"""Telemetry for Python programs: traffic as rows, and telemetry as files."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from core.api.arguments import checked
from core.api.config import MLOpsConfig
from core.clock import as_utc, utc_now
from core.errors import UsageError
from core.escape import shown
from core.settings.encryption import SealedKind
from core.settings.sealing import sealer_to_write
from core.telemetry.export import (
    Exported,
    ExportFormat,
    ExportKind,
    ExportRequest,
    default_kinds,
    export_telemetry,
)
from core.telemetry.predictions import PredictionReader, TrafficGrain, TrafficSpan, traffic_period

E = TypeVar("E", bound=StrEnum)


class Telemetry:
    """The telemetry of a workspace."""

    def __init__(self, config: MLOpsConfig | None = None) -> None:
        """Open it.

        Args:
            config: Selects the workspace; the default configuration if None.
        """
        self._workspace = (config or MLOpsConfig.from_yaml()).workspace

    @checked
    def traffic(
        self,
        *,
        by: str = "hour",
        model: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[TrafficSpan]:
        """Return requests, failures and latencies of each version by the hour or the minute, by time.

        Args:
            by: "hour" or "minute".
            model: Only this model.
            since: The beginning; by default 24 hours before the end, of minutes one hour. Without an offset, UTC.
            until: The end; by default now.
        Raises:
            UsageError: `by` is neither, or the end is not after the beginning.
            TelemetryError: The store cannot be read now.
        """
        grain = _one_of(TrafficGrain, "by", by)
        period = traffic_period(_instant(since), _instant(until), grain, utc_now())
        reader = PredictionReader(self._workspace.predictions_file)
        try:
            return reader.traffic(*period, by=grain, model=model)
        finally:
            reader.close()

    @checked
    def export(
        self,
        out: Path,
        *,
        what: Sequence[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        model: str | None = None,
        format: str = "parquet",  # noqa: A002
        by: str = "minute",
    ) -> Exported:
        """Write telemetry into a new folder, as Parquet or CSV, sealed if the settings say so: all files or none.

        Args:
            out: The folder, new or empty.
            what: "predictions", "outcomes", "metrics", "resources", "epochs"; all of them if empty, and with a model
                all but resources.
            since: Rows at or after it. Without an offset, UTC.
            until: Rows before it; by default until now.
            model: Only this model.
            format: "parquet" or "csv".
            by: "minute" or "hour", of the metrics.
        Returns:
            The files, with their rows and bytes.
        Raises:
            UsageError: An argument has no such value, or the period is empty.
            NotFoundError: Nothing is stored of the model in this time.
            FolderInUseError: The folder is not empty.
            FileAccessError: The folder cannot be written; nothing is left of it.
            TelemetryError: A store cannot be read now.
        """
        wanted = ExportRequest(
            kinds=tuple(_one_of(ExportKind, "what", each) for each in what) or default_kinds(model),
            since=_instant(since),
            until=_instant(until),
            model=model,
            format=_one_of(ExportFormat, "format", format),
            by=_one_of(TrafficGrain, "by", by),
        )
        stores = self._workspace.predictions_file, self._workspace.telemetry_file
        sealer = sealer_to_write(self._workspace.root, SealedKind.EXPORTS)
        return export_telemetry(*stores, out, wanted, now=utc_now(), sealer=sealer)


def _instant(at: datetime | None) -> datetime | None:
    return None if at is None else as_utc(at)


def _one_of(kind: type[E], name: str, value: str) -> E:
    try:
        return kind(value)
    except ValueError:
        raise UsageError(f"{name} is {shown(value)}; it must be one of: {', '.join(kind)}.") from None
