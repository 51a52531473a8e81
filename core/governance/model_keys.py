"""The key that signs versions and packs for foreign verifiers: ECDSA P-256, as OpenSSF Model Signing wants.

It lies beside the keys of the audit log, and is made as they are: on first use, readable by its owner only. Its public
half is beside it: `model-signing.pub`. A rotation replaces the pair; the public half of the former one stays under the
first digits of its SHA-256, which a signature names as its hint: `model-signing-0123456789abcdef.pub`.
"""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from core.files import create_once, digest, write_file
from core.governance.errors import ModelKeyError
from core.governance.keys import EVERYBODY_READS, OWNER_ONLY, AuditKeys
from core.plain_files import read_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

PUBLIC_NAME: Final = "model-signing.pub"
FINGERPRINT_DIGITS: Final = 16
_FORMER = re.compile(r"model-signing-([0-9a-f]{16})\.pub")


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

    def former_keys(self) -> dict[str, str]:
        """Return the public halves of former keys in PEM by their fingerprint; what is no such key is left out."""
        found: dict[str, str] = {}
        for file in sorted(self._folder.glob("model-signing-*.pub")):
            if (match := _FORMER.fullmatch(file.name)) is None:
                continue
            try:
                pem = _pem(model_key_in(read_file(file)))
            except (OSError, ValueError):
                continue
            if fingerprint_of(pem) == match[1]:
                found[match[1]] = pem
        return found

    def rotate(self) -> tuple[str, str]:
        """Replace the pair by a new one, of which nobody has a copy; the former public half stays beside it.

        A process that is killed meanwhile leaves the former pair, or the new one with the former public half.

        Returns:
            The former public key in PEM, and the present one.

        Raises:
            ModelKeyError: The present key cannot be read.
            FileAccessError: The new one cannot be written.
        """
        from cryptography.hazmat.primitives.asymmetric import ec

        former = self.public_key()
        create_once(self.former_file(fingerprint_of(former)), former.encode(), mode=EVERYBODY_READS)
        made = ec.generate_private_key(ec.SECP256R1())
        write_file(self._private_file, _private_pem(made), mode=OWNER_ONLY)
        return former, self.public_key()

    def former_file(self, fingerprint: str) -> Path:
        """Return the file of the public half of a former key."""
        return self._folder / f"model-signing-{fingerprint}.pub"

    def _key(self) -> "EllipticCurvePrivateKey":
        # Imported late: most processes neither sign nor verify.
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric import ec

        if not self._private_file.exists():
            create_once(self._private_file, _private_pem(ec.generate_private_key(ec.SECP256R1())), mode=OWNER_ONLY)
        try:
            key = form.load_pem_private_key(read_file(self._private_file), password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ModelKeyError(self._private_file, f"cannot be read ({error})") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ModelKeyError(self._private_file, "is not an ECDSA P-256 key")
        public = _pem(key.public_key())
        if not self._public_file.exists():
            create_once(self._public_file, public.encode(), mode=EVERYBODY_READS)
        elif (stale := self.public_key_on_file()) != public and stale in self.former_keys().values():
            # A rotation was cut off between the two files.
            write_file(self._public_file, public.encode(), mode=EVERYBODY_READS)
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


def model_keys_in(text: str) -> list[str]:
    """Return each public key of a text of several, in PEM: the present one and those before it.

    >>> end = "-----END PUBLIC KEY-----"
    >>> model_keys_in(f"a\\n{end}\\nb\\n{end}\\n") == [f"a\\n{end}\\n", f"b\\n{end}\\n"]
    True
    """
    end = "-----END PUBLIC KEY-----"
    return [f"{part.strip()}\n{end}\n" for part in text.split(end) if part.strip()]


def fingerprint_of(public_key: str) -> str:
    """Return the first digits of the SHA-256 of a public key in PEM, as `sha256sum` prints them."""
    return digest(public_key.encode())[:FINGERPRINT_DIGITS]


def _private_pem(key: "EllipticCurvePrivateKey") -> bytes:
    from cryptography.hazmat.primitives import serialization as form

    return key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())


def _pem(key: "EllipticCurvePublicKey") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
