"""Monitoring: live versions, drift between tables, and the resources of the engine's machine."""

from core.monitoring.resources import ProcessSample, ResourceSample, ResourceSampler, write_sample

__all__ = ["ProcessSample", "ResourceSample", "ResourceSampler", "write_sample"]
