"""What a registered model relied on while it served, over time and from version to version."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from core.clock import Clock, in_words, utc_now
from core.errors import UsageError
from core.explain.deny_list import DenyList
from core.explain.served_sketch import ContributionSketch, ContributionSketchError, sketch_from_bytes
from core.explain.served_trend import ServedTrend, VersionStep, bucket_step, trend_report
from core.natural_order import natural
from core.registry import Registry
from core.settings import settings_in_force
from core.state import Workspace
from core.telemetry.live import LiveHour, LiveMinute, LiveReader

LEAST: Final = timedelta(minutes=1)
MOST: Final = timedelta(days=3650)
_HOUR: Final = timedelta(hours=1)


class NotExplained(msgspec.Struct, frozen=True, kw_only=True):
    """Answered rows that no explained row stands for."""

    version: str
    n_rows: int


class ServedExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """What the versions of a model relied on while they served.

    Attributes:
        model: The model.
        start: The beginning of the first bucket.
        end: The end of the window.
        bucket_seconds: The length of a bucket.
        trends: One for each version and each way in which its answers were explained, as in `TrendReport`.
        steps: From each version to the next.
        n_compared: How many figures were looked at together.
        not_explained: By version the rows that were answered, and that no explained row stands for.
        notes: What a reader must know, a sentence each.
    """

    model: str
    start: datetime
    end: datetime
    bucket_seconds: int
    trends: tuple[ServedTrend, ...]
    steps: tuple[VersionStep, ...]
    n_compared: int
    not_explained: tuple[NotExplained, ...] = ()
    notes: tuple[str, ...] = ()


def explain_over(
    workspace: Workspace, model: str, over: timedelta, *, version: str | None = None, clock: Clock = utc_now
) -> ServedExplanation:
    """Say how what a model relies on moved while it served.

    Args:
        workspace: Where it is registered and served.
        model: The model.
        over: How far back; the first bucket may begin up to its own length earlier.
        version: One version; by default all versions that served.
        clock: The time.
    Raises:
        NotFoundError: There is no such model or version.
        TelemetryError: The store cannot be read now.
        UsageError: The time is too short or too long, or no answer was explained in it.
    """
    if not LEAST <= over <= MOST:
        raise UsageError("The time to look back must be from 1m to ten years, such as 7d.")
    registry = Registry(workspace)
    registry.numbers(model)
    end, step = clock(), bucket_step(over)
    start = _aligned(end - over, step)
    reader = LiveReader(workspace.contributions_file)
    try:
        names = reader.versions_of(model)
        if version is not None:
            # A version that was pruned is in no registry, but its sums may still be stored; an alias is in no store.
            names = [version if version in names else registry.get(model, version).version]
        stored: dict[str, Sequence[LiveHour | LiveMinute]] = {}
        for name in names:
            asked = (model, name, start, end)
            stored[name] = reader.sums(*asked) if step >= _HOUR else reader.between(*asked)
    finally:
        reader.close()
    sketches: dict[str, list[tuple[datetime, ContributionSketch]]] = defaultdict(list)
    lacking: dict[str, int] = defaultdict(int)
    n_damaged = 0
    for name, parts in stored.items():
        for part in parts:
            lacking[name] += part.n_dropped
            if not part.sketch:
                continue
            try:
                sketches[name].append((part.at, sketch_from_bytes(part.sketch)))
            except ContributionSketchError:
                lacking[name] += part.n
                n_damaged += 1
    settings = settings_in_force(workspace.root).explanation
    if not sketches:
        raise UsageError(_nothing(model, version, start, sum(lacking.values()), settings.served_rows))
    damage = [f"{n_damaged:,} stored sums cannot be read and are left out."] if n_damaged else []
    found = trend_report(sketches, start=start, end=end, step=step, denied=DenyList.of(settings))
    return ServedExplanation(
        model=model,
        start=start,
        end=end,
        bucket_seconds=round(step.total_seconds()),
        trends=found.trends,
        steps=found.steps,
        n_compared=found.n_compared,
        not_explained=tuple(
            NotExplained(version=name, n_rows=lacking[name]) for name in sorted(lacking, key=natural) if lacking[name]
        ),
        notes=(*found.notes, *damage),
    )


def _aligned(at: datetime, step: timedelta) -> datetime:
    """Return the beginning of the bucket that holds an instant: buckets begin at whole multiples since 1970."""
    seconds = step.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)


def _nothing(model: str, version: str | None, start: datetime, n_lacking: int, rate: int) -> str:
    name = model if version is None else f"{model} {version}"
    if n_lacking:
        why = f"{n_lacking:,} rows were answered, and none of them could be explained: the log of the server says why."
    elif not rate:
        why = "explanation.served_rows is 0, so that servers explain no row."
    else:
        why = "A minute is stored when it is over; ask for a longer time, or for a version that served."
    return f"No answer of {name} was explained since {in_words(start)}. {why}"
