"""Marking rows: two to compare them, or several for one change. Nothing acts on a mark that is not shown."""

from collections.abc import Collection, Container, Sequence

from console.presentation.keys import with_keys
from core.errors import UsageError
from core.registry import ModelVersion
from core.tracking import Run
from core.tracking.run import run_number
from core.view.snapshot import Snapshot
from widgets.live_table import LiveTable

N_COMPARED = 2


def toggled(marked: tuple[str, ...], key: str, *, limit: int | None = None) -> tuple[str, ...]:
    """Mark a row, or remove its mark; beyond the limit, the oldest mark goes.

    >>> toggled(("a",), "b"), toggled(("a", "b"), "c", limit=2), toggled(("a", "b"), "a")
    (('a', 'b'), ('b', 'c'), ('b',))
    """
    others = tuple(other for other in marked if other != key)
    return others if key in marked else (*others, key)[-(limit or 0) :]


class Marks:
    """The marked rows of a screen, in the order of marking."""

    def __init__(self, *, limit: int | None = None) -> None:
        """Take the greatest number of marks; beyond it, the oldest goes."""
        self._limit = limit
        self._keys: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether any row is marked."""
        return bool(self._keys)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the marked rows, shown or not."""
        return self._keys

    def shown(self, shown: Container[str]) -> tuple[str, ...]:
        """Return the marked rows among those that a list shows: all that an action may be about."""
        return tuple(key for key in self._keys if key in shown)

    def toggle(self, key: str) -> None:
        """Mark a row, or remove its mark."""
        self._keys = toggled(self._keys, key, limit=self._limit)

    def toggle_all(self, keys: Sequence[str]) -> None:
        """Mark these rows as well, or remove their marks if all of them are marked."""
        if all(key in self._keys for key in keys):
            self.end(keys)
        else:
            self._keys = tuple(dict.fromkeys((*self._keys, *keys)))

    def end(self, keys: Collection[str]) -> None:
        """Remove the marks of these rows."""
        self._keys = tuple(key for key in self._keys if key not in keys)

    def keep(self, known: Container[str]) -> None:
        """Forget the rows that no longer exist, or are nothing to act on any more."""
        self._keys = tuple(key for key in self._keys if key in known)

    def clear(self) -> bool:
        """Remove all marks; False if there was none."""
        had_any = bool(self._keys)
        self._keys = ()
        return had_any

    def words(self, shown: Container[str]) -> str:
        """Count the marks for the frame of a list; empty without any.

        >>> marks = Marks()
        >>> marks.toggle_all(["a", "b", "c"])
        >>> marks.words({"a", "b", "c"}), marks.words({"a", "b"})
        ('3 marked, Esc clears', '3 marked (1 not shown), Esc clears')
        """
        n_hidden = len(self._keys) - len(self.shown(shown))
        hidden = f" ({n_hidden} not shown)" if n_hidden else ""
        return f"{len(self._keys)} marked{hidden}, Esc clears" if self._keys else ""


def row_keys(table: LiveTable) -> frozenset[str]:
    """Return the keys of the rows that pass the filter of a list."""
    return table.row_keys


def versions_to_compare(
    snapshot: Snapshot, marked: Sequence[str], current: ModelVersion | None
) -> tuple[ModelVersion, ModelVersion]:
    """Choose two versions of a model: the marked ones, or the marked or live one and that under the cursor.

    Args:
        snapshot: The models and their versions.
        marked: The keys of the marked versions that are shown, in the order of marking.
        current: The version under the cursor.
    Raises:
        UsageError: There are not two, or they are of different models.
    """
    by_key = snapshot.versions_by_key
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
        marked: The ids of the marked runs that are shown.
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
