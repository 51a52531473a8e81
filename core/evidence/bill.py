"""The bill of materials of a registered version in CycloneDX's JSON: model card, data sets, files and packages.

It holds recorded facts alone, and no time but that of the registration: the same version has the same bytes, until one
of the tags that it quotes, or a denied column, changes. It is plain JSON, so no library is needed to write it.

It is signed inside, as CycloneDX says: by the key that signs versions for other programs, over all of it but the value
of the signature.

Sources:
    CycloneDX 1.7 (ECMA-424), https://cyclonedx.org/docs/1.7/json/
    JSON Signature Format, https://cyberphone.github.io/doc/security/jsf.html
    RFC 8785, JSON Canonicalization Scheme
"""

import uuid
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

import orjson

from core.clock import to_iso
from core.evidence.recorded_version import RecordedVersion, domain_of, recorded_version, sha256_in
from core.governance.json_signing import json_signed
from core.governance.model_keys import ModelKeys
from core.installed_packages import DISTRIBUTION, licence_of, purl_of
from core.quality.gate import GateVerdict
from core.registry.language_models import is_language_model
from core.state.workspace import Workspace
from core.tables.signature import TEXT_TASK
from core.text.corpus import NOTICE as TEXTS_NOTICE

SPEC_VERSION = "1.7"
_PURPOSES = ("purpose", "intended_use")  # tags that say what a version is for
_PROHIBITED = "prohibited_use"
_RECORDED = ("random_seed", "settings_sha256", "epochs", "best_epoch", "way", "target")  # of the lineage
_APPROACHES = {"anomaly": "unsupervised", TEXT_TASK: "self-supervised"}
_BOUNDS = ("_low", "_high")


def bill_of_version(workspace: Workspace, model: str, version: str) -> dict[str, Any]:
    """Return the bill of a version, without the columns of `explanation.denied_columns`.

    It is signed, unless this account has no key of the workspace to sign it with.

    Args:
        workspace: The workspace, whose key signs it.
        model: The model.
        version: Its version, or an alias.

    Raises:
        NotFoundError: There is no such model, version or alias.
        HashMismatchError: Its files differ from the registered files.
        SettingsError: The settings cannot be read.
        ModelKeyError: The signing key is damaged.
    """
    found = _VersionBill(recorded_version(workspace, model, version)).written()
    keys = ModelKeys(workspace.keys_dir)
    return json_signed(found, keys) if keys.can_sign() else found


class _VersionBill:
    """The bill that is being written."""

    def __init__(self, recorded: RecordedVersion) -> None:
        self._recorded = recorded
        self._version = recorded.version
        self._trained_as = str(recorded.header.get("model", ""))

    def written(self) -> dict[str, Any]:
        own = f"model:{self._version.key}"
        data, packages = self._data(), [*self._packages()]
        content: dict[str, Any] = {
            "$schema": f"http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": SPEC_VERSION,
            "version": 1,
            "metadata": {
                "timestamp": to_iso(self._version.created_at),
                "tools": {"components": [{"type": "application", "name": DISTRIBUTION}]},
                "component": self._model(own, data),
            },
            "components": [*data, *packages],
            "dependencies": [{"ref": own, "dependsOn": sorted(each["bom-ref"] for each in (*data, *packages))}],
        }
        serial = uuid.uuid5(uuid.NAMESPACE_URL, orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode())
        return {**content, "serialNumber": serial.urn}

    def _model(self, own: str, data: list[dict[str, Any]]) -> dict[str, Any]:
        version = self._version
        found = {
            "type": "machine-learning-model",
            "bom-ref": own,
            "name": version.model,
            "version": version.version,
            "hashes": _hashes(version.manifest_sha256),
            "properties": self._recorded.silent(
                _properties(hash_is_of="MANIFEST.json", run=version.run_id, session=version.session_id)
            ),
            "components": self._recorded.silent(
                {"type": "file", "bom-ref": f"file:{name}", "name": name, "hashes": _hashes(sha256)}
                for name, sha256 in sorted(self._recorded.files.items())
            ),
            "modelCard": self._card(data),
        }
        if version.description and not self._recorded.is_hidden(version.description):
            found["description"] = version.description
        if self._recorded.ancestors:
            found["pedigree"] = {"ancestors": [_ancestor(*each) for each in self._recorded.ancestors.items()]}
        return found

    def _card(self, data: list[dict[str, Any]]) -> dict[str, Any]:
        version = self._version
        task = version.lineage.get("task") or self._recorded.signature.get("task") or _task_of(self._trained_as)
        task = task if isinstance(task, str) else None  # a lineage may be of anybody's making
        chosen = version.lineage.get("chosen") or self._recorded.report.get("ships")
        parameters: dict[str, Any] = {
            "approach": {"type": _APPROACHES.get(task, "supervised")} if task else None,
            "task": task,
            "modelArchitecture": chosen if isinstance(chosen, str) else None,
            "datasets": [{"ref": each["bom-ref"]} for each in data],
            **{side: [{"format": kind} for kind in self._kinds(side)] for side in ("inputs", "outputs")},
        }
        limits = [f"Not for: {version.tags[_PROHIBITED]}"] if version.tags.get(_PROHIBITED) else []
        limits += [f"{gate.name}: {gate.sentence}" for gate in version.gates if gate.verdict is not GateVerdict.PASS]
        limits.append(self._notice())
        considerations = {
            "useCases": self._recorded.silent(version.tags[name] for name in _PURPOSES if version.tags.get(name)),
            "technicalLimitations": self._recorded.silent(filter(None, limits)),
        }
        gates = {f"gate:{gate.name}": f"{gate.verdict}: {gate.sentence}" for gate in version.gates}
        recorded = {name: version.lineage.get(name) for name in _RECORDED}
        columns = {
            f"{noun}:{name}": kind
            for noun, side in (("input", "inputs"), ("output", "outputs"))
            for name, kind in self._recorded.columns(side)
        }
        card = {
            "modelParameters": _filled(parameters, self._recorded.is_hidden),
            "quantitativeAnalysis": _filled({"performanceMetrics": self._recorded.silent(self._metrics())}),
            "considerations": _filled(considerations),
            "properties": self._recorded.silent(_properties(**gates, **recorded, **columns)),
        }
        return _filled(card)

    def _notice(self) -> str:
        """Say that the data is synthetic, where it was drawn; empty for files of a user's own."""
        version = self._version
        if is_language_model(version):
            learned = version.lineage.get("parameters")
            return TEXTS_NOTICE if isinstance(learned, dict) and learned.get("corpus") == "" else ""
        return getattr(domain_of(self._trained_as), "notice", "") if version.session_id else ""

    def _metrics(self) -> Iterator[dict[str, Any]]:
        """Yield the scores, and what the gates measured of the data."""
        metrics = self._version.metrics
        bounds = {name for name in metrics for end in _BOUNDS if name.endswith(end) and name[: -len(end)] in metrics}
        for name, value in sorted(metrics.items()):
            panel, _, bare = name.rpartition(".")
            low, high = (metrics.get(f"{name}{end}") for end in _BOUNDS)
            interval = None if low is None or high is None else {"lowerBound": repr(low), "upperBound": repr(high)}
            if name not in bounds:
                yield _filled({"type": bare, "value": repr(value), "slice": panel, "confidenceInterval": interval})
        for gate in self._version.gates:
            if gate.value is not None:
                yield _filled(
                    {"type": f"gate {gate.name}", "value": f"{gate.value!r} {gate.unit}".strip(), "slice": gate.window}
                )

    def _data(self) -> list[dict[str, Any]]:
        return [_data_set(purpose, entry) for purpose, entry in self._recorded.data_sets()]

    def _packages(self) -> Iterator[dict[str, Any]]:
        """Yield the interpreter and the packages of the environment in which the version was registered."""
        environment = self._recorded.environment
        if python := environment.get("python"):
            system = {name: environment.get(name) for name in ("system", "machine")}
            name = str(environment.get("implementation") or "Python")
            yield {
                "type": "platform",
                "bom-ref": f"python:{python}",
                "name": name,
                "version": str(python),
                "properties": _properties(**system),
            }
        for name, version, scope in self._recorded.packages():
            yield _package(name, version, scope)

    def _kinds(self, side: str) -> list[str]:
        return sorted({kind for _, kind in self._recorded.columns(side)})


def _data_set(purpose: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a data set; a hash that is no SHA-256 of 64 digits, as a person may register it, is a property."""
    sha256 = sha256_in(entry)
    more = {name: entry.get(name) for name in ("n_rows", "seed")}
    contents = {"properties": _properties(**more, **({} if sha256 else {"hash": entry.get("sha256")}))}
    found = {
        "type": "data",
        "bom-ref": f"data:{purpose}",
        "name": purpose,
        "hashes": _hashes(sha256),
        "data": [{"type": "dataset", "name": purpose, **({"contents": contents} if contents["properties"] else {})}],
    }
    return _filled(found)


def _package(name: str, version: str, scope: str) -> dict[str, Any]:
    purl = purl_of(name, version)
    found = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "scope": scope,
        "licenses": _licences(name, version),
    }
    return _filled(found)


def _licences(name: str, version: str) -> list[dict[str, Any]]:
    """Return the licence of a package, if this version of it is installed here; another may have another licence."""
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return []
    if distribution.version != version:
        return []
    licence = licence_of(distribution)
    if distribution.metadata.get_all("License-Expression"):
        return [{"expression": licence}]
    return [] if licence == "unknown" else [{"license": {"name": licence}}]


def _ancestor(key: str, manifest_sha256: str) -> dict[str, Any]:
    model, _, version = key.partition("/")
    found = {
        "type": "machine-learning-model",
        "name": model,
        "version": version,
        "hashes": _hashes(manifest_sha256),
    }
    return _filled(found)


def _task_of(model: str) -> str | None:
    from core.domains.catalogue import model_class

    domain = domain_of(model)
    return None if domain is None else model_class(model, domain).task


def _hashes(sha256: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": sha256}] if sha256 else []


def _properties(**values: Any) -> list[dict[str, str]]:
    """Return the properties that have a value."""
    return [{"name": f"bondx:{name}", "value": str(value)} for name, value in values.items() if value not in (None, "")]


def _filled(fields: Mapping[str, Any], is_hidden: Any = None) -> dict[str, Any]:
    """Return the fields that have a value, and none that is hidden."""
    return {
        name: value
        for name, value in fields.items()
        if value not in (None, "", [], {}) and not (is_hidden is not None and is_hidden(value))
    }
