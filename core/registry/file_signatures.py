"""The signature of a version's files in the format of OpenSSF Model Signing.

The record of a version keeps the signature that was made at its registration; the statement that it signs follows from
the manifest. A version of an earlier release has none: it is signed when somebody asks.
"""

import logging

from core.files import FileAccessError, InDoubtError
from core.governance.errors import GovernanceError
from core.governance.model_keys import ModelKeys
from core.governance.model_signing import signature_of, statement_of_files
from core.registry.artifacts import StagedArtifact
from core.registry.manifest import MANIFEST_NAME, Manifest
from core.state.workspace import Workspace

log = logging.getLogger(__name__)


def registered_signature(workspace: Workspace, key: str, staged: StagedArtifact) -> str:
    """Sign the files of a version that is being registered.

    Args:
        workspace: The workspace, whose key signs them.
        key: The version, "spread/1.4.0".
        staged: Its files.

    Returns:
        The signature as base64; empty where this account has no key to sign with, which the log says.
    """
    statement = version_statement(key, staged.manifest, staged.manifest_sha256)
    try:
        return signature_of(statement, ModelKeys(workspace.keys_dir))
    except (GovernanceError, FileAccessError, InDoubtError) as error:
        log.warning("the files of %s could not be signed: %s", key, error)
        return ""


def version_statement(key: str, manifest: Manifest, manifest_sha256: str) -> bytes:
    """Return the statement about the files of a version, its manifest among them.

    Args:
        key: The version, "spread/1.4.0".
        manifest: Its manifest.
        manifest_sha256: The hash of that.
    """
    files = {name: file.sha256 for name, file in manifest.files.items()}
    return statement_of_files(key, {**files, MANIFEST_NAME: manifest_sha256})
