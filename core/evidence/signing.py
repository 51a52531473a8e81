"""The signature of a pack: Ed25519, by the key that signs the audit log of the workspace."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from core.errors import UsageError
from core.evidence.pack import EvidencePack, PackManifest
from core.files import digest
from core.governance.keys import AuditKeys, public_key_in
from core.governance.model_keys import ModelKeys
from core.governance.model_signing import bundle_of, signature_of, statement_of_files
from core.plain_files import open_regular
from core.state.workspace import Workspace

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PAGE, DATA, MANIFEST = "evidence.html", "evidence.json", "manifest.json"
PRINT = "evidence.pdf"  # where it was asked for
SIGNATURE = "evidence.sig"  # of the folder, for foreign verifiers
BILL, PROVENANCE = "bill.cdx.json", "provenance.json"  # of a pack about a version
_MOST_KEY_BYTES = 1 << 16


def encoded_pack(pack: EvidencePack) -> bytes:
    """Return the bytes of `evidence.json`."""
    return msgspec.json.format(msgspec.json.encode(pack)) + b"\n"


def encoded_manifest(manifest: PackManifest) -> bytes:
    """Return the bytes of `manifest.json`, the only ones that count for this manifest."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic")) + b"\n"


def part_hashes(pack: EvidencePack) -> tuple[dict[str, str], dict[str, str]]:
    """Return the SHA-256 of each section and of each source."""
    sections = {str(section.number): digest(msgspec.json.encode(section)) for section in pack.sections}
    sources = {source.id: digest(msgspec.json.encode(source)) for source in pack.sources}
    return sections, sources


def signed_manifest(workspace: Workspace, pack: EvidencePack, files: dict[str, bytes]) -> PackManifest:
    """Sign a pack.

    Args:
        workspace: Whose key signs it.
        pack: The pack.
        files: The files beside the manifest.
    """
    keys = AuditKeys(workspace.keys_dir)
    sections, sources = part_hashes(pack)
    manifest = PackManifest(
        pack_id=pack.pack_id,
        kind=pack.kind,
        subject=pack.subject,
        built_at=pack.built_at,
        files={name: digest(content) for name, content in files.items()},
        sections=sections,
        sources=sources,
        audit_sequence=pack.proof.sequence,
        audit_hash=pack.proof.hash,
        audit_root=pack.proof.root,
        public_key=keys.public_key(),
        model_key=ModelKeys(workspace.keys_dir).public_key(),
    )
    return msgspec.structs.replace(manifest, signature=keys.sign(manifest.message()))


def pack_statement(manifest: PackManifest, content: bytes) -> bytes:
    """Return the statement about the folder of a pack, which foreign verifiers check.

    Args:
        manifest: The manifest.
        content: Its bytes.
    """
    return statement_of_files(manifest.pack_id, {**manifest.files, MANIFEST: digest(content)}, beside=SIGNATURE)


def signed_folder(workspace: Workspace, manifest: PackManifest, content: bytes) -> bytes:
    """Return the bytes of `evidence.sig`.

    Args:
        workspace: Whose key signs it.
        manifest: The manifest of the pack, signed.
        content: Its bytes.
    """
    keys, statement = ModelKeys(workspace.keys_dir), pack_statement(manifest, content)
    return bundle_of(statement, signature_of(statement, keys), keys.public_key())


def read_public_key(file: Path) -> "Ed25519PublicKey":
    """Read a public key in PEM, such as `keys/audit-signing.pub` of a workspace.

    Raises:
        UsageError: It cannot be read, or is no Ed25519 public key.
    """
    try:
        with open_regular(file) as opened:
            return public_key_in(opened.read(_MOST_KEY_BYTES))
    except OSError as error:
        raise UsageError(f"--key {file} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        raise UsageError(f"--key {file} {error}; a workspace has it in keys/audit-signing.pub.") from None


def hex_of(key: "Ed25519PublicKey") -> str:
    """Return a public key as 64 hex digits."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def is_signed(key: "Ed25519PublicKey", message: bytes, signature: str) -> bool:
    """Say whether a signature belongs to a message and a key."""
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True
