"""Monitoring: live versions, drift between tables, and the resources of the engine's machine."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.monitoring.resources import ProcessSample, ResourceSample, ResourceSampler, write_sample

__all__ = ["ProcessSample", "ResourceSample", "ResourceSampler", "write_sample"]


def __getattr__(name: str) -> Any:  # the documents of monitoring are shown by programs that sample nothing
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.resources"), name)
