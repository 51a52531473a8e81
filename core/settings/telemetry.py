"""The `telemetry` block: retention of measurements and of predictions."""

import fnmatch
from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from core.local_callers import is_loopback
from core.settings.address import ListenAddress, host_and_port
from core.settings.names import ModelPattern
from core.settings.otlp import OtlpSettings


class ModelRetention(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long the predictions of a model wait for their outcomes; a key left out is as for all models."""

    keep_days: Annotated[Annotated[float, Meta(gt=0, le=3650)] | None, Meta(description="As above.")] = None
    keep_rows: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="As above.")] = None


class PredictionRetention(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long predictions wait for their outcomes: whatever comes first, the time or the rows."""

    keep_days: Annotated[float, Meta(gt=0, le=3650, description="Days that predictions and outcomes are kept.")] = 30.0
    keep_rows: Annotated[int, Meta(ge=1, description="Predictions kept at most, and outcomes kept at most.")] = (
        10_000_000
    )
    unmatched_hours: Annotated[
        float, Meta(gt=0, le=8760, description="Hours that an outcome without its prediction waits for it.")
    ] = 24.0
    minutes_days: Annotated[
        float, Meta(gt=0, le=3650, description="Days of traffic by the minute: counts, failures, latencies.")
    ] = 7.0
    hours_days: Annotated[float, Meta(gt=0, le=3650, description="Days of traffic by the hour.")] = 400.0
    models: Annotated[
        dict[ModelPattern, ModelRetention],
        Meta(description="keep_days and keep_rows of single models, by name (`downgrade`) or pattern (`desk_*`)."),
    ] = {}

    def chain(self, model: str) -> str:
        """Return the chain of segments in which a model's predictions lie: its own, or empty for that of all others.

        >>> PredictionRetention(models={"down*": ModelRetention(keep_days=400)}).chain("downgrade")
        'downgrade'
        """
        return model if self._own(model) is not None else ""

    def kept(self, chain: str) -> timedelta:
        """Return how long the predictions of a chain are kept."""
        own = self._own(chain)
        return timedelta(days=self.keep_days if own is None or own.keep_days is None else own.keep_days)

    def rows(self, chain: str) -> int:
        """Return how many predictions of a chain are kept at most."""
        own = self._own(chain)
        return self.keep_rows if own is None or own.keep_rows is None else own.keep_rows

    def _own(self, model: str) -> ModelRetention | None:
        if not model:
            return None
        if (named := self.models.get(model)) is not None:
            return named
        return next((own for pattern, own in self.models.items() if fnmatch.fnmatchcase(model, pattern)), None)


class LiveRetention(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long the counts of served rows are kept: some KiB a minute and an hour of each version that answers."""

    minutes_days: Annotated[
        float,
        Meta(
            gt=0, le=3650, description="Days of counts by the minute, and of states of watchers of versions that left."
        ),
    ] = 14.0
    hours_days: Annotated[float, Meta(gt=0, le=3650, description="Days that their sums by hour are kept.")] = 400.0


class MetricSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long the series are kept that alert rules look at, and where a Prometheus finds those of the engine."""

    days: Annotated[float, Meta(gt=0, le=3650, description="Days of samples.")] = 15.0
    listen: Annotated[
        ListenAddress | None,
        Meta(
            description="Address of this machine at which the engine answers /health, /ready and /metrics, such as "
            "127.0.0.1:8000; null: none."
        ),
    ] = None

    def __post_init__(self) -> None:
        found = host_and_port(self.listen) if self.listen is not None else None
        if found is not None and found[0] != "localhost" and not is_loopback(found[0]):
            raise ValueError(
                f"listen ({self.listen}) can be reached from other machines, and the engine asks for no token: use "
                "127.0.0.1, or let a server answer with tokens (bondx run --api, serving.metrics_listen)"
            )


class TelemetrySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Retention of the time series, from the finest grain to the coarsest, and of the recorded past."""

    raw_hours: Annotated[float, Meta(gt=0, le=168, description="Every sample.")] = 1.0
    seconds_hours: Annotated[float, Meta(gt=0, le=720, description="One point a second.")] = 24.0
    minutes_days: Annotated[float, Meta(gt=0, le=3650, description="One histogram a minute.")] = 90.0
    past_hours: Annotated[float, Meta(gt=0, le=720, description="States of documents, for playback.")] = 24.0
    past_mib: Annotated[
        float, Meta(ge=1, le=1_048_576, description="Size of the recorded past; beyond it, the oldest goes earlier.")
    ] = 256.0
    predictions: Annotated[PredictionRetention, Meta(description="Predictions, which wait for their outcomes.")] = (
        PredictionRetention()
    )
    live: Annotated[LiveRetention, Meta(description="Counts of served rows, which drift is judged by.")] = (
        LiveRetention()
    )
    metrics: Annotated[MetricSettings, Meta(description="Recorded series, which alert rules look at.")] = (
        MetricSettings()
    )
    otlp: Annotated[
        OtlpSettings | None,
        Meta(description="An OpenTelemetry collector that gets metrics and traces; needs the extra otel."),
    ] = None
