"""Monitoring: what the engine measures about the machine it runs on."""

from core.monitoring.resources import ProcessSample, ResourceSample, ResourceSampler, write_sample

__all__ = ["ProcessSample", "ResourceSample", "ResourceSampler", "write_sample"]
