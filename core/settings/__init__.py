"""`bondx.yaml` as a typed, validated model: unknown keys are refused, every value has a range and a default."""

from core.settings.alerts import AlertSettings
from core.settings.console import ConsoleSettings
from core.settings.errors import SettingsError
from core.settings.in_force import settings_in_force
from core.settings.load import load_cached_settings, load_settings
from core.settings.logs import LoggingSettings
from core.settings.monitoring import MonitoringRules, MonitoringSettings
from core.settings.policy import CanaryPolicy, DriftPolicy, ModelPolicy, Policy, RetentionPolicy, TrackingPolicy
from core.settings.policy_source import PolicySource, load_policy, require_policy
from core.settings.promotion import PromotionSettings
from core.settings.quality import QualityGates
from core.settings.serving import ServingSettings
from core.settings.settings import Settings
from core.settings.telemetry import TelemetrySettings
from core.settings.training import ModelSettings, TrainingSettings, cautions

__all__ = [
    "AlertSettings",
    "CanaryPolicy",
    "ConsoleSettings",
    "DriftPolicy",
    "LoggingSettings",
    "ModelPolicy",
    "ModelSettings",
    "MonitoringRules",
    "MonitoringSettings",
    "Policy",
    "PolicySource",
    "PromotionSettings",
    "QualityGates",
    "RetentionPolicy",
    "ServingSettings",
    "Settings",
    "SettingsError",
    "TelemetrySettings",
    "TrackingPolicy",
    "TrainingSettings",
    "cautions",
    "load_cached_settings",
    "load_policy",
    "load_settings",
    "require_policy",
    "settings_in_force",
]
