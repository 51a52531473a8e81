"""The whole of `bondx.yaml` as one typed model."""

from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr, replace

from core.settings.alerts import AlertSettings
from core.settings.backup import BackupSettings
from core.settings.console import ConsoleSettings
from core.settings.encryption import EncryptionSettings
from core.settings.logs import LoggingSettings
from core.settings.monitoring import MonitoringSettings
from core.settings.policy import Policy
from core.settings.protection import ProtectionSettings
from core.settings.retention import RetentionSettings
from core.settings.serving import ServingSettings
from core.settings.telemetry import TelemetrySettings
from core.settings.text_model import TextModelSettings
from core.settings.training import TrainingSettings
from core.settings.webhooks import WebhookSettings


class Settings(TrainingSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A workspace's settings: the training keys flat at the top, everything else in blocks."""

    policy: Policy = Policy()
    alerts: AlertSettings = AlertSettings()
    console: ConsoleSettings = ConsoleSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    retention: RetentionSettings = RetentionSettings()
    backup: BackupSettings = BackupSettings()
    protection: ProtectionSettings = ProtectionSettings()
    encryption: EncryptionSettings = EncryptionSettings()
    serving: ServingSettings = ServingSettings()
    logging: LoggingSettings = LoggingSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    text_model: TextModelSettings = TextModelSettings()
    webhooks: Annotated[
        Annotated[tuple[WebhookSettings, ...], Meta(max_length=32)],
        Meta(description="Programs that are told what happens."),
    ] = ()

    def __post_init__(self) -> None:
        names = [webhook.name for webhook in self.webhooks]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two webhooks have the name {twice}: each needs a name of its own")
        self._protect()

    def _protect(self) -> None:
        """Add the columns of a class to the lists that keep columns back: no reader of these lists can forget them."""
        secret, hidden = self.protection.secret, (*self.protection.personal, *self.protection.secret)
        if hidden:
            denied = _united(self.explanation.denied_columns, secret)
            masked = _united(self.explanation.masked_columns, hidden)
            force_setattr(self, "explanation", replace(self.explanation, denied_columns=denied, masked_columns=masked))
            log = replace(self.serving.log_features, mask=_united(self.serving.log_features.mask, hidden))
            force_setattr(self, "serving", replace(self.serving, log_features=log))

    @property
    def training(self) -> TrainingSettings:
        """The settings that determine the results of a session."""
        return TrainingSettings(
            **{field.name: getattr(self, field.name) for field in msgspec.structs.fields(TrainingSettings)}
        )


def _united(listed: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*listed, *more)))
