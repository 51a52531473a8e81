"""The key that signs versions and packs for foreign verifiers: ECDSA P-256, as OpenSSF Model Signing wants.

It lies beside the keys of the audit log, and is made as they are: once, on first use, readable by its owner only. Its
public half is beside it: `model-signing.pub`.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from core.files import create_once
from core.governance.errors import ModelKeyError
from core.governance.keys import EVERYBODY_READS, OWNER_ONLY, AuditKeys
from core.plain_files import read_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

PUBLIC_NAME: Final = "model-signing.pub"


class ModelKeys:
    """The pair of key files in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._private_file = folder / "model-signing.key"
        self._public_file = folder / PUBLIC_NAME

    def can_sign(self) -> bool:
        """Say whether this account reads the key, or that of the audit log where there is none yet."""
        if os.path.exists(self._private_file):  # False, too, where the folder is closed to this account
            return os.access(self._private_file, os.R_OK)
        return AuditKeys(self._folder).can_sign()

    def sign(self, message: bytes) -> bytes:
        """Sign a message with SHA-256, deterministically (RFC 6979); the key pair is made on first use.

        Returns:
            The signature in DER.

        Raises:
            ModelKeyError: The key cannot be read, or is not such a key.
            FileAccessError: It cannot be made.
        """
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        return self._key().sign(message, ECDSA(SHA256(), deterministic_signing=True))

    def public_key(self) -> str:
        """Return the public key in PEM; the key pair is made on first use; raises as `sign` does."""
        return _pem(self._key().public_key())

    def public_key_on_file(self) -> str:
        """Return the public key in PEM without the private one; empty if there is none, or it is not such a key."""
        try:
            return _pem(model_key_in(read_file(self._public_file)))
        except (OSError, ValueError):
            return ""

    def _key(self) -> "EllipticCurvePrivateKey":
        # Imported late: most processes neither sign nor verify.
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric import ec

        if not self._private_file.exists():
            made = ec.generate_private_key(ec.SECP256R1())
            pem = made.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
            create_once(self._private_file, pem, mode=OWNER_ONLY)
        try:
            key = form.load_pem_private_key(read_file(self._private_file), password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ModelKeyError(self._private_file, f"cannot be read ({error})") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ModelKeyError(self._private_file, "is not an ECDSA P-256 key")
        if not self._public_file.exists():
            create_once(self._public_file, _pem(key.public_key()).encode(), mode=EVERYBODY_READS)
        return key


def model_key_in(content: bytes) -> "EllipticCurvePublicKey":
    """Read a public key.

    Raises:
        ValueError: It is no P-256 public key in PEM.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("is no P-256 public key in PEM")
    return key


def is_signed_by(key: "EllipticCurvePublicKey", message: bytes, signature: bytes) -> bool:
    """Say whether a signature in DER, with SHA-256, belongs to a message and a key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        key.verify(signature, message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _pem(key: "EllipticCurvePublicKey") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
