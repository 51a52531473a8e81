"""The `telemetry` block: retention of measurements."""

from typing import Annotated

import msgspec
from msgspec import Meta


class TelemetrySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Retention of the time series, from the finest grain to the coarsest, and of the recorded past."""

    raw_hours: Annotated[float, Meta(gt=0, le=168, description="Every sample.")] = 1.0
    seconds_hours: Annotated[float, Meta(gt=0, le=720, description="One point a second.")] = 24.0
    minutes_days: Annotated[float, Meta(gt=0, le=3650, description="One histogram a minute.")] = 90.0
    past_hours: Annotated[float, Meta(gt=0, le=720, description="States of documents, for playback.")] = 24.0
