"""The `monitoring` block as the files have it now: a change takes effect at the next look, without a restart."""

from collections.abc import Callable

from core.engine.context import EngineContext
from core.settings import MonitoringSettings


def monitoring_rules(context: EngineContext) -> Callable[[], MonitoringSettings]:
    """Return what reads the block; while the files cannot be read, it is as it was read last.

    Args:
        context: The engine.
    """
    return lambda: context.current.read().monitoring
