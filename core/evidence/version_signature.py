"""The signature file of a registered version, for `model_signing verify key` on a machine without this program."""

from collections.abc import Iterator

from core.governance.errors import ModelKeyError
from core.governance.model_keys import ModelKeys
from core.governance.model_signing import bundle_of, is_valid, signature_of
from core.registry import HashMismatchError, Registry
from core.registry.artifacts import ArtifactStore
from core.registry.errors import ChangedFileError
from core.registry.file_signatures import version_statement
from core.registry.records import Records
from core.state.brief import whole
from core.state.workspace import Workspace


def signature_of_version(workspace: Workspace, model: str, version: str) -> bytes:
    """Return the signature of a version's files: that on its record, or a new one if it has none that counts.

    A signature of a former key counts, unless that key leaked: it verifies with the public half that was kept.

    Args:
        workspace: The workspace, whose key signs them.
        model: The model.
        version: Its version, or an alias.

    Returns:
        A Sigstore bundle in JSON, in the format of OpenSSF Model Signing. The same version has the same bytes.

    Raises:
        NotFoundError: There is no such model, version or alias.
        HashMismatchError: Its manifest is not the registered one.
        ModelKeyError: It must be signed now, and the key is damaged, or this account has none.
        FileAccessError: It must be signed now, and the key cannot be made.
    """
    found = whole(Registry(workspace).get(model, version))
    try:
        manifest = ArtifactStore(workspace.artifacts_dir).manifest(found.model, found.version, found.manifest_sha256)
    except ChangedFileError as error:
        raise HashMismatchError(found.model, found.version, (str(error),)) from None
    statement = version_statement(found.key, manifest, found.manifest_sha256)
    keys = ModelKeys(workspace.keys_dir)
    if found.model_signature:
        for public_key in _trusted_keys(workspace, keys):
            if is_valid(statement, found.model_signature, public_key):
                return bundle_of(statement, found.model_signature, public_key)
    if not keys.can_sign():
        raise ModelKeyError(
            workspace.keys_dir / "model-signing.key",
            f"cannot be read by this account, and {found.key} has no signature of its registration",
        )
    return bundle_of(statement, signature_of(statement, keys), keys.public_key())


def _trusted_keys(workspace: Workspace, keys: ModelKeys) -> Iterator[str]:
    """Yield the public keys in PEM whose signatures count: the present one, and former ones that did not leak."""
    if present := keys.public_key_on_file():
        yield present
    former = keys.former_keys()
    if former:
        leaked = {each.fingerprint for each in Records(workspace).former_keys.all() if each.has_leaked}
        yield from (pem for fingerprint, pem in former.items() if fingerprint not in leaked)
