"""The signature of a pack: Ed25519, by the key that signs the audit log of the workspace."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from core.errors import UsageError
from core.evidence.pack import EvidencePack, PackManifest
from core.files import digest
from core.governance.keys import AuditKeys, public_key_in
from core.plain_files import open_regular
from core.state.workspace import Workspace

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PAGE, DATA, MANIFEST = "evidence.html", "evidence.json", "manifest.json"
PRINT = "evidence.pdf"  # where it was asked for
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
    )
    return msgspec.structs.replace(manifest, signature=keys.sign(manifest.message()))


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
