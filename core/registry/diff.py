"""What differs between two versions of a model, section by section, as rows a screen or a script can show.

Files that differ from the registered files are left out, and the result says so.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from msgspec.structs import replace

from core.explain.deny_list import DenyList, naming
from core.files import digest
from core.json_documents import decode_json
from core.registry.artifacts import ArtifactStore
from core.registry.contents import ENVIRONMENT_NAME, REPORT_NAME, SIGNATURE_NAME, importances, parsed_object, sliced_by
from core.registry.documents import ModelVersion
from core.registry.gates import ATTAINMENT
from core.registry.manifest import MANIFEST_NAME, Manifest, content_problem
from core.settings.sealing import read_content
from core.state import Workspace
from core.tracking import Runs
from core.tracking.comparison import flatten

VersionSection = Literal[
    "metrics",
    "slices",
    "data",
    "model",
    "lineage",
    "parameters",
    "features",
    "importances",
    "signature",
    "gates",
    "environment",
    "files",
]
ChangeKind = Literal["same", "changed", "added", "removed"]


class VersionDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One named value on both sides; None where a side lacks it."""

    section: VersionSection
    name: str
    before: Any
    after: Any
    change: ChangeKind
    delta: float | None = None  # after - before, where both are numbers


class VersionDiff(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison of two versions: `a` is before, `b` is after."""

    model: str
    a: str
    b: str
    rows: tuple[VersionDifference, ...]
    notes: tuple[str, ...] = ()  # what could not be compared, and why

    @property
    def changed(self) -> tuple[VersionDifference, ...]:
        """The rows that differ between the sides."""
        return tuple(row for row in self.rows if row.change != "same")

    def first(self, *, slices: bool = False) -> tuple[VersionDifference, ...]:
        """Return the differences that fit a screen: all, or of the most telling sections the largest changes.

        Args:
            slices: Include the metrics of slices, all of them.
        """
        found = [row for row in self.changed if row.section != "slices"]
        if len(found) > sum(_FIRST.values()):
            found = [
                row
                for section, n_rows in _FIRST.items()
                for row in sorted((row for row in found if row.section == section), key=_weight, reverse=True)[:n_rows]
            ]
        return (*found, *(row for row in self.changed if slices and row.section == "slices"))

    def left_out(self, shown: Sequence[VersionDifference]) -> dict[str, int]:
        """Count the differences that are not among those shown, by section."""
        counts = Counter(row.section for row in self.changed)
        counts.subtract(row.section for row in shown)
        return {section: counts[section] for section in SECTIONS if counts[section] > 0}


class ComparedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known about one side."""

    version: ModelVersion
    manifest: Manifest | None = None
    report: dict[str, Any] = {}
    signature: Mapping[str, Any] = {}
    environment: Mapping[str, Any] = {}
    run_parameters: Mapping[str, Any] = {}

    def section(self, name: VersionSection) -> Mapping[str, Any]:
        """Return the named values of a section, nested ones by their dotted path."""
        match name:
            case "metrics":
                return self.version.metrics
            case "slices":  # metrics of parts of the test data: report.json has slices: {part: {metric: value}}
                return _flat(self.report.get("slices"))
            case "data":  # the distribution of the training set, by column
                return _flat(self.report.get("data_profile"))
            case "model":  # single words of the report: algorithm, the shipped model and why
                return {key: value for key, value in self.report.items() if isinstance(value, str | int | float)}
            case "lineage":
                return flatten(self.version.lineage)
            case "parameters":
                return {**flatten(self.run_parameters), **_flat(self.report.get("parameters"))}
            case "features":
                features = self.report.get("features", ())
                return {str(feature): True for feature in features} if isinstance(features, list | tuple) else {}
            case "importances":
                return importances(self.report)
            case "signature":
                return _flat(_by_name(self.signature))
            case "gates":
                return {gate.name: gate.verdict for gate in self.version.gates}
            case "environment":
                return _flat(self.environment)
            case "files":
                return {path: file.sha256 for path, file in self.manifest.files.items()} if self.manifest else {}


SECTIONS: tuple[VersionSection, ...] = get_args(VersionSection)
# How many rows of a section stand on the first screen, of 24 lines with its headings and notes.
_FIRST: Mapping[VersionSection, int] = {
    "metrics": 6,
    "data": 2,
    "gates": 3,
    "model": 2,
    "parameters": 3,
    "features": 2,
    "signature": 1,
    "lineage": 1,
}
# What the signature says of a column without a value of its cells.
_NO_VALUES = ("type", "allows_missing")
# What the distribution of a column says without a value of its cells.
_MOMENTS = ("missing", "mean", "sd", "mean year", "sd days")
_DESCRIBING = (REPORT_NAME, SIGNATURE_NAME, ENVIRONMENT_NAME)


def compare(a: ComparedVersion, b: ComparedVersion, notes: tuple[str, ...] = ()) -> VersionDiff:
    """Compare two versions."""
    rows = [
        difference(section, name, before.get(name), after.get(name))
        for section in SECTIONS
        for before, after in [(a.section(section), b.section(section))]
        for name in [*before, *(name for name in after if name not in before)]
    ]
    return VersionDiff(model=a.version.model, a=a.version.version, b=b.version.version, rows=tuple(rows), notes=notes)


def compare_versions(workspace: Workspace, store: ArtifactStore, a: ModelVersion, b: ModelVersion) -> VersionDiff:
    """Compare two versions; files that differ from the registered files are left out and noted.

    Raises:
        SettingsError: The settings, which say what columns must not appear, cannot be read.
    """
    notes: list[str] = []
    before, after = (_gather(workspace, store, version, notes) for version in (a, b))
    found = compare(before, after, tuple(notes))
    return _without_denied(found, (before, after), DenyList.in_force(workspace.root))


def _has_no_value(name: str) -> bool:
    return name.rpartition(".")[2] in _NO_VALUES or name.startswith("sensitivity.")


def _without_denied(found: VersionDiff, sides: Sequence[ComparedVersion], denied: DenyList) -> VersionDiff:
    """Leave out the figures of columns that must not appear; that a version reads such a column is no secret."""
    columns = {
        str(name)
        for side in sides
        for name in (
            *side.section("importances"),
            *side.section("features"),
            *_by_name(side.signature).get("inputs", ()),
            *(side.report.get("data_profile") or ()),
            *(name.partition("=")[0] for name in side.report.get("slices") or ()),
        )
    }
    found = _without_values(found, {name for name in columns if denied.hides_values(name)}, denied)
    hidden = {name for name in columns if denied.denies(name)}
    for side in sides:  # slices may have another name than the column that they are made of
        hidden.update(name for name, column in sliced_by(side.report).items() if denied.denies(column))
    if (pattern := naming(hidden)) is None:
        return found
    rows = tuple(
        row
        for row in found.rows
        if row.section == "features"
        or (row.section == "signature" and _has_no_value(row.name))
        or not any(map(pattern.search, (row.name, str(row.before), str(row.after))))
    )
    left_out = f"{len(hidden)} of {len(columns)} columns"
    note = f"The figures of {left_out} are left out: explanation.denied_columns names them."
    return replace(found, rows=rows, notes=(*found.notes, note))


def _without_values(found: VersionDiff, masked: set[str], denied: DenyList) -> VersionDiff:
    """Leave out the values of columns of which none may be shown: levels, ends of ranges and slices."""
    if (pattern := naming(masked)) is None:
        return found

    def tells(row: VersionDifference) -> bool:
        if row.section == "slices":
            return denied.denies_slice(row.name)
        if row.section == "signature":
            return not _has_no_value(row.name) and pattern.search(row.name) is not None
        return (
            row.section == "data"
            and row.name.rpartition(".")[2] not in _MOMENTS
            and pattern.match(row.name) is not None
        )

    return replace(found, rows=tuple(row for row in found.rows if not tells(row)))


def difference(section: VersionSection, name: str, before: Any, after: Any) -> VersionDifference:
    """Compare one value.

    >>> difference("metrics", "attainment", 0.5, 0.75).delta
    0.25
    """
    change: ChangeKind = "changed"
    if before == after:
        change = "same"
    elif before is None or after is None:
        change = "added" if before is None else "removed"
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (before, after))
    delta = float(after) - float(before) if numeric else None
    return VersionDifference(section=section, name=name, before=before, after=after, change=change, delta=delta)


def _weight(row: VersionDifference) -> tuple[bool, bool, float]:
    """Order changes within a section: attainment first, metrics of the whole before those of a part, then by size.

    The size is the relative change; what is no number, or is on one side only, counts as the largest.
    """
    is_first, is_whole = row.section == "metrics" and row.name == ATTAINMENT, "." not in row.name
    if row.delta is None:
        return is_first, is_whole, math.inf
    return is_first, is_whole, abs(row.delta) / (max(abs(float(row.before)), abs(float(row.after))) or 1.0)


def _flat(values: Any) -> dict[str, Any]:
    return flatten(values) if isinstance(values, Mapping) else {}


def _by_name(value: Any) -> Any:
    """Turn lists of named entries into mappings, so that a column is compared with itself and not with a neighbour.

    >>> _by_name({"columns": [{"name": "rating", "kind": "number"}]})
    {'columns': {'rating': {'kind': 'number'}}}
    """
    if isinstance(value, Mapping):
        return {key: _by_name(item) for key, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, Mapping) and "name" in item for item in value):
        return {str(item["name"]): {key: it for key, it in item.items() if key != "name"} for item in value}
    return value


def _gather(workspace: Workspace, store: ArtifactStore, version: ModelVersion, notes: list[str]) -> ComparedVersion:
    run = Runs(workspace).find(version.run_id) if version.run_id else None
    parameters = run.parameters if run else {}
    folder = store.folder(version.model, version.version)
    content = _read(folder / MANIFEST_NAME, version.manifest_sha256)
    if content is None:
        notes.append(f"{version.key}: {MANIFEST_NAME} is not as registered, so its files were not compared.")
        return ComparedVersion(version=version, run_parameters=parameters)
    manifest = decode_json(content, type=Manifest)
    found = dict.fromkeys(_DESCRIBING, b"{}")
    for name in _DESCRIBING:
        if listed := manifest.files.get(name):
            content = _read(folder / name, listed.sha256)
            if content is None:
                problem = content_problem(folder / name, listed) or "was changed a moment ago"
                notes.append(f"{version.key}: {name} {problem}, so it was not compared.")
            else:
                found[name] = content
    return ComparedVersion(
        version=version,
        manifest=manifest,
        report=parsed_object(found[REPORT_NAME]),
        signature=parsed_object(found[SIGNATURE_NAME]),
        environment=parsed_object(found[ENVIRONMENT_NAME]),
        run_parameters=parameters,
    )


def _read(path: Path, sha256: str) -> bytes | None:
    try:
        content = read_content(path)
    except OSError:
        return None
    return content if digest(content) == sha256 else None
