"""Versions that are a member of an ensemble: whose they are, and the figures of both on the same rows."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from core.registry.documents import ModelVersion

WHOLE_METRICS = "whole_metrics"
"""In what the lineage says of a member: the metrics of the ensemble on the rows of a file that measured the member."""


class MemberOf(NamedTuple):
    """A member of an ensemble."""

    whole: str  # the key of the ensemble's version
    member: str


def member_of(version: ModelVersion) -> MemberOf | None:
    """Return which member of which ensemble a version is; None if it is none."""
    made = _made(version)
    whole, member = made.get("of"), made.get("member")
    return MemberOf(whole, member) if isinstance(whole, str) and isinstance(member, str) else None


def measured_together(one: ModelVersion, other: ModelVersion) -> ModelVersion | None:
    """Return the version whose rows measured both, if one of the two is a member of the other; else None."""
    for member, whole in ((one, other), (other, one)):
        found = member_of(member)
        if found is not None and found.whole == whole.key and isinstance(_made(member).get(WHOLE_METRICS), Mapping):
            return member
    return None


def whole_metric(member: ModelVersion, metric: str) -> float | None:
    """Return a metric of the ensemble on the rows that measured its member."""
    found: Mapping[str, Any] = _made(member).get(WHOLE_METRICS, {})
    value = found.get(metric)
    return float(value) if isinstance(value, int | float) else None


def _made(version: ModelVersion) -> Mapping[str, Any]:
    made = version.lineage.get("member")
    return made if isinstance(made, Mapping) else {}
