"""The two keys of a workspace's audit log: one chains the records, one signs heads of the chain.

Each is written once, readable by its owner only, and never changed. The public half of the signing key is
beside them for auditors: `audit-signing.pub`.
"""

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from core.files import create_once
from core.governance.errors import AuditKeyError
from core.plain_files import read_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

OWNER_ONLY = 0o600
EVERYBODY_READS = 0o644


class AuditKeys:
    """The key files in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._chain_file = folder / "audit.key"
        self._signing_file = folder / "audit-signing.key"
        self._public_file = folder / "audit-signing.pub"

    def chain_key(self, *, may_create: bool) -> bytes:
        """Return the key of the hash chain.

        Args:
            may_create: Whether the log is still empty. A log with records in it is never given a new key:
                that would make every record in it look forged.

        Raises:
            AuditKeyError: The key is missing although it must exist, or is not a key.
        """
        if may_create and not self._chain_file.exists():
            create_once(self._chain_file, secrets.token_hex(32).encode() + b"\n", mode=OWNER_ONLY)
        try:
            return bytes.fromhex(read_file(self._chain_file).decode("ascii").strip())
        except FileNotFoundError:
            raise AuditKeyError(self._chain_file, "is missing") from None
        except (OSError, ValueError) as error:
            raise AuditKeyError(self._chain_file, f"cannot be read ({error})") from error

    def present(self) -> list[str]:
        """Name the key files that exist: the key of the chain is made with the first change."""
        return [file.name for file in (self._chain_file, self._signing_file) if file.exists()]

    def can_sign(self) -> bool:
        """Say whether this account can sign without making a key."""
        return os.access(self._signing_file, os.R_OK)

    def sign(self, message: bytes) -> str:
        """Sign a message; the key pair is made on first use.

        Returns:
            The Ed25519 signature as hex digits.
        """
        return self._signing_key().sign(message).hex()

    def is_signed(self, message: bytes, signature: str) -> bool:
        """Say whether a signature belongs to a message and to the public key in the folder.

        Raises:
            AuditKeyError: The public key is missing or is not a key.
        """
        from cryptography.exceptions import InvalidSignature

        try:
            self._public_key().verify(bytes.fromhex(signature), message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def public_key(self) -> str:
        """Return the public key as 64 hex digits; the key pair is made on first use."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self._signing_key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    def _signing_key(self) -> "Ed25519PrivateKey":
        # Imported late: it costs 40 ms, and most processes neither sign nor verify.
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if not self._signing_file.exists():
            private = Ed25519PrivateKey.generate()
            pem = private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
            create_once(self._signing_file, pem, mode=OWNER_ONLY)
        try:
            key = form.load_pem_private_key(read_file(self._signing_file), password=None)
        except (OSError, ValueError) as error:
            raise AuditKeyError(self._signing_file, f"cannot be read ({error})") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise AuditKeyError(self._signing_file, "is not an Ed25519 key")
        if not self._public_file.exists():
            public = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
            create_once(self._public_file, public, mode=EVERYBODY_READS)
        return key

    def _public_key(self) -> "Ed25519PublicKey":
        try:
            return public_key_in(read_file(self._public_file))
        except OSError as error:
            raise AuditKeyError(self._public_file, f"cannot be read ({error})") from error
        except ValueError as error:
            raise AuditKeyError(self._public_file, str(error)) from error


def public_key_in(content: bytes) -> "Ed25519PublicKey":
    """Read a public key.

    Raises:
        ValueError: It is no Ed25519 public key in PEM.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("is no Ed25519 public key in PEM")
    return key


def prepare_to_sign() -> None:
    """Load what signing takes, 1.8 MiB: a process that signs sooner or later has its size from the start."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    del serialization, ec, ed25519
