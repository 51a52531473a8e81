"""Marking rows: two to compare them, or several for one change."""

from collections.abc import Sequence

from console.presentation.keys import with_keys
from core.errors import UsageError
from core.registry import ModelVersion
from core.tracking import Run
from core.tracking.run import run_number
from core.view.snapshot import Snapshot

N_COMPARED = 2


def toggled(marked: tuple[str, ...], key: str, *, limit: int | None = None) -> tuple[str, ...]:
    """Mark a row, or remove its mark; beyond the limit, the oldest mark goes.

    >>> toggled(("a",), "b"), toggled(("a", "b"), "c", limit=2), toggled(("a", "b"), "a")
    (('a', 'b'), ('b', 'c'), ('b',))
    """
    others = tuple(other for other in marked if other != key)
    return others if key in marked else (*others, key)[-(limit or 0) :]


def marked_words(n_marked: int) -> str:
    """Count the marks for the frame of a list; empty without any.

    >>> marked_words(3)
    '3 marked, Esc clears'
    """
    return f"{n_marked} marked, Esc clears" if n_marked else ""


def versions_to_compare(
    snapshot: Snapshot, marked: Sequence[str], current: ModelVersion | None
) -> tuple[ModelVersion, ModelVersion]:
    """Choose two versions of a model: the marked ones, or the marked or live one and that under the cursor.

    Args:
        snapshot: The models and their versions.
        marked: The keys of the marked versions, in the order of marking.
        current: The version under the cursor.
    Raises:
        UsageError: There are not two, or they are of different models.
    """
    by_key = {version.key: version for version in snapshot.versions}
    chosen = [by_key[key] for key in marked if key in by_key]
    if len(chosen) > N_COMPARED:
        compare = with_keys("{registry.compare} compares two")
        raise UsageError(f"{len(chosen)} versions are marked; {compare}. Esc clears the marks.")
    if len(chosen) < N_COMPARED and current is not None:
        others = [version for version in chosen if version.key != current.key]
        chosen = [*(others or _live_beside(snapshot, current))[:1], current]
    if len(chosen) < N_COMPARED or chosen[0].key == chosen[1].key:
        raise UsageError(with_keys("Mark two versions with {registry.mark}, then {registry.compare} compares them."))
    before, after = chosen
    if before.model != after.model:
        raise UsageError(f"{before.model} and {after.model} are different models; mark two versions of one model.")
    return before, after


def _live_beside(snapshot: Snapshot, version: ModelVersion) -> list[ModelVersion]:
    """Return the live version of the model; for the live version itself, the version that was live before it."""
    model = next(model for model in snapshot.models if model.model == version.model)
    before = model.previous_production[-1] if model.previous_production else None
    beside = before if model.production == version.version else model.production
    return [other for other in snapshot.versions if (other.model, other.version) == (model.model, beside)]


def runs_to_compare(
    snapshot: Snapshot, marked: Sequence[str], current: Run | None, shown: Sequence[str]
) -> tuple[str, str]:
    """Choose two runs: the marked ones, or that under the cursor and the marked one or the one below; the older first.

    Args:
        snapshot: The runs.
        marked: The ids of the marked runs.
        current: The run under the cursor.
        shown: The ids of the runs of the list, from top to bottom.
    Raises:
        UsageError: There are not two.
    """
    chosen = [run_id for run_id in marked if snapshot.run(run_id)]
    if len(chosen) < N_COMPARED and current is not None:
        below = shown[shown.index(current.run_id) + 1 :]
        others = [run_id for run_id in chosen if run_id != current.run_id] or below
        chosen = [*others[:1], current.run_id]
    found = [run_id for run_id in chosen if snapshot.run(run_id)]
    if len(found) < N_COMPARED:
        raise UsageError(with_keys("Mark two runs with {runs.mark}, then {runs.compare} compares them."))
    older, newer = sorted(found, key=run_number)
    return older, newer
