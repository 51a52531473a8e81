"""Signed claims about versions: in-toto statements that name the files by the hash of their manifest.

`gates_passed` is signed as a version is registered, where gates judged its data and none failed; `validated_by` as a
person approves it. `core.registry.demanded_claims` is the other end: a server that loads no version without them.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

import orjson

from core.governance.dsse import STATEMENT_TYPE, enveloped
from core.governance.errors import AuditKeyError
from core.governance.keys import AuditKeys
from core.quality.gate import GateResult, GateVerdict
from core.registry.manifest import MANIFEST_NAME
from core.settings.claims import ClaimName
from core.state import Workspace

log = logging.getLogger(__name__)

PREDICATES: Final[Mapping[ClaimName, str]] = {
    "gates_passed": "urn:bondx:claim:gates_passed:v1",
    "validated_by": "urn:bondx:claim:validated_by:v1",
}


def subject_name(key: str) -> str:
    """Return how a claim names the manifest of a version.

    >>> subject_name("spread/1.4.0")
    'spread/1.4.0/MANIFEST.json'
    """
    return f"{key}/{MANIFEST_NAME}"


def signed_claim(workspace: Workspace, name: ClaimName, key: str, manifest_sha256: str, said: Mapping[str, Any]) -> str:
    """Sign a claim about a version with the key of the workspace.

    Args:
        workspace: The workspace.
        name: What is claimed.
        key: The version, "spread/1.4.0".
        manifest_sha256: The hash of its manifest.
        said: Who claims it, when, and on what.

    Returns:
        A DSSE envelope as JSON; empty where this account has no key to sign with, which the log says.
    """
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": subject_name(key), "digest": {"sha256": manifest_sha256}}],
        "predicateType": PREDICATES[name],
        "predicate": dict(said),
    }
    try:
        return orjson.dumps(enveloped(statement, AuditKeys(workspace.keys_dir))).decode()
    except (AuditKeyError, OSError) as error:
        log.warning("the claim %s about %s could not be signed: %s", name, key, error)
        return ""


def have_passed(gates: tuple[GateResult, ...]) -> bool:
    """Say whether gates have judged, and none has failed."""
    return bool(gates) and all(gate.verdict is not GateVerdict.FAIL for gate in gates)
