"""What a registered version answered lately, against its profile."""

from datetime import timedelta

from core.clock import Clock, in_words, utc_now
from core.errors import UsageError
from core.explain.deny_list import DenyList
from core.monitoring.live.sketch import ProfileIndex
from core.monitoring.live.window import LiveWindow, live_window
from core.monitoring.profile_check import check_sketch
from core.registry import Registry
from core.registry.contents import REPORT_NAME, importance_shares, read_object
from core.settings.policy import DriftPolicy
from core.state import Workspace
from core.telemetry.live import LiveReader
from core.training.own_data.drift import VersionDrift
from core.training.own_data.version_choice import chosen_version
from core.training.version_profile import profile_of_version

FIXED_WINDOW = (
    "this is one check of one window: whoever looks again and again, and acts on the first alarm, will see false ones; "
    "`bondx drift status` shows the sequential verdict, which counts all looks"
)


class NoCountedRowsError(UsageError):
    """No row of the version was counted in the time."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"{problem}; ask for a longer time with --since, or check a file with --data.")


def check_served(
    workspace: Workspace,
    model: str,
    rules: DriftPolicy,
    *,
    since: timedelta,
    version: str | None = None,
    clock: Clock = utc_now,
) -> VersionDrift:
    """Check what servers counted of a version against its profile, in minutes that are over.

    Args:
        workspace: Where the version is registered and served.
        model: Its model.
        rules: The PSI that matters, by kind.
        since: How far back.
        version: Its number; by default the live version, else the newest.
        clock: The time.
    Raises:
        NotFoundError: There is no such model or version.
        ProfileError: The version has no profile, or none that can be read.
        SketchError: The stored counts cannot be read.
        TelemetryError: The store cannot be read now.
        UsageError: No row was counted in that time.
    """
    registry = Registry(workspace)
    chosen = chosen_version(registry, model, version, None)
    with registry.opened(chosen.model, chosen.version) as folder:
        report = read_object(folder / REPORT_NAME)
        profile = profile_of_version(registry, chosen.model, chosen.version)
    index, reader, now = ProfileIndex(profile), LiveReader(workspace.live_file), clock()
    try:
        window = live_window(reader, index, chosen.model, chosen.version, now - since, now)
    finally:
        reader.close()
    if not window.sketch.n:
        raise NoCountedRowsError(
            f"No row of {chosen.model} {chosen.version} was counted since {in_words(window.start)}. A minute is stored "
            "when it is over"
        )
    shares = importance_shares(report)
    denied = DenyList.in_force(workspace.root)
    found = check_sketch(index, window.sketch, rules, importance=shares, denied=denied, notes=_notes(index, window))
    return VersionDrift(
        model=chosen.model,
        version=chosen.version,
        stage=chosen.stage,
        report=found,
        since=window.start,
        until=window.end,
        n_dropped=window.n_dropped,
    )


def _notes(index: ProfileIndex, window: LiveWindow) -> list[str]:
    notes = [FIXED_WINDOW]
    if left_out := [name for name in index.columns if name not in window.sketch.features]:
        notes.append(f"not counted, since requests do not carry them: {', '.join(left_out)}")
    if index.profile.group is not None:
        notes.append(f"the groups of {index.profile.group!r} are not counted: rows are taken for independent")
    if window.n_dropped:
        notes.append(
            f"{window.n_dropped:,} more rows were answered and are not counted: in busy minutes only a random share of "
            "the requests is counted, so these minutes weigh less here than by all their rows"
        )
    if window.n_other:
        notes.append(f"{window.n_other:,} more rows were counted without this profile")
    return notes
