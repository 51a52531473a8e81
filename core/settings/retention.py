"""The `retention` block: what the engine deletes by itself. Every key is off by default.

Samples, the recorded past, predictions and outcomes have their limits in the `telemetry` block.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

LEAST_EPOCHS = 10_000


class RetentionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the engine deletes once an hour; `bondx prune` lists it beforehand and deletes it when asked."""

    runs: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Runs to keep; older ended runs that nothing needs go, with their metrics. null: all stay."),
    ] = None
    versions: Annotated[
        bool, Meta(description="Whether the versions that policy.retention drops go, with their files.")
    ] = False
    rollouts: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="Ended rollouts of each model to keep; older rollouts go, unless their verdict warns of a "
            "registered version. null: all stay."
        ),
    ] = None
    epochs: Annotated[
        Annotated[int, Meta(ge=LEAST_EPOCHS)] | None,
        Meta(
            description="Newest epochs of a run that keep each value; earlier epochs keep their curves, in spans of "
            "16 epochs. null: all values stay."
        ),
    ] = None
    stress_tests: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Newest stress tests to keep, with their reports. null: all stay."),
    ] = None
    report_days: Annotated[
        Annotated[float, Meta(gt=0, le=36_500)] | None,
        Meta(
            description="Days after the end of a session that the reports of its epochs and its data sets stay; its "
            "final report always stays. null: all stay."
        ),
    ] = None
