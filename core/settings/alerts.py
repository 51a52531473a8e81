"""The `alerts` block: thresholds of the built-in rules."""

from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from core.settings.alert_anomaly import MOST_ANOMALY_RULES, AnomalySettings
from core.settings.alert_delivery import (
    MOST_CHANNELS,
    ChannelAddress,
    DeliverySettings,
    HeartbeatSettings,
    WebAddress,
)
from core.settings.alert_escalation import MOST_POLICIES, EscalationSettings, RotationSettings
from core.settings.names import Name
from core.settings.units import PositivePercent, Share


class AlertSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The thresholds at which the engine alerts an operator."""

    accuracy_min: Annotated[
        Share, Meta(description="Alert when the score of an epoch (mean attainment) after the fifth is below this.")
    ] = 0.88
    quality_min: Annotated[Share, Meta(description="Alert when the quality score of a data set is below this.")] = 0.90
    quality_for_seconds: Annotated[
        float,
        Meta(ge=0, description="How long every draw must have low quality, or fail a gate, before an alert fires."),
    ] = 60.0
    quality_keep_firing_seconds: Annotated[
        float,
        Meta(ge=0, description="How long every draw must be good before an alert about quality or a gate resolves."),
    ] = 300.0
    cpu_percent_max: Annotated[
        PositivePercent, Meta(description="Alert when other programs use more of the machine's CPU than this, %.")
    ] = 80.0
    memory_percent_max: Annotated[
        PositivePercent, Meta(description="Alert when more memory than this is in use, %.")
    ] = 85.0
    disk_percent_max: Annotated[
        PositivePercent, Meta(description="Alert when the workspace's disk is fuller than this, %.")
    ] = 90.0
    disk_full_days: Annotated[
        float, Meta(gt=0, le=3650, description="Alert when the disk will be full within this many days.")
    ] = 7.0
    resource_for_seconds: Annotated[
        float, Meta(ge=0, description="How long CPU or memory must stay above its limit before an alert fires.")
    ] = 60.0
    stalled_hours: Annotated[
        float, Meta(gt=0, description="Alert when a running session has completed no epoch for this long.")
    ] = 2.0
    evaluation_interval_seconds: Annotated[
        float, Meta(ge=1, le=3600, description="How often series are recorded, and rule files evaluated on them.")
    ] = 15.0
    routing: Annotated[
        Annotated[str, Meta(min_length=1, max_length=4096)] | None,
        Meta(
            description="An Alertmanager configuration that says who is told of which alert; a relative path begins "
            "at the workspace.",
        ),
    ] = None
    rules: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=500)]],
        Meta(
            description="Prometheus rule files, or patterns such as rules/*.yaml, relative to the workspace.",
            max_length=100,
        ),
    ] = []
    ready_made: Annotated[bool, Meta(description="Evaluate the rules that come with BondX, too.")] = True
    anomaly: Annotated[
        list[AnomalySettings],
        Meta(
            description="Rules that fire while the metrics of a model are unusual together, each learnt from history.",
            max_length=MOST_ANOMALY_RULES,
        ),
    ] = []
    channels: Annotated[
        dict[Name, Annotated[list[ChannelAddress], Meta(max_length=MOST_CHANNELS)]],
        Meta(
            description="Further channels by receiver, which Alertmanager does not know: console:, bell:, tmux:, and "
            "apprise: with ${VARIABLE} or the path of a 0600 file that holds the address.",
            extra={"holds_secrets": True},
        ),
    ] = {}
    alertmanagers: Annotated[
        list[WebAddress],
        Meta(
            description="Addresses of Alertmanagers that get the alerts of BondX, as from a Prometheus, but none that "
            "another server sent to BondX.",
            max_length=10,
            extra={"holds_secrets": True},
        ),
    ] = []
    heartbeat: Annotated[
        HeartbeatSettings | None, Meta(description="A notification that says that alerts can be sent.")
    ] = None
    escalation: Annotated[
        list[EscalationSettings],
        Meta(
            description="Who is told when nobody acknowledges: the first entry whose severity and matchers accept an "
            "alert gives its steps.",
            max_length=MOST_POLICIES,
        ),
    ] = []
    oncall: Annotated[
        dict[Name, RotationSettings], Meta(description="Rotations of people on call, by name; steps name them.")
    ] = {}
    delivery: DeliverySettings = DeliverySettings()

    def __post_init__(self) -> None:
        for index, address in enumerate(self.alertmanagers):
            if "${" not in address and not _is_whole(address):
                raise ValueError(f"alertmanagers[{index}] must be an address such as http://alertmanager:9093")
        names = [rule.name for rule in self.anomaly]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two rules of anomaly have the name {twice[0]!r}; give each a name of its own")
        for entry in self.escalation:
            for step in entry.steps:
                if step.oncall is not None and step.oncall not in self.oncall:
                    known = ", ".join(self.oncall) or "none yet"
                    raise ValueError(f"a step names the rotation {step.oncall!r}; the rotations of oncall are {known}")


def _is_whole(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as a port beyond 65535
        return False
