"""The numbers of the settings under `alerts`, by name: rule files compare series with them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.settings import AlertSettings


def alert_limits(settings: "AlertSettings") -> Mapping[str, float]:
    """Return every limit and time of the settings, such as cpu_percent_max.

    >>> from core.settings import AlertSettings
    >>> alert_limits(AlertSettings(stalled_hours=3.0))["stalled_hours"]
    3.0
    """
    values = ((name, getattr(settings, name)) for name in settings.__struct_fields__)
    return {name: value for name, value in values if isinstance(value, float)}
