"""The performance of one version as of now: what the engine has added up, and what came since."""

from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from core.any_case import named_in_any_case
from core.errors import NotFoundError, UsageError
from core.escape import shown
from core.monitoring.performance.shown import PerformanceReport

if TYPE_CHECKING:
    from core.monitoring.data_profile import DataProfile
    from core.registry import ModelVersion, Registry
    from core.state import Workspace


class VersionPerformance(msgspec.Struct, frozen=True, kw_only=True):
    """How well a version did, of the answers whose outcomes are known."""

    model: str
    version: str
    stage: str
    report: PerformanceReport


def version_performance(
    workspace: "Workspace", model: str, version: str | None = None, *, by: str = "", now: datetime
) -> VersionPerformance:
    """Report on a version; nothing is written, and no engine is needed.

    Args:
        workspace: Where it is registered and recorded.
        model: Its model.
        version: Its number; by default the live version, else the newest.
        by: Only the slices of this column, in any case, are listed.
        now: The time.
    Raises:
        NotFoundError: There is no such model or version.
        UsageError: Predictions are not recorded with the slices of this column, or it must not appear.
        HashMismatchError: The version's files differ from the registered files.
        TelemetryError: The predictions cannot be read.
    """
    from core.explain.deny_list import DenyList
    from core.monitoring.performance.recorded_slices import recorded_columns
    from core.monitoring.performance.verdict import PerformanceRules
    from core.monitoring.performance.watch import PerformanceWatch, current_report
    from core.registry import Registry
    from core.settings import settings_in_force
    from core.telemetry.live import LiveReader

    registry = Registry(workspace)
    chosen = registry.get(model, version) if version is not None else _live_or_newest(registry, model)
    profile, settings = _profile_of(registry, chosen), settings_in_force(workspace.root)
    denied = DenyList.of(settings.explanation)
    if by:
        columns = [column.column for column in recorded_columns(profile)] if profile is not None else []
        if (by := named_in_any_case(by, columns)) not in columns:
            raise UsageError(
                f"Predictions of {chosen.key} are not recorded by {by!r}; its slice columns: "
                f"{', '.join(columns) or 'none'}."
            )
        if denied.hides_values(by):
            named = "denied_columns" if denied.denies(by) else "masked_columns, or protection.personal,"
            raise UsageError(f"The slices of {shown(by)} are not shown: explanation.{named} names it.")
    with closing(LiveReader(workspace.live_file)) as reader:
        state = reader.watch_state(chosen.model, chosen.version, PerformanceWatch.name)
    made = registry.made_profile(chosen.model, chosen.version)
    rules = settings.monitoring.for_model(chosen.model)
    report = current_report(
        workspace.predictions_file,
        chosen.model,
        chosen.version,
        profile,
        now,
        state=None if state is None else state[1],
        profile_since=None if made is None else made.made_at,
        by=by,
        rules=PerformanceRules.of(rules),
        denied=denied,
    )
    return VersionPerformance(model=chosen.model, version=chosen.version, stage=chosen.stage, report=report)


def _live_or_newest(registry: "Registry", model: str) -> "ModelVersion":
    if (live := registry.production(model)) is not None:
        return live
    versions = registry.versions_in_brief(model)
    if not versions:
        raise NotFoundError(f"There is no version of {model!r}. Register one first.")
    return registry.get(model, versions[-1].version)


def _profile_of(registry: "Registry", version: "ModelVersion") -> "DataProfile | None":
    """Return the profile of a version; None for a version from before, which is reported without a comparison."""
    from core.monitoring.data_profile import ProfileError
    from core.training.version_profile import profile_of_version

    with registry.opened(version.model, version.version):  # its files are as registered
        try:
            return profile_of_version(registry, version.model, version.version)
        except ProfileError:
            return None
