"""The bill of materials of a release in CycloneDX's JSON: its files, and every package that it needs.

The same files and packages give the same bytes: its time is that of the release, and its serial number is made of its
content.

Source:
    CycloneDX 1.6 (ECMA-424), https://cyclonedx.org/docs/1.6/json/
"""

import json
import platform
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from core.files import digest
from core.installed_packages import DISTRIBUTION, licence_of
from tools.dependencies import Dependency, applicable, closure

SPEC_VERSION = "1.6"


def bill_of_materials(project: Mapping[str, Any], files: Iterable[Path], *, at: datetime) -> str:
    """Write the bill of a release and of the packages that it needs without extras, as they are installed here.

    Args:
        project: The table `project` of pyproject.toml.
        files: The files of the release, which the bill names with their hashes.
        at: The time of the release.
    Raises:
        NotInstalledError: A package is not installed.
    """
    own = f"pkg:pypi/{DISTRIBUTION}@{project['version']}"
    found = closure(project["dependencies"])
    needs = {canonicalize_name(each.name) for each in applicable(project["dependencies"], frozenset())}
    refs = {name: _purl(each) for name, each in found.items()}
    content: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "metadata": {
            "timestamp": at.isoformat(),
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": DISTRIBUTION,
                "version": project["version"],
                "purl": own,
                "licenses": [{"expression": project["license"]}],
                "externalReferences": [_reference(file) for file in sorted(files)],
            },
            "properties": [{"name": "bondx:resolved_for", "value": _system()}],
        },
        "components": [_component(each) for each in found.values()],
        "dependencies": [
            {"ref": own, "dependsOn": sorted(refs[name] for name in needs)},
            *(
                {"ref": refs[name], "dependsOn": sorted(refs[need] for need in each.needs)}
                for name, each in found.items()
            ),
        ],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    return json.dumps({**content, "serialNumber": serial.urn}, indent=2, sort_keys=True) + "\n"


def _component(dependency: Dependency) -> dict[str, Any]:
    expression = dependency.distribution.metadata.get("License-Expression")
    said = {"expression": expression} if expression else {"license": {"name": licence_of(dependency.distribution)}}
    return {
        "type": "library",
        "bom-ref": _purl(dependency),
        "name": dependency.name,
        "version": dependency.version,
        "purl": _purl(dependency),
        "licenses": [said],
    }


def _reference(file: Path) -> dict[str, Any]:
    hashes = [{"alg": "SHA-256", "content": digest(file.read_bytes())}]
    return {"type": "distribution", "url": file.name, "hashes": hashes}


def _purl(dependency: Dependency) -> str:
    """Return the address of a package; it spells a name in small letters, and with hyphens."""
    return f"pkg:pypi/{dependency.name.lower().replace('_', '-')}@{dependency.version}"


def _system() -> str:
    """Name the system for which the markers of the requirements were judged."""
    python = ".".join(platform.python_version_tuple()[:2])
    return f"{platform.python_implementation()} {python} on {platform.system()} {platform.machine()}"
