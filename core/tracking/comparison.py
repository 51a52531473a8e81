"""Runs compared: one row per value, one column per run."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from core.tracking.divergence import words_for_values
from core.tracking.run import Run

RunSection = Literal["metrics", "parameters", "data", "environment", "git", "tags"]


_SECTIONS: dict[RunSection, Callable[[Run], Mapping[str, Any]]] = {
    "metrics": lambda run: {**run.metrics, **words_for_values(run.diverged, run.undefined)},
    "parameters": lambda run: run.parameters,
    "data": lambda run: run.data_hashes,
    "environment": lambda run: run.environment,
    "git": lambda run: run.git or {},
    "tags": lambda run: run.tags,
}


class ComparedValue(msgspec.Struct, frozen=True, kw_only=True):
    """One named value in every run; None where a run lacks it."""

    section: RunSection
    name: str
    values: tuple[Any, ...]

    @property
    def differs(self) -> bool:
        """Whether the runs disagree."""
        return any(value != self.values[0] for value in self.values)


class RunComparison(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison of several runs, in the order requested."""

    run_ids: tuple[str, ...]
    rows: tuple[ComparedValue, ...]

    @property
    def differing(self) -> tuple[ComparedValue, ...]:
        """The rows in which the runs disagree."""
        return tuple(row for row in self.rows if row.differs)


def compare_runs(runs: Sequence[Run]) -> RunComparison:
    """Compare runs, nested values by their dotted path."""
    rows = []
    for section, of_run in _SECTIONS.items():
        columns = [flatten(of_run(run)) for run in runs]
        names = dict.fromkeys(name for column in columns for name in column)
        rows += [
            ComparedValue(section=section, name=name, values=tuple(column.get(name) for column in columns))
            for name in names
        ]
    return RunComparison(run_ids=tuple(run.run_id for run in runs), rows=tuple(rows))


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested mappings into one, with dotted names.

    >>> flatten({"seeds": {"model": 1}, "rows": 10})
    {'seeds.model': 1, 'rows': 10}
    """
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
