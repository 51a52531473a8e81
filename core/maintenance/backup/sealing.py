"""How content lies in a folder of backups: compressed, named after its hash, and encrypted if there is a key.

Encrypted content is sealed by AES-256-GCM with a random nonce, and bound to its name. The name is a keyed hash then, so
that the names say nothing about the content. Both keys are derived from the person's key by scrypt.
"""

import hashlib
import hmac
import secrets
import zlib
from typing import Protocol

import msgspec

from core.key_derivation import KeyDerivation, derived_key, fresh_derivation
from core.packed_documents import unpacked

_COMPRESSED, _AS_IT_IS = b"z", b"r"
_NONCE_BYTES = 12
_SAMPLE_BYTES = 64 << 10
_WORTH_SHARE = 0.95
_CHECK_NAME, _CHECKED = "check", b"bondx backups"


class BrokenSealError(ValueError):
    """The bytes are not those that were written under their name."""


class Sealer(Protocol):
    """Turns content into what lies on the disk, and back."""

    def name_of(self, content: bytes) -> str:
        """Return the name of some content, as 64 hex digits: equal for equal content alone."""

    def seal(self, name: str, content: bytes) -> bytes:
        """Return the bytes that lie on the disk."""

    def unseal(self, name: str, sealed: bytes, *, most_bytes: int) -> bytes:
        """Return the content.

        Raises:
            BrokenSealError: The bytes were not written under this name.
        """


class PlainSealer:
    """Compresses, and names content after its SHA-256."""

    def name_of(self, content: bytes) -> str:
        """Return the SHA-256 of some content."""
        return hashlib.sha256(content).hexdigest()

    def seal(self, name: str, content: bytes) -> bytes:
        """Return the content compressed, if that makes it smaller."""
        return _packed(content)

    def unseal(self, name: str, sealed: bytes, *, most_bytes: int) -> bytes:
        """Return the content; its hash is compared by whoever knows it."""
        return _unpacked(sealed, most_bytes)


class KeySealer:
    """Compresses, encrypts, and names content after its keyed hash."""

    def __init__(self, key: bytes, derivation: KeyDerivation) -> None:
        """Derive the keys; takes a tenth of a second by design."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        keys = derived_key(key, derivation, 64)
        self._cipher = AESGCM(keys[:32])
        self._naming = keys[32:]

    def name_of(self, content: bytes) -> str:
        """Return the HMAC-SHA-256 of some content."""
        return hmac.new(self._naming, content, "sha256").hexdigest()

    def seal(self, name: str, content: bytes) -> bytes:
        """Return the content compressed and encrypted, bound to its name."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, _packed(content), name.encode())

    def unseal(self, name: str, sealed: bytes, *, most_bytes: int) -> bytes:
        """Return the content.

        Raises:
            BrokenSealError: The bytes were changed, have another name, or were sealed with another key.
        """
        from cryptography.exceptions import InvalidTag

        try:
            packed = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError):
            raise BrokenSealError("its bytes were changed, or it was encrypted with another key") from None
        return _unpacked(packed, most_bytes)


def new_derivation(key: bytes) -> tuple[KeySealer, KeyDerivation]:
    """Return a sealer for a new folder, and what the folder keeps about its key."""
    derivation = fresh_derivation()
    sealer = KeySealer(key, derivation)
    check = sealer.seal(_CHECK_NAME, _CHECKED).hex()
    return sealer, msgspec.structs.replace(derivation, check=check)


def sealer_of(key: bytes, derivation: KeyDerivation) -> KeySealer | None:
    """Return the sealer of an existing folder; None if its key is another one.

    Raises:
        ValueError: What the folder keeps about its key cannot be used.
    """
    sealer = KeySealer(key, derivation)
    try:
        found = sealer.unseal(_CHECK_NAME, bytes.fromhex(derivation.check), most_bytes=len(_CHECKED))
    except BrokenSealError:
        return None
    return sealer if found == _CHECKED else None


def _packed(content: bytes) -> bytes:
    sample = content[:_SAMPLE_BYTES]
    if len(content) > _SAMPLE_BYTES and len(zlib.compress(sample, 1)) > _WORTH_SHARE * len(sample):
        return _AS_IT_IS + content  # compressed already, as models, pictures and Parquet are
    compressed = zlib.compress(content, 1)
    return _COMPRESSED + compressed if len(compressed) < len(content) else _AS_IT_IS + content


def _unpacked(packed: bytes, most_bytes: int) -> bytes:
    kind, rest = packed[:1], packed[1:]
    if kind == _AS_IT_IS:
        return rest
    try:
        if kind == _COMPRESSED:
            return unpacked(rest, most_bytes)
    except zlib.error:
        pass
    raise BrokenSealError("its bytes were changed, or cut short")
