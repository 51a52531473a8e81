"""What differs between two versions of a model, section by section, as rows a screen or a script can show."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec

from core.registry.documents import ModelVersion
from core.registry.manifest import Manifest
from core.tracking.comparison import flatten

Section = Literal["metrics", "model", "lineage", "parameters", "features", "importances", "gates", "files"]
Change = Literal["same", "changed", "added", "removed"]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One named value on both sides; None where a side has none."""

    section: Section
    name: str
    before: Any
    after: Any
    change: Change
    delta: float | None = None  # after - before, where both are numbers


class VersionDiff(msgspec.Struct, frozen=True, kw_only=True):
    """Two versions side by side: `a` is before, `b` is after."""

    model: str
    a: str
    b: str
    rows: tuple[Difference, ...]
    notes: tuple[str, ...] = ()  # what could not be compared, and why

    @property
    def changed(self) -> tuple[Difference, ...]:
        """The rows that are not the same on both sides."""
        return tuple(row for row in self.rows if row.change != "same")


class ComparedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one side."""

    version: ModelVersion
    manifest: Manifest | None = None
    report: Mapping[str, Any] = {}
    run_parameters: Mapping[str, Any] = {}

    def section(self, name: Section) -> Mapping[str, Any]:
        """Return the named values of a section, nested ones by their dotted path."""
        if name == "metrics":
            return self.version.metrics
        if name == "model":  # what the report says in one word: algorithm, what ships and why
            return {key: value for key, value in self.report.items() if isinstance(value, str | int | float)}
        if name == "lineage":
            return flatten(self.version.lineage)
        if name == "gates":
            return {gate.name: gate.verdict for gate in self.version.gates}
        if name == "files":
            return {path: file.sha256 for path, file in self.manifest.files.items()} if self.manifest else {}
        if name == "features":
            features = self.report.get("features", ())
            return {str(feature): True for feature in features} if isinstance(features, list | tuple) else {}
        if name == "importances":
            importances = self.report.get("feature_importance", self.report.get("importances"))
            return importances if isinstance(importances, dict) else {}
        own = self.report.get("parameters")
        return flatten({**self.run_parameters, **(own if isinstance(own, dict) else {})})


SECTIONS: tuple[Section, ...] = get_args(Section)


def compare(a: ComparedVersion, b: ComparedVersion, notes: tuple[str, ...] = ()) -> VersionDiff:
    """Lay two versions side by side."""
    rows = [
        difference(section, name, before.get(name), after.get(name))
        for section in SECTIONS
        for before, after in [(a.section(section), b.section(section))]
        for name in [*before, *(name for name in after if name not in before)]
    ]
    return VersionDiff(model=a.version.model, a=a.version.version, b=b.version.version, rows=tuple(rows), notes=notes)


def difference(section: Section, name: str, before: Any, after: Any) -> Difference:
    """Compare one value.

    >>> difference("metrics", "attainment", 0.5, 0.75).delta
    0.25
    """
    change: Change = "changed"
    if before == after:
        change = "same"
    elif before is None or after is None:
        change = "added" if before is None else "removed"
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (before, after))
    delta = float(after) - float(before) if numeric else None
    return Difference(section=section, name=name, before=before, after=after, change=change, delta=delta)
