"""What is recorded about one version, read once and checked against its manifest: for its bill and its provenance."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from core.errors import NotFoundError
from core.evidence.denied import denied_names, narrowed, words_in
from core.explain.deny_list import DenyList, naming
from core.registry import HashMismatchError, ModelVersion, Registry
from core.registry.artifacts import ArtifactStore
from core.registry.contents import ENVIRONMENT_NAME, MODEL_NAME, REPORT_NAME, SIGNATURE_NAME, parsed_object
from core.registry.errors import ChangedFileError
from core.registry.later_denied import with_gates_as_shown
from core.registry.lineage import parents_of
from core.state.workspace import Workspace

if TYPE_CHECKING:
    from core.domains.domain import Domain

T = TypeVar("T")

_EXPLANATION_NAME = "explanation.json"
_SHA256 = re.compile(r"[0-9a-f]{64}", re.I)


@dataclass(frozen=True, slots=True)
class RecordedVersion:
    """A version, the files that describe it, and the columns that must not appear.

    Attributes:
        version: Its record.
        files: The SHA-256 of every file, by name.
        report: Its `report.json`; this and the next three are empty if there is none.
        signature: Its `signature.json`.
        environment: Its `environment.json`.
        header: Its `model.json`.
        ancestors: The hash of the manifest of each version that it was made from, by key; empty if not known.
        denied: The columns that must not appear, without patterns so broad that they deny ordinary words.
        hidden: The pattern of texts that name one of them that is recorded.
    """

    version: ModelVersion
    files: Mapping[str, str]
    report: Mapping[str, Any]
    signature: Mapping[str, Any]
    environment: Mapping[str, Any]
    header: Mapping[str, Any]
    ancestors: Mapping[str, str]
    denied: DenyList
    hidden: re.Pattern[str] | None

    def silent(self, entries: Iterable[Any]) -> list[Any]:
        """Return the entries that name no denied column."""
        return [each for each in entries if not self.is_hidden(each)]

    def is_hidden(self, entry: Any) -> bool:
        """Say whether a text, or a text in a document, names a denied column."""
        return any(
            self.denied.denies(word) or (self.hidden is not None and self.hidden.search(word) is not None)
            for word in words_in(entry)
        )

    def data_sets(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the purpose of each data set of the lineage, and what it says of it, such as `sha256` and `n_rows`."""
        lineage = self.version.lineage.get("data")
        for purpose, entry in sorted(lineage.items()) if isinstance(lineage, Mapping) else ():
            found = entry if isinstance(entry, Mapping) else {"sha256": entry}
            if not self.is_hidden([purpose, found]):
                yield purpose, found

    def columns(self, side: str) -> Iterator[tuple[str, str]]:
        """Yield the name and the kind of each column of its signature, denied or not.

        Args:
            side: "inputs" or "outputs".
        """
        columns = self.signature.get(side)
        for column in columns if isinstance(columns, list) else ():
            if isinstance(column, Mapping):
                yield str(column.get("name")), str(column.get("type"))

    def packages(self) -> Iterator[tuple[str, str, str]]:
        """Yield the name and version of each package of the environment, and whether it is "required" or "optional"."""
        for key, scope in (("packages", "required"), ("optional_packages", "optional")):
            packages = self.environment.get(key)
            for name, version in sorted(packages.items()) if isinstance(packages, Mapping) else ():
                yield name, str(version), scope


def recorded_version(workspace: Workspace, model: str, version: str) -> RecordedVersion:
    """Read what is recorded about a version.

    Args:
        workspace: The workspace.
        model: The model.
        version: Its version, or an alias.

    Raises:
        NotFoundError: There is no such model, version or alias.
        HashMismatchError: Its files differ from the registered files.
        SettingsError: The settings cannot be read.
    """
    registry = Registry(workspace)
    found = registry.get(model, version)
    store = ArtifactStore(workspace.artifacts_dir)
    names = (REPORT_NAME, SIGNATURE_NAME, ENVIRONMENT_NAME, MODEL_NAME, _EXPLANATION_NAME)
    try:
        manifest = store.manifest(found.model, found.version, found.manifest_sha256)
        contents = store.contents(found.model, found.version, found.manifest_sha256, names)
    except ChangedFileError as error:
        raise HashMismatchError(found.model, found.version, (str(error),)) from None
    describing = {name: parsed_object(contents.get(name, b"")) for name in names}
    said = (*describing.values(), found.lineage, found.metrics)
    denied = DenyList.in_force(workspace.root)
    return RecordedVersion(
        version=with_gates_as_shown(found, denied),
        files={name: file.sha256 for name, file in sorted(manifest.files.items())},
        report=describing[REPORT_NAME],
        signature=describing[SIGNATURE_NAME],
        environment=describing[ENVIRONMENT_NAME],
        header=describing[MODEL_NAME],
        ancestors=_manifests_of(registry, _ancestors(found)),
        denied=narrowed(denied),
        hidden=naming(denied_names(said, denied)),
    )


def domain_of(model: str) -> "Domain | None":
    """Return the built-in domain that has a model of this name."""
    from core.domains.registry import built_in_domains

    return next((domain for domain in built_in_domains() if model in domain.models), None)


def on_record(get: Callable[[str], T], name: str) -> T | None:
    """Return a document that another one names; None if none is named, or it was pruned."""
    try:
        return get(name) if name else None
    except NotFoundError:
        return None


def encoded_record(document: Mapping[str, Any]) -> bytes:
    """Return the bytes of a bill or a provenance, the same for the same one."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def sha256_in(entry: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a data set; empty if its hash is something else, as a person may register it.

    >>> sha256_in({"sha256": "ab12"})
    ''
    """
    said = str(entry.get("sha256") or "")
    return said.lower() if _SHA256.fullmatch(said) else ""


def _ancestors(version: ModelVersion) -> tuple[str, ...]:
    """Return the keys of the versions that a version was made from."""
    continued = version.lineage.get("continues")
    said = (f"{version.model}/{continued}",) if isinstance(continued, str) and continued else ()
    return tuple(dict.fromkeys((*parents_of(version), *said)))


def _manifests_of(registry: Registry, keys: Iterable[str]) -> dict[str, str]:
    """Return the hash of the manifest of each version, pruned or not; empty of one that was never registered here."""
    if not (wanted := tuple(keys)):
        return {}
    known = {each.key: each.manifest_sha256 for each in registry.pruned()}
    known |= {each.key: each.manifest_sha256 for each in registry.versions_in_brief()}
    return {key: known.get(key, "") for key in wanted}
