"""The part of the `telemetry` block on OpenTelemetry."""

from typing import Annotated

import msgspec
from msgspec import Meta

from core.settings.names import Name

HeaderText = Annotated[
    str,
    Meta(
        pattern=r"\$\{[A-Za-z_][A-Za-z0-9_]*\}",
        max_length=1_000,
        extra={
            "form_of_text": "expected a value with a variable of the environment, such as 'Bearer ${OTLP_TOKEN}'",
            "holds_secrets": True,
        },
    ),
]


class TraceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Spans of training epochs and of the steps of rollouts, and of a share of the served requests."""

    request_share: Annotated[
        float, Meta(ge=0, le=1, description="Share of the predict requests that have a span, such as 0.01; 0: none.")
    ] = 0.0


class OtlpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A collector that gets the metrics, and traces, over OTLP/HTTP."""

    endpoint: Annotated[
        str,
        Meta(
            pattern=r"^https?://[^\s/?#@]+(?:/[^\s?#]*)?(?![\s\S])",
            description="Address of the collector; /v1/metrics and /v1/traces are added.",
            extra={
                "form_of_text": "expected an address without a password, such as http://collector:4318",
                "holds_secrets": True,
            },
        ),
    ]
    headers: Annotated[
        dict[Name, HeaderText],
        Meta(description="Headers, whose values come from ${VARIABLE}.", max_length=20, extra={"holds_secrets": True}),
    ] = {}
    interval_seconds: Annotated[float, Meta(ge=1, le=3600, description="Seconds between exports of metrics.")] = 60.0
    traces: Annotated[
        TraceSettings | None,
        Meta(description="Spans of epochs, rollouts and requests; {}: without requests; null: no spans."),
    ] = None
