"""The part of the `alerts` block on anomalies: which models are watched, by which metrics, at how many false alarms."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from core.settings.names import ModelPattern, Name

MOST_ANOMALY_RULES = 20
MOST_OWN_METRICS = 30

_LABEL_FORM = "expected letters, digits and _, not beginning with a digit"
LabelName = Annotated[
    str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(?![\s\S])", max_length=100, extra={"form_of_text": _LABEL_FORM})
]


class AnomalySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rule that fires while the metrics of a model are unusual together."""

    name: Annotated[LabelName, Meta(description="The name of its alerts, such as ModelUnusual.")]
    models: Annotated[
        list[ModelPattern], Meta(description="Models, by name or pattern.", min_length=1, max_length=100)
    ] = msgspec.field(default_factory=lambda: ["*"])
    severity: Annotated[Literal["info", "warning", "critical"], Meta(description="Of its alerts.")] = "warning"
    for_minutes: Annotated[
        int, Meta(ge=1, le=120, description="Minutes that a model must be unusual without a break before it fires.")
    ] = 5
    keep_firing_minutes: Annotated[
        int, Meta(ge=0, le=1440, description="Minutes that it fires on after the model is as usual again.")
    ] = 15
    history_days: Annotated[
        int, Meta(ge=2, le=90, description="Days of recorded series from which is learnt what is usual.")
    ] = 14
    false_alarms_a_day: Annotated[
        float, Meta(gt=0, le=24, description="How many false alarms a day are allowed for each model.")
    ] = 1.0
    ready_made_metrics: Annotated[bool, Meta(description="Watch the metrics that every served model has.")] = True
    metrics: Annotated[
        dict[LabelName, Annotated[str, Meta(min_length=1, max_length=16_384)]],
        Meta(
            description="Further metrics: expressions whose results have the label model; a ready-made name replaces "
            "that metric.",
            max_length=MOST_OWN_METRICS,
        ),
    ] = {}
    labels: Annotated[
        dict[LabelName, Name], Meta(description="Further labels of its alerts, for routing.", max_length=20)
    ] = {}
    runbook_url: Annotated[Name | None, Meta(description="Where it is written what to do.")] = None

    def __post_init__(self) -> None:
        if not self.ready_made_metrics and not self.metrics:
            raise ValueError(f"{self.name} has nothing to watch: give it metrics, or leave ready_made_metrics on")
        if taken := sorted({"alertname", "severity", "model", "__name__"} & set(self.labels)):
            raise ValueError(f"{self.name} cannot have a label {taken[0]!r}: it is given to every such alert")
